"""The Hyper-V module's commands on a host.

- VirtualMachine: Name, VMName, Id, VMId (Guid), State (enum), Status (text), OperationalStatus (enum list), Version (text),
  ProcessorCount, MemoryAssigned, MemoryStartup (bytes), Uptime, IsClustered, ComputerName (the host), Generation, Path,
  ConfigurationLocation, CheckpointType
- VMHost: Name, ComputerName, FullyQualifiedDomainName (the domain alone), VirtualMachineMigrationEnabled,
  VirtualMachineMigrationAuthenticationType (enum), VirtualMachineMigrationPerformanceOption (enum),
  MaximumVirtualMachineMigrations, MaximumStorageMigrations (UInt32), UseAnyNetworkForMigration, SupportedVmVersions,
  LogicalProcessorCount, MemoryCapacity
- VMProcessor: VMName, VMId, Count, CompatibilityForMigrationEnabled, CompatibilityForOlderOperatingSystemsEnabled, Maximum,
  Reserve, RelativeWeight
- VMSnapshot: Name, Id, VMName, VMId, CreationTime, SnapshotType (enum), ParentSnapshotName
"""

from __future__ import annotations

from uuid import UUID

from remediations.lab.cmdlet import Call, CommandError
from remediations.lab.world import migration, power
from remediations.lab.world.handlers.hyperv_objects import host_object, machine_object, processor_object, snapshot_object
from remediations.lab.world.handlers.shape import asked, matching, vm_error, vm_object, wild
from remediations.lab.world.hosts import Host
from remediations.lab.world.machines import Machine
from remediations.lab.world.migration import Migration
from remediations.lab.world.text import say
from remediations.lab.world.world import World


def get_vm(world: World, call: Call) -> None:
    """Get-VM [-Name] [-Id]."""
    for machine in machines_asked(world, call, "Name"):
        call.output(machine_object(world, machine))


def get_vm_host(world: World, call: Call) -> None:
    """Get-VMHost."""
    call.output(host_object(world, world.host(call.host)))


def get_vm_processor(world: World, call: Call) -> None:
    """Get-VMProcessor -VMName."""
    for machine in machines_asked(world, call, "VMName"):
        call.output(processor_object(world, machine))


def get_vm_snapshot(world: World, call: Call) -> None:
    """Get-VMSnapshot -VMName."""
    for machine in machines_asked(world, call, "VMName"):
        for snapshot in machine.snapshots:
            call.output(snapshot_object(world, machine, snapshot))


def get_vm_security(world: World, call: Call) -> None:
    """Get-VMSecurity -VMName."""
    for machine in machines_asked(world, call, "VMName"):
        properties = {
            "TpmEnabled": bool(machine.owner),
            "KsdEnabled": False,
            "Shielded": False,
            "EncryptStateAndVmMigrationTraffic": bool(machine.owner),
            "VirtualizationBasedSecurityOptOut": False,
            "BindToHostTpm": False,
            "VMId": machine.id,
            "VMName": machine.name,
            "ComputerName": machine.host,
            "IsDeleted": False,
        }
        call.output(vm_object("VMSecurity", "VMSecurity", properties))


def set_vm_processor(world: World, call: Call) -> None:
    """Set-VMProcessor -VMName -CompatibilityForMigrationEnabled: only while the virtual machine is off."""
    for machine in machines_asked(world, call, "VMName"):
        wanted = call.parameters.get("CompatibilityForMigrationEnabled")
        if wanted is None or bool(wanted) == machine.compatible:
            continue
        if machine.state != "Off":
            culture = world.host(call.host).culture
            text = say("vm.modify", culture, why=say("vm.state", culture))
            call.error(vm_error(call, text, "InvalidState", "InvalidOperation", target=machine.name))
            continue
        machine.compatible = bool(wanted)


def set_vm_host(world: World, call: Call) -> None:
    """Set-VMHost: accepted everywhere, but on a cluster's node the cluster puts its own limit back."""
    host = world.host(call.host)
    settings = host.migration
    if (number := call.parameters.get("MaximumVirtualMachineMigrations")) is not None:
        settings.maximum = int(number)
        if cluster := world.cluster_of(host.name):
            world.agenda.after(world.pace.reset, lambda: setattr(settings, "maximum", cluster.maximum_parallel_migrations))
    if (number := call.parameters.get("MaximumStorageMigrations")) is not None:
        settings.storage_maximum = int(number)
    if (kind := call.parameters.get("VirtualMachineMigrationAuthenticationType")) is not None:
        settings.authentication = "Kerberos" if str(kind).casefold() == "kerberos" else "CredSSP"
    if (option := call.parameters.get("VirtualMachineMigrationPerformanceOption")) is not None:
        settings.performance = {"tcpip": "TCPIP", "smb": "SMB"}.get(str(option).casefold(), "Compression")


