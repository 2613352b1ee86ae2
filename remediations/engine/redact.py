"""An evidence bundle without the names of those that it is about: each replaced, always by the same, everywhere in it.

What is replaced: names of hosts, controllers, clusters, virtual machines, the domain and its accounts, IPv4 addresses, the
domain's part of security ids. An address keeps its last part, and addresses of one /24 network stay in one, so that rules
about networks say the same; those about wider networks may not. Left out are serial numbers, hardware addresses, and bytes
longer than a microcode revision: nobody can read what is in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from remediations.engine import values
from remediations.engine.bundle import Bundle, without_logons
from remediations.engine.recording import Spoken
from remediations.model.base import Json
from remediations.model.incident import Incident
from remediations.model.site import Site

_ADDRESS = re.compile(r"(?<![\d.])(\d{1,3}\.\d{1,3}\.\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_SID = re.compile(r"S-1-5-21-\d+-\d+-\d+")
_READABLE_BYTES = 16
_SERIAL = frozenset({"SerialNumber", "MacAddress", "PermanentAddress", "LinkLayerAddress"})
"""Properties that name one machine of all in the world, and decide nothing."""


def redacted(bundle: Bundle) -> Bundle:
    """The bundle with other names, and what today's rules find in it so."""
    names = Names(bundle)
    said = {
        names.of(host): tuple(
            Spoken(
                command=names.within(each.command),
                text=names.of(each.text),
                reply=None if each.reply is None else values.from_json(names.within(values.to_json(each.reply))),
                trouble=names.of(each.trouble),
            )
            for each in spoken
        )
        for host, spoken in bundle.said.items()
    }
    made = replace(
        bundle,
        incident=Incident.model_validate(names.within(bundle.incident.to_json())),
        site=names.of_site(without_logons(bundle.site)),
        said=said,
        identities={names.of(host): f"an account at {names.of(host)}" for host in bundle.identities},
        sightings=tuple(type(each).model_validate(names.within(each.to_json())) for each in bundle.sightings),
        logs={names.of(name): names.of(text) for name, text in bundle.logs.items()},
        redacted=True,
    )
    return made.with_findings(made.proposal())


class Names:
    """What stands for what."""

    def __init__(self, bundle: Bundle) -> None:
        site = bundle.site
        self._words: dict[str, str] = {}
        self._networks: dict[str, str] = {}
        for label, names in (
            ("HOST", (host.name for host in site.hosts)),
            ("CONTROLLER", (host.name for host in site.controllers)),
            ("CLU", (cluster.name for cluster in site.clusters)),
            ("VM", _machines(bundle)),
            ("ACCOUNT", _accounts(bundle)),
        ):
            for number, name in enumerate(sorted({each.casefold() for each in names if each}), 1):
                self._words.setdefault(name, f"{label}{number}")
        self._words.setdefault(site.domain.casefold(), "example.test")
        self._words.setdefault(site.domain.partition(".")[0].casefold(), "EXAMPLE")
        longest = sorted(self._words, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest))})(?![^\W_])", re.IGNORECASE)

    def of(self, text: str) -> str:
        """A text with every name replaced; a name in small letters by one in small letters."""
        return _ADDRESS.sub(self._address, _SID.sub("S-1-5-21-1-1-1", self._pattern.sub(self._word, text)))

    def within(self, value: Json) -> Json:
        """The same for every text in a JSON value; the names of properties stay."""
        if isinstance(value, str):
            return self.of(value)
        if isinstance(value, list):
            return [self.within(each) for each in value]
        if isinstance(value, Mapping):
            if set(value) == {"$bytes"} and len(values.read(value)) > _READABLE_BYTES:
                return {"$bytes": ""}
            return {key: "" if key in _SERIAL else self.within(each) for key, each in value.items()}
        return value

    def of_site(self, site: Site) -> Site:
        """The site with other names, held to the same."""
        clusters = {self.of(name): wanted for name, wanted in site.maintenance.clusters.items()}
        held = site.maintenance.model_copy(update={"clusters": clusters})
        return Site.model_validate(self.within(site.model_dump(mode="json"))).held_to(held)

    def _word(self, found: re.Match[str]) -> str:
        stands = self._words[found.group().casefold()]
        return stands.lower() if found.group().islower() else stands

    def _address(self, found: re.Match[str]) -> str:
        network, last = found.groups()
        if network.startswith(("127.", "0.", "255.", "169.254.")):
            return found.group()
        if network not in self._networks:
            number = len(self._networks)
            # 198.18.0.0/15 is set aside for tests and is nobody's (RFC 2544).
            self._networks[network] = f"198.{18 + number // 256}.{number % 256}"
        return f"{self._networks[network]}.{last}"


def _machines(bundle: Bundle) -> Iterable[str]:
    """The virtual machines that the incident or any host's list names."""
    if bundle.incident.vm:
        yield bundle.incident.vm
    for spoken in bundle.said.values():
        for each in spoken:
            if each.command["name"] == "Get-VM" and each.reply is not None:
                yield from (
                    str(thing["Name"]) for thing in each.reply.objects if isinstance(thing, Mapping) and "Name" in thing
                )


def _accounts(bundle: Bundle) -> Iterable[str]:
    r"""The accounts of the domain that any text names, as `CONTOSO\svc-migrate`, and those that hosts were read as."""
    short = re.escape(bundle.site.domain.partition(".")[0])
    named = re.compile(rf"(?<![^\W_]){short}\\([\w.-]{{3,64}})", re.IGNORECASE)
    own = [host.endpoint.username or "" for host in bundle.site.all_hosts()]
    texts = [*own, *bundle.identities.values(), *bundle.logs.values()]
    texts += [
        text
        for spoken in bundle.said.values()
        for each in spoken
        if each.reply is not None
        for text in (str(each.reply.objects), *(error.message for error in each.reply.errors))
    ]
    for text in texts:
        # In the text of an object a backslash stands twice.
        yield from named.findall(text.replace("\\\\", "\\"))
