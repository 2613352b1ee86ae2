"""An evidence bundle: everything that was read of an incident, in one compressed file whose parts are summed.

It can be read by people (`readable/`), checked (`manifest.json`), and played again with the rules of another day. It is taken
before any change. What it holds of the site is its inventory and expectations, never how hosts are logged on to.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from remediations.engine import values
from remediations.engine.findings import findings_of
from remediations.engine.propose import Proposal, propose
from remediations.engine.recording import Replay, Spoken
from remediations.model.base import Json
from remediations.model.diagnosis import Sighting
from remediations.model.incident import Incident
from remediations.model.maintenance import Maintenance
from remediations.model.site import Authentication, Endpoint, Expectation, Host, Site

FORMAT = 1
"""Version of the file's layout; a later program reads earlier ones."""

LARGEST = 512 * 1024 * 1024
"""Bytes that one bundle may unpack to; a larger one is refused, whatever its own list says."""

TSS = "TSS.ps1 -CollectLog SHA_support-all -noBasicLog -noUpdate -NewSession"
"""Microsoft's own collector, as the guide asks for it (Data collection); somebody else's script, so a person runs it."""


class BundleError(ValueError):
    """A file is no evidence bundle, or not as it was made. The text names the file or part that is wrong."""


@dataclass(frozen=True)
class Bundle:
    """What was read of one incident, and what was found then."""

    incident: Incident
    now: datetime
    """The moment of the reading, which rules about time are judged by (aware)."""
    site: Site
    """Held to what policy wants left of its clusters."""
    said: Mapping[str, tuple[Spoken, ...]]
    """By host: each command with its reply, in order."""
    identities: Mapping[str, str]
    """By host: as whom it was read."""
    sightings: tuple[Sighting, ...] = ()
    logs: Mapping[str, str] = ()  # type: ignore[assignment] # an empty one
    """Longer texts by file name, as a node's cluster log."""
    findings: Json = None
    """What the rules of that day found, as `findings_of` writes it."""
    redacted: bool = False
    program: str = ""
    """Version of the program that made it."""

    def proposal(self) -> Proposal:
        """What today's rules make of it."""
        hosts = Replay(self.said, self.identities)
        return propose(hosts, self.site, self.incident, now=self.now, sightings=self.sightings, tried=frozenset())

    def with_findings(self, proposal: Proposal) -> Self:
        """This bundle, with what was found."""
        return replace(self, findings=findings_of(proposal))

    # ---- as files ----------------------------------------------------------------------------------------------------

    def write(self, path: Path) -> str:
        """Write the file, whole or not at all; its SHA-256. Raises `OSError`."""
        parts = self._parts()
        manifest = {
            "format": FORMAT,
            "program": self.program or version("hyperv-remediation"),
            "about": self.incident.title,
            "read_at": self.now.isoformat(),
            "redacted": self.redacted,
            "files": [
                {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in parts.items()
            ],
        }
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.touch(mode=0o600)
        try:
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as packed:
                for name, content in {"manifest.json": _json(manifest), **parts}.items():
                    packed.writestr(zipfile.ZipInfo(name, self.now.timetuple()[:6]), content, zipfile.ZIP_DEFLATED)
            sum_ = hashlib.sha256(unfinished.read_bytes()).hexdigest()
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return sum_

    def _parts(self) -> dict[str, bytes]:
        situation = {
            "incident": self.incident.to_json(),
            "now": self.now.isoformat(),
            "sightings": [each.to_json() for each in self.sightings],
            "identities": dict(self.identities),
            "maintenance": self.site.maintenance.to_json(),
        }
        parts = {
            "about.md": about(self).encode(),
            "situation.json": _json(situation),
            "site.json": _json(without_logons(self.site).model_dump(mode="json")),
            "findings.json": _json(self.findings),
        }
        for host, spoken in sorted(self.said.items()):
            lines = [json.dumps(_spoken(each), ensure_ascii=False) for each in spoken]
            parts[f"hosts/{host}.jsonl"] = "\n".join(lines).encode()
            parts[f"readable/{host}.txt"] = readable(spoken).encode()
        return parts | {f"logs/{name}": text.encode() for name, text in sorted(self.logs.items())}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read and check a bundle. Raises `BundleError` for what is not as it was made, `OSError` if it cannot be read."""
        try:
            parts, manifest = _unpacked(path)
            situation, site = json.loads(parts["situation.json"]), json.loads(parts["site.json"])
            # Bundles of earlier programs do not say what policy wanted left: the defaults hold.
            maintenance = Maintenance.model_validate(situation.get("maintenance", {}))
            hosts = {name[6:-6]: content for name, content in parts.items() if name.startswith("hosts/")}
            return cls(
                incident=Incident.model_validate(situation["incident"]),
                now=datetime.fromisoformat(situation["now"]),
                site=Site.model_validate(_without_gone(site)).held_to(maintenance),
                said={host: tuple(_heard(line) for line in content.splitlines()) for host, content in hosts.items()},
                identities=situation["identities"],
                sightings=tuple(Sighting.model_validate(each) for each in situation["sightings"]),
                logs={name[5:]: content.decode() for name, content in parts.items() if name.startswith("logs/")},
                findings=json.loads(parts["findings.json"]),
                redacted=manifest["redacted"],
                program=manifest["program"],
            )
        except BundleError:
            raise
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise BundleError(
                f"{path}: it is packed like an evidence bundle, but a part of it cannot be read ({error})"
            ) from error


KEPT = 200
"""Bundles that are kept of runs; the oldest go first."""


def forget(directory: Path) -> None:
    """Remove the oldest bundles of a directory beyond `KEPT`."""
    for old in sorted(directory.glob("*.zip"), key=lambda each: each.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)


def without_logons(site: Site) -> Site:
    """The site with nothing in it that says how hosts are logged on to, but what decides how far commands reach."""

    def bare(host: Host) -> Host:
        old = host.endpoint
        endpoint = Endpoint(
            address=host.name,
            authentication=Authentication.KERBEROS,
            configuration=old.configuration,
            second_hop=old.second_hop,
        )
        return host.model_copy(update={"endpoint": endpoint})

    return site.model_copy(update={"hosts": tuple(map(bare, site.hosts)), "controllers": tuple(map(bare, site.controllers))})


def readable(spoken: tuple[Spoken, ...]) -> str:
    """A host's part for people: each command as it would be typed, and what came back."""
    blocks = []
    for each in spoken:
        lines = [f"PS> {each.text}"]
        if each.reply is None:
            lines.append(f"    no answer: {each.trouble}")
        else:
            lines += [f"    error: {error.message}" for error in each.reply.errors]
            for thing in each.reply.objects:
                shown = (
                    [f"    {key:28} {value}" for key, value in thing.items()]
                    if isinstance(thing, Mapping)
                    else [f"    {thing}"]
                )
                lines += [*shown, ""]
        blocks.append("\n".join(lines).rstrip())
    return "\n\n".join(blocks) + "\n"


def about(bundle: Bundle) -> str:
    """The page that a person reads first."""
    names = (
        "Names of hosts, virtual machines, clusters, the domain and its accounts, IP addresses and security ids are replaced, "
        "each always by the same; addresses keep their last part."
        if bundle.redacted
        else "Names and addresses are as they were read."
    )
    files = [
        "- `manifest.json`: every file with its SHA-256",
        "- `situation.json`, `site.json`: the incident, the moment, the inventory, what is expected, and what policy wants "
        "left of a cluster while a node is away; no logons",
        "- `findings.json`: what was found then",
        "- `hosts/`: each command and its reply, a line each; `readable/`: the same for people",
        *(["- `logs/`: longer logs"] if bundle.logs else []),
    ]
    return "\n".join(
        [
            f"# Evidence: {bundle.incident.title}",
            "",
            f"Read at {bundle.now.isoformat()}, before anything was changed. {names}",
            "",
            *files,
            "",
            "`remediate diagnose --bundle FILE` plays it again with the rules of the day, and asks no host.",
            "",
            f"Not in it: live traces. If Microsoft's support asks for them, run at the host: `{TSS}`",
            "",
        ]
    )


def _without_gone(site: Json) -> Json:
    """A site's record without the expectations that earlier programs took, and no rule goes by."""
    for each in (*site["hosts"], *site["clusters"], *site["controllers"]):
        each["expect"] = {name: each["expect"][name] for name in Expectation.model_fields if name in each["expect"]}
    return site


def _spoken(each: Spoken) -> Json:
    reply = None if each.reply is None else values.to_json(each.reply)
    return {"command": each.command, "text": each.text, "reply": reply, "trouble": each.trouble}


def _heard(line: bytes) -> Spoken:
    value = json.loads(line)
    return Spoken(**value | {"reply": None if value["reply"] is None else values.from_json(value["reply"])})


def _json(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()


def _unpacked(path: Path) -> tuple[dict[str, bytes], Mapping[str, Any]]:
    try:
        packed = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BundleError(f"{path}: it is no evidence bundle (not a zip file)") from error
    with packed:
        if sum(each.file_size for each in packed.infolist()) > LARGEST:
            raise BundleError(f"{path}: it unpacks to more than {LARGEST // 1024**2} MiB, which no evidence bundle does")
        names = packed.namelist()
        if "manifest.json" not in names:
            raise BundleError(f"{path}: it is no evidence bundle (it has no manifest.json)")
        try:
            manifest = json.loads(packed.read("manifest.json"))
            if manifest["format"] > FORMAT:
                raise BundleError(f"{path}: a newer program made it (format {manifest['format']}): install that one")
            listed = {each["name"]: each["sha256"] for each in manifest["files"]}
            parts = {name: packed.read(name) for name in names if name != "manifest.json"}
        except (zipfile.BadZipFile, KeyError, TypeError, json.JSONDecodeError) as error:
            raise BundleError(f"{path}: it is damaged ({error})") from error
    for name in sorted(listed.keys() | parts.keys()):
        if name not in parts:
            raise BundleError(f"{path}: {name} is missing")
        if name not in listed:
            raise BundleError(f"{path}: {name} is not in its manifest")
        if hashlib.sha256(parts[name]).hexdigest() != listed[name]:
            raise BundleError(f"{path}: {name} is not as it was made (its SHA-256 differs)")
    return parts, manifest