async def stop_vm(world: World, call: Call) -> None:
    """Stop-VM -Name: asks the guest and waits until it is off. A guest that does not react ends in an error."""
    with world.lock:
        world.settle()
        machines = machines_asked(world, call, "Name")
        culture = world.host(call.host).culture
        for machine in machines:
            if machine.state == "Off":
                call.warning(say("vm.already", culture))
            elif machine.state != "Running":
                call.error(state_error(call, machine, culture))
            else:
                power.shut_down(world, machine)
    begun = world.clock.now()
    while any(machine.state in ("Running", "Stopping") for machine in machines):
        if (world.clock.now() - begun).total_seconds() > world.pace.shutdown_timeout:
            for machine in (each for each in machines if each.state != "Off"):
                text = say("vm.shutdown", culture, vm=machine.name, id=machine.id)
                call.error(vm_error(call, text, "OperationFailed", "NotSpecified", target=machine.name, hresult=-2147023436))
            return
        await world.clock.sleep(world.pace.poll)
        world.settle()


async def start_vm(world: World, call: Call) -> None:
    """Start-VM -Name: waits until it runs, or could not be started."""
    with world.lock:
        world.settle()
        machines = machines_asked(world, call, "Name")
        culture = world.host(call.host).culture
        for machine in machines:
            if machine.state == "Running":
                call.warning(say("vm.already", culture))
            elif machine.state not in ("Off", "Saved"):
                call.error(state_error(call, machine, culture))
            else:
                power.switch_on(world, machine)
    while any(machine.state == "Starting" for machine in machines):
        await world.clock.sleep(world.pace.poll)
        world.settle()
    for machine in machines:
        if machine.state == "Saved" and machine.unreadable:
            text = say("vm.unrestored", culture, vm=machine.name, id=machine.id)
            call.error(vm_error(call, text, "OperationFailed", "NotSpecified", target=machine.name, hresult=-1070137305))
        elif machine.state in ("Off", "Saved"):
            shortage = migration.memory_shortage(world, machine, world.host(machine.host))
            why = f"\r\n\r\n{shortage.text(culture)}" if shortage else ""
            text = say("vm.failed", culture, vm=machine.name, id=machine.id) + why
            call.error(vm_error(call, text, "OutOfMemory", "ResourceUnavailable", target=machine.name, hresult=-2147024882))


async def move_vm(world: World, call: Call) -> None:
    """Move-VM -Name -DestinationHost: refuses clustered machines, needs a second hop, reports progress until it is there."""
    with world.lock:
        world.settle()
        host = world.host(call.host)
        machines = machines_asked(world, call, "Name")
        if not machines:
            return
        machine, culture = machines[0], host.culture
        cluster = world.cluster_of(host.name)
        if cluster is not None and cluster.role_of(machine.name) is not None:
            raise vm_error(call, say("vm.clustered", culture, vm=machine.name), "InvalidOperation", "InvalidOperation")
        destination = peer(world, call, str(call.parameters["DestinationHost"]))
        move = migration.start(
            world,
            machine,
            destination,
            storage=bool(call.parameters.get("IncludeStorage")),
            delegates=world.second_hops.get(host.name) == "credssp",
            mover=call.principal,
        )
    activity = say("progress.move", culture)
    while not move.over:
        call.progress(activity, f"{move.percent(world.clock.now())}%", move.percent(world.clock.now()))
        await world.clock.sleep(world.pace.poll)
        world.settle()
    if move.refusal:
        raise refused(call, move, culture)
    call.progress(activity, "100%", 100)


def refused(call: Call, move: Migration, culture: str) -> CommandError:
    """What Move-VM says of a move that a rule refused."""
    assert move.refusal is not None
    text = "\r\n".join(part.text(culture) for part in move.refusal.sentences)
    return vm_error(call, text, "OperationFailed", "NotSpecified", target=move.machine, hresult=move.refusal.hresult)


def peer(world: World, call: Call, name: str) -> Host:
    """The other host that a command is to talk to as its caller. Raises what Windows says if it cannot."""
    culture = world.host(call.host).culture
    destination = world.find_host(name)
    if destination is None:
        raise vm_error(call, say("host.not_found", culture, host=name), "InvalidParameter", "InvalidArgument", target=name)
    if not world.may_hop(call.host):
        raise vm_error(
            call, say("denied", culture, host=name), "AccessDenied", "PermissionDenied", target=name, hresult=-2147024891
        )
    return destination


def machines_asked(world: World, call: Call, parameter: str) -> list[Machine]:
    """The virtual machines of the call's host that a parameter names; an error for each name that is none."""
    host = world.host(call.host)
    here = {machine.name: machine for machine in world.machines_on(host.name)}
    if (wanted := call.parameters.get("Id")) is not None:
        found = [machine for machine in here.values() if machine.id == UUID(str(wanted))]
        if not found:
            text = say("vm.id_not_found", host.culture, vm=wanted)
            call.error(vm_error(call, text, "InvalidParameter", "InvalidArgument", target=str(wanted)))
        return found
    patterns = asked(call, parameter)
    if patterns is None:
        return list(here.values())
    found = []
    for pattern in patterns:
        names = matching(pattern, here)
        if not names and not wild(pattern):
            text = say("vm.not_found", host.culture, vm=pattern)
            call.error(vm_error(call, text, "InvalidParameter", "InvalidArgument", target=pattern))
        found += [here[name] for name in names]
    return found


def state_error(call: Call, machine: Machine, culture: str) -> CommandError:
    """What the module says of a command that a virtual machine's state does not allow."""
    return vm_error(call, say("vm.state", culture), "InvalidState", "InvalidOperation", target=machine.name)
