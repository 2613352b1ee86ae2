"""Give the destination the virtual switch that a virtual machine uses, where it is certain which one that is.

Three things look alike: the switch is not there (event 21159, Compare-VM's 33012), it is there and disconnected (21145), or it
is bound to the node that the virtual machine is on (21158). Only the first is mended, and here: by a rename where exactly one
switch of the expected type and teaming has a name that site.yaml does not know, or by making an internal or private one. A
switch that needs a physical adapter is a person's; one that Network ATC or VMM keeps as it is, is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from remediations.catalogue.managed import left_to_others
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfKnownWay
from remediations.facts.managers import Managers, managers
from remediations.facts.switches import (
    Connections,
    HostSwitches,
    Switch,
    SwitchUse,
    connections,
    host_switches,
    switch_use,
    unused,
)
from remediations.facts.vm import CompatibilityReport, compatibility_report
from remediations.model.causes import Cause
from remediations.model.command import Command, command, quoted
from remediations.model.contract import is_pattern
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Guard, NotApplicable, Unknown, changes
from remediations.model.names import same_host, same_name
from remediations.model.plan import Item, Manual, Satisfied, Step
from remediations.model.site import SecondHop, Site, SwitchKind
from remediations.model.tier import Proof, Reversal, Tier


class MatchVirtualSwitches(OfKnownWay):
    """Rename or make a switch at the destination, to be called as the source's. Never takes an adapter or a switch away."""

    id: ClassVar[str] = "match-virtual-switches"
    title: ClassVar[str] = "Match virtual switches"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.SWITCH_MISSING,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.DIRECTORY
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"New-VMSwitch", "Remove-VMSwitch", "Rename-VMSwitch"})

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """What it is connected to, both hosts' switches, and who else manages the destination's."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        expected = site.expect(destination).switches
        given: dict[str, Any] = {"expected": None if expected is None else tuple(sorted(expected.items()))}
        queries = {}
        if not evidence.points_to(Cause.SWITCH_MISSING):
            given["report"] = NotApplicable(reason="nothing points to a switch")
        elif site.host(source).endpoint.second_hop is SecondHop.NONE:
            given["report"] = NotApplicable(reason=f"{source} cannot ask {destination} as us (second_hop): the event tells it")
        else:
            queries["report"] = compatibility_report(self.vm, destination, source)
        return Reads(
            given,
            **queries,
            used={host: connections(self.vm, host) for host in (source, destination)},
            switches={host: host_switches(host) for host in (source, destination)},
            managed=managers(destination),
            use=switch_use(destination),
        )

    def plan(
        self,
        *,
        expected: tuple[tuple[str, SwitchKind], ...] | None,
        used: Connections,
        switches: Mapping[str, Seen],
        managed: Managers | Unknown | NotApplicable,
        report: CompatibilityReport | Unknown | NotApplicable,
        use: SwitchUse | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item for each switch that the virtual machine uses; and what Compare-VM finds beside, where it may be asked."""
        # An undo goes by it, too.
        connected = use.used if isinstance(use, SwitchUse) else frozenset()
        here, there = (
            next(seen for host, seen in switches.items() if same_host(host, end)) for end in (self.source, self.destination)
        )
        if not isinstance(here, HostSwitches) or not isinstance(there, HostSwitches):
            pairs = ((self.source, here), (self.destination, there))
            yield from (unread(f"switches of {host}", seen) for host, seen in pairs if not isinstance(seen, HostSwitches))
            return
        lacks = isinstance(report, CompatibilityReport) and report.lacks_switch
        # All names are there, and Compare-VM misses one: it does not go by a name alone. A person is told where to look.
        also = (
            f". Compare-VM misses one all the same (33012): see PoolName in Get-VMNetworkAdapter -VMName {quoted(self.vm)} | "
            "Format-List; a resource pool is needed on both hosts"
            if lacks and all(there.named(name) for name in used.switches)
            else ""
        )
        if not used.switches:
            yield Satisfied(why=f"{self.vm} is connected to no switch")
        for name in sorted(used.switches):
            own, match = here.named(name), there.named(name)
            if name.casefold() in (each.casefold() for each in there.doubled):
                why = f"{self.destination} has several switches called {name}: commands go by name and would take all of them"
                yield Manual(
                    why=why, instructions=(f"On {self.destination}: Get-VMSwitch -Name {quoted(name)}; rename all but one",)
                )
            elif match is None:
                item = self._missing(
                    name, own, there, None if expected is None else dict(expected), lacks=lacks, connected=connected
                )
                yield left_to_others(item, managed, "virtual switches")
            else:
                yield Satisfied(why=f"{self.destination} has the {match.kind} switch {match.name}{also}")

    def _missing(
        self,
        name: str,
        own: Switch | None,
        there: HostSwitches,
        expected: Mapping[str, SwitchKind] | None,
        *,
        lacks: bool,
        connected: frozenset[str],
    ) -> Item:
        """What to do about a switch that the destination does not have."""
        says = "; Compare-VM finds the same (33012)" if lacks else ""
        state = f"{self.destination} has no virtual switch {name}, which {self.vm} uses{says}"
        listed = "; ".join(_shown(each) for each in _ordered(there.switches)) or "none"
        kind = next((kind for each, kind in (expected or {}).items() if same_name(each, name)), None)
        if kind is None:
            what = "does not say which switches are right" if expected is None else f"knows no switch {name}"
            return Manual(
                why=f"{state}; site.yaml {what}",
                instructions=(
                    f"Say what {self.destination} should have in site.yaml, expect.switches ({name}: …); it has: {listed}",
                    f"Or connect {self.vm} to a switch that both have: on {self.source}: Get-VMNetworkAdapter -VMName "
                    f"{quoted(self.vm)}, then Connect-VMNetworkAdapter -VMName {quoted(self.vm)} -SwitchName 'ITS NAME'",
                ),
            )
        strangers = [
            each
            for each in _ordered(there.switches)
            if each.kind == kind and not any(same_name(each.name, known) for known in expected or {})
        ]
        patterns = [each for each in (name, *(stranger.name for stranger in strangers)) if is_pattern(each)]
        if patterns:
            return Manual(
                why=f"{state}; commands go by name, and would take {quoted(patterns[0])} for a pattern that others match too",
                instructions=(
                    f"On {there.subject}, by its id: Get-VMSwitch | Select-Object Name, Id, SwitchType; then "
                    f"Get-VMSwitch -Id 'ITS ID' | Rename-VMSwitch -NewName {quoted(name)}",
                    "Better, everywhere: switch names without * ? [ ] `",
                ),
            )
        alike = len(strangers) == 1 and (own is None or own.teaming == strangers[0].teaming)
        if alike and strangers[0].name not in there.doubled:
            renamed = strangers[0].model_copy(update={"name": name})
            others = (
                f". Machines of {self.destination} are connected to it: they stay so, and from then on need {name} wherever "
                "they are to go"
            )
            also = others if any(same_name(each, strangers[0].name) for each in connected) else ""
            return self._step(
                there,
                (there.switches - {strangers[0]}) | {renamed},
                sent=command("Rename-VMSwitch", Name=strangers[0].name, NewName=name),
                back=command("Rename-VMSwitch", Name=name, NewName=strangers[0].name),
                why=f"{state}; its only {kind} switch that site.yaml does not know is {strangers[0].name}{also}",
            )
        if kind != "External" and not strangers:
            made = Switch(name=name, kind=kind, teaming="none", uplinks=frozenset())
            return self._step(
                there,
                there.switches | {made},
                sent=command("New-VMSwitch", Name=name, SwitchType=kind),
                back=command("Remove-VMSwitch", Name=name),
                why=f"{state}; site.yaml expects an {kind} one, which needs no adapter",
                # Whatever came to it since would be cut off.
                undo_guards=(unused(there.subject, name),),
            )
        like = f" as {self.source}'s ({_shown(own)})" if own else ""
        return Manual(
            why=f"{state}; which of its switches or adapters that should be is not certain: it has {listed}",
            instructions=(
                f"If it has another name on {self.destination}: Rename-VMSwitch -Name 'ITS NAME' -NewName {quoted(name)}",
                f"Otherwise make it{like}: Get-NetAdapter, then New-VMSwitch -Name {quoted(name)} "
                "-NetAdapterName 'ONE','OTHER' -EnableEmbeddedTeaming $true -AllowManagementOS $false; it takes these adapters "
                "from whatever uses them now",
            ),
        )

    def _step(
        self,
        there: HostSwitches,
        after: frozenset[Switch],
        *,
        sent: Command,
        back: Command,
        why: str,
        undo_guards: tuple[Guard, ...] = (),
    ) -> Step:
        return Step(
            target=there.target,
            host=there.subject,
            command=sent,
            why=why,
            changes=changes(there, there.model_copy(update={"switches": after})),
            undo=back,
            undo_guards=undo_guards,
        )


def _ordered(switches: Iterable[Switch]) -> list[Switch]:
    return sorted(switches, key=lambda each: each.name.casefold())


def _shown(switch: Switch) -> str:
    team = "" if switch.teaming == "none" else f", {switch.teaming}"
    return f"{switch.name} ({switch.kind}{team})"
