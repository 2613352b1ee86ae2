"""Turn processor compatibility on for a virtual machine that uses features which the destination lacks.

It can only be set while the virtual machine is off, and only helps between processors of one vendor. Off is the normal
state and no fault by itself. The virtual machine is shut down by its guest with Stop-VM, also where it is clustered:
taking its role offline would save it (the role's default offline action is Save), and a saved state keeps the old
features. It comes back through its resource, on the node that owns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from remediations.catalogue.powered_off import at_home, strange, while_off
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfWay
from remediations.facts.cluster import Role, from_any, role, witnesses
from remediations.facts.host import HostProcessor, host_processor
from remediations.facts.query import Query
from remediations.facts.vm import (
    CompatibilityReport,
    Machine,
    VirtualProcessor,
    compatibility_report,
    virtual_machine_on,
    virtual_processor_on,
)
from remediations.model.causes import Cause
from remediations.model.command import Command, command, quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.names import same_host
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step
from remediations.model.site import SecondHop, Site
from remediations.model.tier import Proof, Reversal, Tier


class EnableProcessorCompatibility(OfWay):
    """Shut a virtual machine down, turn processor compatibility on, start it again. One that was off stays off."""

    id: ClassVar[str] = "enable-processor-compatibility"
    title: ClassVar[str] = "Enable processor compatibility"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.CPU_INCOMPATIBLE,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.WORKLOAD
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-VMProcessor", "Start-ClusterResource", "Start-VM", "Stop-VM"})
    needs_vm_off: ClassVar[bool] = True

    @property
    def summary(self) -> str:
        """Of which virtual machine, for which way."""
        return f"{self.title}: {self.vm} ({self.source} → {self.destination})"

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine wherever it is by now, and the processors of wherever it may be."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        cluster = site.cluster_of(source)
        hosts = tuple(dict.fromkeys([source, destination, *(cluster.nodes if cluster else ())]))
        alone = NotApplicable(reason=f"{source} is no node of a cluster in site.yaml")
        given: dict[str, object] = {"suspected": evidence.points_to(Cause.CPU_INCOMPATIBLE), "to": destination}
        hops = [host for host in hosts if host != destination and site.host(host).endpoint.second_hop is not SecondHop.NONE]
        mute = NotApplicable(reason="no endpoint of these hosts may ask another host as us (second_hop)")
        queries: dict[str, Mapping[str, Query[Any]]] = {}
        if cluster:
            queries["group"] = from_any(role, self.vm, of=witnesses(cluster, source, destination))
        if hops:
            queries["report"] = {host: compatibility_report(self.vm, destination, host) for host in hops}
        return Reads(
            {**given, **({} if cluster else {"group": alone}), **({} if hops else {"report": mute})},
            machine=virtual_machine_on(self.vm, hosts),
            processor=virtual_processor_on(self.vm, hosts),
            processors={host: host_processor(host) for host in hosts},
            **queries,
        )

    def plan(
        self,
        *,
        suspected: bool,
        to: str,
        machine: Machine,
        processor: VirtualProcessor,
        processors: Mapping[str, Seen],
        group: Role | Unknown | NotApplicable,
        report: CompatibilityReport | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """Why it is not this; or stop, set, start."""
        if processor.compatibility:
            more = "if its processor is still refused, the cause is microcode, firmware or speculation control that differs"
            yield Satisfied(why=f"{machine.name} has processor compatibility on: {more}")
            return
        here, there = processors[machine.host], processors[to]
        unknown = [
            unread(f"processor of {host}", seen)
            for host, seen in ((machine.host, here), (to, there))
            if not isinstance(seen, HostProcessor)
        ]
        if unknown:
            yield from unknown
        elif isinstance(here, HostProcessor) and isinstance(there, HostProcessor):
            if suspected:
                yield from _between(machine, processor, group, (here, there))
            else:
                yield from _unasked(machine, processor, group, (here, there), report)


def _alike(here: HostProcessor, there: HostProcessor) -> bool:
    """Whether two processors offer the same: of one family, model and stepping, whatever their number of cores and clock."""
    if here.revision and there.revision:
        return here.revision == there.revision
    return here.model == there.model


def _unasked(
    machine: Machine,
    processor: VirtualProcessor,
    group: Role | Unknown | NotApplicable,
    processors: tuple[HostProcessor, HostProcessor],
    report: CompatibilityReport | Unknown | NotApplicable,
) -> Iterator[Item]:
    """Where nothing points to processors: different ones are no fault as such, for moves the other way go well."""
    here, there = processors
    if _alike(here, there) or same_host(machine.host, there.subject):
        yield Satisfied(
            why=f"{here.subject} and {there.subject} have the same processor ({here.revision or here.model}); off is normal"
        )
    elif machine.state == "Off":
        yield Satisfied(why=f"the processors differ, and {machine.name} is off: it uses no feature that could be missing")
    elif here.manufacturer != there.manufacturer or (isinstance(report, CompatibilityReport) and report.messages):
        yield from _between(machine, processor, group, processors)
    elif isinstance(report, CompatibilityReport):
        why = f"the processors differ, but Compare-VM finds nothing that keeps {machine.name} from {there.subject}"
        yield Satisfied(why=why)
    else:
        why = (
            f"{here.subject} has {here.model}, {there.subject} {there.model}, and compatibility of {machine.name} is off: "
            f"whether it uses features that {there.subject} lacks is not known. On {machine.host}: Compare-VM "
            f"-Name {quoted(machine.name)} -DestinationHost {there.subject}"
        )
        yield Blocked(obstacle=Obstacle.UNKNOWN, why=why)


def _between(
    machine: Machine,
    processor: VirtualProcessor,
    group: Role | Unknown | NotApplicable,
    processors: tuple[HostProcessor, HostProcessor],
) -> Iterator[Item]:
    """What to do where compatibility is off, between these two hosts' processors."""
    here, there = processors
    if here.manufacturer != there.manufacturer:
        yield Manual(
            why=f"{here.subject} has {here.manufacturer}, {there.subject} {there.manufacturer}: no setting lets a running "
            f"virtual machine move between vendors",
            instructions=(f"Shut {machine.name} down, move it while it is off, start it on {there.subject}",),
        )
    elif machine.clustered and not isinstance(group, Role):
        yield unread(f"role of {machine.name}, which is clustered,", group)
    elif isinstance(group, Role) and (other := strange(machine, group)):
        yield other
    elif machine.state not in ("Running", "Off"):
        kept = " A saved state keeps the old features: start it first." if machine.state == "Saved" else ""
        why = f"{machine.name} is {machine.state}: compatibility can only be set while it is off, by a proper shutdown.{kept}"
        yield Blocked(obstacle=Obstacle.PRECONDITION, why=why)
    else:
        yield from _steps(machine, processor, group if isinstance(group, Role) else None, there)


