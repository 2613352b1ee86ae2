"""Which configuration files are read, and reading them together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from remediations.model.policy import Policy
from remediations.model.site import Site
from remediations.model.tier import Tier
from remediations.settings.policy import read_policy
from remediations.settings.problem import ConfigError, Problem
from remediations.settings.site import Inspect, read_site

_PACKAGE = Path(__file__).resolve().parent.parent


def packaged(name: str) -> Path:
    """A default configuration file that came with the program. Raises `FileNotFoundError` naming what there is."""
    directory = _packaged_directory()
    path = directory / name
    if not path.is_file():
        there = ", ".join(sorted(each.name for each in directory.iterdir() if each.is_file()))
        raise FileNotFoundError(f"no configuration file {name} came with the program; there is {there}")
    return path


def _packaged_directory() -> Path:
    """`_configs` beside the code in an installed wheel, `configs` beside the package in a checkout."""
    installed = _PACKAGE / "_configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def config_directory(explicit: Path | None = None) -> Path:
    """The directory whose files are read: `explicit` (--config), else REMEDIATE_CONFIG, else ./configs, else the packaged.

    Raises `ConfigError` if a directory that was named is none: falling back then would act on another site's files.
    """
    named = [(explicit, "--config")] if explicit is not None else []
    if os.environ.get("REMEDIATE_CONFIG"):
        named.append((Path(os.environ["REMEDIATE_CONFIG"]), "REMEDIATE_CONFIG"))
    for path, how in named:
        if path.is_dir():
            return path
        right = f"give {how} a directory that holds site.yaml and policy.yaml"
        raise ConfigError([Problem(file=str(path), line=0, column=0, where=how, wrong="this is no directory", right=right)])
    here = Path("configs")
    return here if (here / "site.yaml").is_file() else _packaged_directory()


@dataclass(frozen=True)
class Configuration:
    """A site and its policy, read together from one directory."""

    directory: Path
    site: Site
    policy: Policy

    @property
    def nobodys(self) -> Problem | None:
        """Why this is nobody's site: the example, read because no directory was named. None if it is somebody's.

        A directory ./configs with hosts of one's own is taken without being named, as it always was.
        """
        if os.environ.get("REMEDIATE_CONFIG") or self.site.domain.casefold() != _EXAMPLE:
            return None
        wrong = f"this is not set, and {self.directory / 'site.yaml'} is the example, whose hosts ({_EXAMPLE}) are nobody's"
        right = (
            f"copy {self.directory} to a directory of yours, write your hosts into its site.yaml, and set REMEDIATE_CONFIG to "
            "it (or give `remediate --config DIRECTORY`); `remediate demo` shows everything on simulated hosts"
        )
        return Problem.of_variable("REMEDIATE_CONFIG", wrong, right)


_EXAMPLE = "contoso.com"
"""The domain of the packaged site.yaml. It is Microsoft's for examples, so nobody's hosts are in it."""


def this_machine(remediations: Mapping[str, Tier] | None = None) -> Configuration:
    """The configuration of this machine. Raises `ConfigError` with every mistake, and where all there is is the example."""
    found = load(config_directory(), remediations)
    if found.nobodys is not None:
        raise ConfigError([found.nobodys])
    return found


def load(directory: Path, remediations: Mapping[str, Tier] | None = None) -> Configuration:
    """Read both files of a directory. Raises `ConfigError` with everything that is wrong with either.

    A directory without a `policy.yaml` has the packaged one. `remediations` are the catalogue's ids and tiers.
    """
    site, policy, problems = _read(directory / "site.yaml", policy_file(directory), remediations)
    if site is None or policy is None or problems:
        raise ConfigError(problems)
    return Configuration(directory, site, policy)


def policy_file(directory: Path) -> Path:
    """The policy file that holds for a directory: its own, else the packaged one.

    Raises `ConfigError` where a file is there that was meant for it: what is stricter in it would not hold.
    """
    own = directory / "policy.yaml"
    if os.path.lexists(own):  # also a link that leads nowhere: it cannot be read, and nothing runs
        return own
    for each in sorted(directory.iterdir()) if directory.is_dir() else ():
        if each.name.casefold() in ("policy.yaml", "policy.yml"):
            wrong = "this name is not read, and the packaged policy would hold in its place"
            raise ConfigError([Problem(file=str(each), line=0, column=0, where="", wrong=wrong, right="call it policy.yaml")])
    return packaged("policy.yaml")


def check(
    site_path: Path,
    policy_path: Path,
    remediations: Mapping[str, Tier] | None = None,
    inspect: Inspect = lambda endpoint: (),
) -> list[Problem]:
    """Everything that is wrong with the two files, with how the one fits the other, and with an endpoint on this machine.

    `inspect` is `remediations.remoting.check.check_endpoint`, where the machine counts.
    """
    return _read(site_path, policy_path, remediations, inspect)[2]


def _read(
    site_path: Path,
    policy_path: Path,
    remediations: Mapping[str, Tier] | None,
    inspect: Inspect = lambda endpoint: (),
) -> tuple[Site | None, Policy | None, list[Problem]]:
    site, problems = read_site(site_path, inspect)
    policy, more = read_policy(policy_path, site, remediations)
    return site, policy, problems + more
