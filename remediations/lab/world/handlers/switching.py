"""Virtual switches: the Hyper-V module's commands, and Network ATC's intents.

- VMSwitch: Name, Id (Guid), SwitchType (enum), EmbeddedTeamingEnabled, NetAdapterInterfaceDescription (text),
  NetAdapterInterfaceDescriptions (texts), AllowManagementOS, BandwidthReservationMode (enum), ComputerName
- VMNetworkAdapter: Name, Id, VMName, VMId (Guid), SwitchName, SwitchId, Connected, MacAddress, Status
- Intent: IntentName, IsComputeIntentSet, IsManagementIntentSet, IsStorageIntentSet, NetAdapterNamesAsList
"""

from __future__ import annotations

from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Object
from remediations.lab.world.handlers.hyperv import machines_asked
from remediations.lab.world.handlers.shape import asked, hyperv, matching, vm_error, vm_object, wild
from remediations.lab.world.hosts import Host
from remediations.lab.world.switches import Switch, index
from remediations.lab.world.text import say
from remediations.lab.world.world import World


def get_switch(world: World, call: Call) -> None:
    """Get-VMSwitch [-Name]."""
    host = world.host(call.host)
    wanted = asked(call, "Name")
    for pattern in wanted if wanted is not None else ["*"]:
        names = matching(pattern, host.switches)
        if not names and not wild(pattern):
            call.error(_absent(call, host, pattern))
        for name in names:
            call.output(switch_object(host, host.switches[name]))


def rename_switch(world: World, call: Call) -> None:
    """Rename-VMSwitch -Name -NewName: virtual machines stay connected, for they are by id."""
    host = world.host(call.host)
    names = matching(str(call.parameters["Name"]), host.switches)
    new = str(call.parameters["NewName"])
    if not names:
        raise _absent(call, host, str(call.parameters["Name"]))
    for name in names:
        switch = host.switches.pop(name)
        switch.name = new
        host.switches[new] = switch
        for machine in world.machines_on(host.name):
            machine.switch = new if machine.switch == name else machine.switch


def new_switch(world: World, call: Call) -> None:
    """New-VMSwitch -Name -SwitchType: internal and private ones; an external one, the binding refuses."""
    host, name = world.host(call.host), str(call.parameters["Name"])
    kind = str(call.parameters["SwitchType"])
    host.switches[name] = Switch(name, f"{host.name} {name}", kind.capitalize(), (), embedded=False)
    call.output(switch_object(host, host.switches[name]))


def remove_switch(world: World, call: Call) -> None:
    """Remove-VMSwitch -Name."""
    host = world.host(call.host)
    for pattern in asked(call, "Name") or []:
        names = matching(pattern, host.switches)
        if not names and not wild(pattern):
            call.error(_absent(call, host, pattern))
        for name in names:
            del host.switches[name]


def get_network_adapter(world: World, call: Call) -> None:
    """Get-VMNetworkAdapter -VMName, or -All."""
    host = world.host(call.host)
    for machine in world.machines_on(host.name) if call.parameters.get("All") else machines_asked(world, call, "VMName"):
        switch = host.switches.get(machine.switch)
        number = f"{machine.id.int % 0x1000000:06X}"
        call.output(
            vm_object(
                "VMNetworkAdapter",
                "Network Adapter",
                {
                    "ClusterMonitored": True,
                    "MacAddress": f"00155D{number}",
                    "MacAddressSpoofing": hyperv("OnOffState", "Off"),
                    "DynamicMacAddressEnabled": True,
                    "DhcpGuard": hyperv("OnOffState", "Off"),
                    "IovWeight": 0,
                    "VmqWeight": 100,
                    "BandwidthPercentage": 0,
                    "IsManagementOs": False,
                    "IsExternalAdapter": False,
                    "Connected": switch is not None,
                    "SwitchName": switch.name if switch else None,
                    "SwitchId": switch.id if switch else None,
                    "AdapterId": str(machine.id).upper(),
                    "Status": [hyperv("VMOperationalStatus", "Ok")],
                    "StatusDescription": [say("status.ok", host.culture)],
                    "IPAddresses": [],
                    "IsLegacy": False,
                    "Name": "Network Adapter",
                    "Id": f"Microsoft:{str(machine.id).upper()}\\5D3B9B8C-5B7E-4B28-9F22-1F7A4D4B6C01",
                    "VMId": machine.id,
                    "VMName": machine.name,
                    "VMSnapshotName": "",
                    "ComputerName": host.name,
                    "IsDeleted": False,
                },
            )
        )


def get_intent(world: World, call: Call) -> None:
    """Get-NetIntent: what Network ATC was told to keep; the command is there on hosts that have the feature only."""
    for name, adapters in (world.host(call.host).intents or {}).items():
        properties: dict[str, Any] = {
            "IntentName": name,
            "Scope": "Host",
            "IntentType": "Compute, Management",
            "IsComputeIntentSet": True,
            "IsManagementIntentSet": True,
            "IsStorageIntentSet": False,
            "NetAdapterNamesAsList": list(adapters),
            "NetAdapterNameCsv": ",".join(adapters),
            "IsNetworkIntentType": True,
        }
        kinds = ("FabricManager.FabricManagerIntent", "System.Object")
        call.output(Object(kinds, properties, name))


def switch_object(host: Host, switch: Switch) -> Object:
    """A switch as Get-VMSwitch shows it."""
    shown = (
        [f"Intel(R) Ethernet Network Adapter X710 #{index(each)}" for each in switch.uplinks]
        if switch.kind == "External"
        else []
    )
    return vm_object(
        "VMSwitch",
        f"VMSwitch (Name = '{switch.name}') [Id = '{switch.id}']",
        {
            "Name": switch.name,
            "Id": switch.id,
            "Notes": "",
            "Extensions": [],
            "BandwidthReservationMode": hyperv("VMSwitchBandwidthMode", "Weight"),
            "PacketDirectEnabled": False,
            "EmbeddedTeamingEnabled": switch.embedded,
            "AllowNetLbfoTeams": False,
            "IovEnabled": False,
            "SwitchType": hyperv("VMSwitchType", switch.kind),
            "AllowManagementOS": switch.kind != "Private",
            # Of a team only the list names the members.
            "NetAdapterInterfaceDescription": "Teamed-Interface" if switch.embedded else (shown[0] if shown else None),
            "NetAdapterInterfaceDescriptions": shown,
            "NetAdapterInterfaceGuid": [],
            "IovSupport": False,
            "IovSupportReasons": [],
            "AvailableIPSecSA": 0,
            "NumberIPSecSAAllocated": 0,
            "BandwidthPercentage": 0,
            "DefaultFlowMinimumBandwidthWeight": 50,
            "SoftwareRscEnabled": True,
            "ComputerName": host.name,
            "IsDeleted": False,
        },
    )


def _absent(call: Call, host: Host, name: str) -> CommandError:
    text = say("switch.not_found", host.culture, switch=name)
    return vm_error(call, text, "InvalidParameter", "InvalidArgument", target=name)