def _steps(machine: Machine, processor: VirtualProcessor, group: Role | None, there: HostProcessor) -> Iterator[Item]:
    setting = Step(
        target=machine.target,
        host=machine.host,
        command=_compatibility(machine, on=True),
        why=f"{machine.name} uses processor features that {there.subject} ({there.model}) may lack.{_price(processor)}",
        changes=changes(processor, processor.model_copy(update={"compatibility": True})),
        undo=_compatibility(machine, on=False),
        guards=(*at_home(machine, group), guard(machine, "state", Test.EQUALS, "Off")),
    )
    yield from while_off(machine, group, [setting], meanwhile="the setting is made")


def _price(processor: VirtualProcessor) -> str:
    """What it costs: hidden features, and checkpoints that still have the old set."""
    hidden = (
        " From then on its guest sees fewer of them (SSE4.2, AES, AVX and the like are hidden; with configuration version 10.0 "
        "on Windows Server 2025, what all nodes have stays visible): software that needs them may not start."
    )
    if not processor.checkpoints:
        return hidden
    kept = ", ".join(sorted(processor.checkpoints))
    return f"{hidden} Checkpoints taken before ({kept}) keep the old set: applying one of them brings the fault back."


def _compatibility(machine: Machine, *, on: bool) -> Command:
    return command("Set-VMProcessor", VMName=machine.name, CompatibilityForMigrationEnabled=on)
