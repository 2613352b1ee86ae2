"""What the environment says: where things are kept and where the services listen."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from remediations.model.site import SecretRef
from remediations.settings.problem import ConfigError, Problem
from remediations.settings.secrets import resolve_changing


def _state() -> Path:
    """Where programs keep their state on this platform (XDG Base Directory; %LOCALAPPDATA%; Application Support)."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "hyperv-remediation"


SERVING = "serving.json"
"""File in the state directory in which `remediate serve` says where its Prefect answers."""


class Settings(BaseSettings):
    """Settings of the machine, each from the environment variable `REMEDIATE_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="REMEDIATE_", env_ignore_empty=True, frozen=True, extra="forbid")

    config: Path | None = Field(default=None, description="Directory of site.yaml and policy.yaml")
    state: Path = Field(default_factory=_state, description="Directory for the ledger and other files that must survive")
    ledger: str = Field(default="", description="The ledger's SQLAlchemy URL; an SQLite file in the state directory if empty")
    key_file: Path | None = Field(
        default=None, description="File of the key that seals approvers' secrets; approvers.key in the state directory if empty"
    )
    prefect_api_url: str | None = Field(
        default=None, validation_alias="PREFECT_API_URL", description="An existing Prefect server; one is started if empty"
    )
    receiver_address: str = Field(default="127.0.0.1", min_length=1, description="Address the alert receiver listens on")
    receiver_port: int = Field(default=4280, ge=0, le=65535, description="Its port; 0 takes a free one")
    receiver_certificate: Path | None = Field(
        default=None, description="PEM file with its TLS certificate and the certificates that it was issued by"
    )
    receiver_key: Path | None = Field(default=None, description="PEM file with the certificate's private key")
    receiver_proxy: str | None = Field(
        default=None, description="Addresses of the reverse proxies that do TLS in front of it, with commas between them"
    )
    receiver_rate: float = Field(
        default=500, gt=0, description="Requests a second that it takes of one sender's address; twice as many at once"
    )
    receiver_token_env: str | None = Field(
        default=None, description="Environment variable that holds the senders' bearer token"
    )
    receiver_token_file: Path | None = Field(
        default=None,
        description="File that holds the senders' bearer token; while it is changed the new and the old one, one a line",
    )
    receiver_secret_env: str | None = Field(
        default=None, description="Environment variable that holds the secret that senders sign with"
    )
    receiver_secret_file: Path | None = Field(
        default=None,
        description="File that holds the secret that senders sign with; while it is changed the new and the old, one a line",
    )

    flows: str = Field(
        default="", description="Further flows that the workers may run, each as module.name, with commas between"
    )

    watch_seconds: float = Field(
        default=60, ge=0, le=86_400, description="Seconds between looks at the hosts' event logs by serve; 0 for none"
    )

    readers: int = Field(
        default=0, ge=0, le=64, description="Processes that a look ahead reads many hosts with; 0: one for each processor core"
    )

    @field_validator("*", mode="after")
    @classmethod
    def _as_a_shell_would(cls, value: object) -> object:
        """A path as a shell would have given it: service managers and container engines leave ~ and quotes as they are.

        They leave Windows' line ends too: a control character is in no value.
        """
        if isinstance(value, Path | str) and any(char < " " for char in str(value)):
            # The value is not told: a password may stand in an address.
            raise ValueError("this holds a control character; save the file that sets it with Unix line ends (LF)")
        if not isinstance(value, Path):
            return value
        if str(value)[0] in "\"'":
            raise ValueError(f"{value} begins with a quote, which is taken for a part of it; leave the quotes out")
        try:
            return value.expanduser().absolute()
        except RuntimeError:
            raise ValueError(f"{value} begins with a ~, and no such home is known; write it out") from None

    @classmethod
    def load(cls) -> Self:
        """The settings of this process's environment. Raises `ConfigError` naming each variable that is wrong."""
        try:
            found = cls()
        except ValidationError as error:
            raise ConfigError([_problem(str(detail["loc"][0]), detail["msg"]) for detail in error.errors()]) from None
        found._fit_together()
        return found

    def _fit_together(self) -> None:
        """Raises `ConfigError` for variables that are right alone and wrong together."""
        problems = []
        for what in ("TOKEN", "SECRET"):
            names = [f"REMEDIATE_RECEIVER_{what}_{kind}" for kind in ("ENV", "FILE")]
            if all(getattr(self, name.removeprefix("REMEDIATE_").lower()) is not None for name in names):
                problems.append((names[0], f"both this and {names[1]} are set", "keep one of the two"))
        if (self.receiver_certificate is None) != (self.receiver_key is None):
            given, missing = ("CERTIFICATE", "KEY") if self.receiver_key is None else ("KEY", "CERTIFICATE")
            wrong = f"this is set without REMEDIATE_RECEIVER_{missing}"
            problems.append((f"REMEDIATE_RECEIVER_{given}", wrong, "set both, or none"))
        if not self.ledger and "?" in str(self.state):
            right = "name one without, or name the ledger itself in REMEDIATE_LEDGER"
            problems.append(("REMEDIATE_STATE", f"{self.state}: the address of the ledger in it would end at the ?", right))
        if problems:
            raise ConfigError([Problem.of_variable(*each) for each in problems])

    def make_state(self) -> Path:
        """The state directory, made if it is not there. Raises `ConfigError` that says why it cannot be."""
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            wrong = f"{self.state} cannot be made ({error.strerror or error})"
            right = "name a directory that this account may write to"
            raise ConfigError([Problem.of_variable("REMEDIATE_STATE", wrong, right)]) from None
        return self.state

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger or f"sqlite:///{self.state / 'ledger.db'}"

    @property
    def key(self) -> Path:
        """The file of the key that seals approvers' secrets."""
        return self.key_file or self.state / "approvers.key"

    def named_prefect(self) -> str | None:
        """PREFECT_API_URL; None if it is not set. Raises `ConfigError` if nothing can be asked there.

        Not by `load`: a pause asks no Prefect, and must work whatever else is wrong.
        """
        if not self.prefect_api_url:
            return None
        try:
            parts = urlsplit(self.prefect_api_url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number, half an IPv6 address
            usable = False
        if not usable:
            right = "write it as http://SERVER:4200/api"
            raise ConfigError([Problem.of_variable("PREFECT_API_URL", "this is no address of a Prefect API", right)])
        return self.prefect_api_url

    @property
    def prefect_api(self) -> str | None:
        """Where Prefect answers: PREFECT_API_URL, else what a running `remediate serve` wrote down; None without either.

        Raises `ConfigError` as `named_prefect`.
        """
        if self.prefect_api_url:
            return self.named_prefect()
        try:
            return str(json.loads((self.state / SERVING).read_text())["api"])
        except (OSError, ValueError, KeyError):
            return None

    @property
    def receiver_tokens(self) -> Callable[[], tuple[str, ...]] | None:
        """Yields the token at each call, so that a new file counts at once; two while it is changed. None if senders need none.

        Raises at a call as `resolve_changing`.
        """
        return _secrets(self.receiver_token_env, self.receiver_token_file)

    @property
    def receiver_secrets(self) -> Callable[[], tuple[str, ...]] | None:
        """As `receiver_tokens`, for the secret that senders sign with; None if no signature is taken."""
        return _secrets(self.receiver_secret_env, self.receiver_secret_file)


def _secrets(env: str | None, file: Path | None) -> Callable[[], tuple[str, ...]] | None:
    if env is None and file is None:
        return None
    reference = SecretRef(env=env, file=file)
    return lambda: resolve_changing(reference)


def _problem(name: str, message: str) -> Problem:
    variable = name if name.isupper() else f"REMEDIATE_{name.upper()}"
    field = Settings.model_fields.get(name)
    meaning = field.description if field is not None and field.description else "see the README"
    return Problem.of_variable(variable, message.removeprefix("Value error, "), f"set it to: {meaning}")
