"""Networks of a host: what Hyper-V takes migrations on, adapters and addresses, names, the cluster's networks.

- VMMigrationNetwork: Subnet, Priority, Tags
- NetAdapter: Name, InterfaceIndex, Status (text: Up, Disconnected, Disabled), LinkSpeed, MtuSize
- NetIPAddress: IPAddress, PrefixLength, InterfaceAlias, AddressFamily, AddressState, PrefixOrigin (enums)
- DnsRecord_A: Name, Type (enum), TTL, IPAddress
- DnsClientCache: Entry, RecordName, RecordType, Status, Section, TimeToLive, DataLength, Data
- TestNetConnectionResult: ComputerName, RemoteAddress, RemotePort, TcpTestSucceeded, PingSucceeded
- ClusterNetwork: Name, Id, State, Role (enums), Address, AddressMask; ClusterNetworkInterface: Name, Node, Network, State
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_interface, ip_network
from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Enum, Object, UInt32
from remediations.lab.world import network
from remediations.lab.world.handlers.clustering import local_cluster
from remediations.lab.world.handlers.shape import asked, cluster_object, clusters, matching, vm_error, vm_object
from remediations.lab.world.hosts import Host
from remediations.lab.world.switches import uplinks
from remediations.lab.world.text import say
from remediations.lab.world.world import World

_GENERATED = "Microsoft.PowerShell.Cmdletization.GeneratedTypes"
_NAME_ERROR = 9003
"""DNS_ERROR_RCODE_NAME_ERROR: the name does not exist."""


def cim_object(space: str, name: str, properties: Mapping[str, Any]) -> Object:
    """An object of one of Windows' CIM-based modules."""
    kinds = (
        f"Microsoft.Management.Infrastructure.CimInstance#root/{space}/{name}",
        "Microsoft.Management.Infrastructure.CimInstance",
        "System.Object",
    )
    return Object(kinds, {**properties, "PSComputerName": None}, name)


def enable_migration(world: World, call: Call) -> None:
    """Enable-VMMigration: the host takes and gives migrations, and listens on 6600."""
    world.host(call.host).migration.enabled = True


def disable_migration(world: World, call: Call) -> None:
    """Disable-VMMigration."""
    world.host(call.host).migration.enabled = False


def get_networks(world: World, call: Call) -> None:
    """Get-VMMigrationNetwork [-Subnet]: in order of priority."""
    host = world.host(call.host)
    wanted = asked(call, "Subnet")
    for subnet, priority in sorted(host.network.migration_subnets.items(), key=lambda each: each[1]):
        if wanted is None or subnet in wanted:
            properties = {
                "Subnet": subnet,
                "Priority": UInt32(priority),
                "Tags": ["Microsoft:UserManagedAll"],
                "CimSession": vm_object("CimSession", "CimSession: .", {}),
                "ComputerName": host.name,
                "IsDeleted": False,
            }
            call.output(vm_object("VMMigrationNetwork", subnet, properties))


def add_network(world: World, call: Call) -> None:
    """Add-VMMigrationNetwork -Subnet [-Priority]: refuses what is no network, and what is listed already."""
    host = world.host(call.host)
    subnet = _subnet(call, host)
    if subnet in host.network.migration_subnets:
        text = say("network.listed", host.culture, subnet=subnet)
        raise vm_error(call, text, "InvalidParameter", "InvalidArgument", target=subnet)
    host.network.migration_subnets[subnet] = int(call.parameters.get("Priority") or 0)


def remove_network(world: World, call: Call) -> None:
    """Remove-VMMigrationNetwork -Subnet."""
    host = world.host(call.host)
    subnet = _subnet(call, host)
    if host.network.migration_subnets.pop(subnet, None) is None:
        text = say("network.not_listed", host.culture, subnet=subnet)
        raise vm_error(call, text, "ObjectNotFound", "ObjectNotFound", target=subnet)


def _subnet(call: Call, host: Host) -> str:
    given = str((asked(call, "Subnet") or [""])[0])
    try:
        return str(ip_network(given, strict=False))
    except ValueError:
        text = say("network.invalid", host.culture, subnet=given)
        raise vm_error(call, text, "InvalidParameter", "InvalidArgument", target=given) from None


def get_adapters(world: World, call: Call) -> None:
    """Get-NetAdapter: disabled and disconnected ones among them."""
    host = world.host(call.host)
    numbers = {"Up": (1, 1), "Disconnected": (2, 2), "Disabled": (2, 2)}
    for each in (*host.network.adapters, *uplinks(host.switches.values())):
        oper, media = numbers[each.status]
        mac = f"00-15-5D-{host.network.adapters[0].ip.rpartition('.')[2].zfill(2)}-00-{each.index:02X}"
        properties = {
            "MacAddress": mac,
            "PermanentAddress": mac.replace("-", ""),
            "Status": each.status,
            "LinkSpeed": "10 Gbps" if each.up else "0 bps",
            "MediaType": "802.3",
            "PhysicalMediaType": "802.3",
            "AdminStatus": Enum(f"{_GENERATED}.NetAdapter.AdminStatus", "Down" if each.status == "Disabled" else "Up", 1),
            "MediaConnectionState": Enum(
                f"{_GENERATED}.NetAdapter.MediaConnectState", "Connected" if each.up else "Disconnected", media
            ),
            "ifOperStatus": Enum(f"{_GENERATED}.NetAdapter.ifOperStatus", "Up" if each.up else "Down", oper),
            "ifAlias": each.name,
            "InterfaceAlias": each.name,
            "ifIndex": UInt32(each.index),
            "InterfaceIndex": UInt32(each.index),
            "ifDesc": f"Intel(R) Ethernet Network Adapter X710 #{each.index}",
            "InterfaceDescription": f"Intel(R) Ethernet Network Adapter X710 #{each.index}",
            "Name": each.name,
            "DriverInformation": "Driver Date 2024-03-11 Version 1.18.370.0 NDIS 6.80",
            "DriverVersion": "1.18.370.0",
            "MtuSize": UInt32(each.mtu),
            "VlanID": None,
            "Virtual": False,
            "Hidden": False,
            "SystemName": host.fqdn,
        }
        call.output(cim_object("StandardCimv2", "MSFT_NetAdapter", properties))


def get_advanced_properties(world: World, call: Call) -> None:
    """Get-NetAdapterAdvancedProperty -RegistryKeyword: the lab knows what an adapter's RDMA is made of, and nothing else."""
    host = world.host(call.host)
    (keyword,) = asked(call, "RegistryKeyword") or ["*"]
    found = [each for each in host.network.adapters if each.rdma and matching(keyword, ["*NetworkDirectTechnology"])]
    for each in found:
        properties = {
            "Name": each.name,
            "InterfaceDescription": f"Intel(R) Ethernet Network Adapter X710 #{each.index}",
            "RegistryKeyword": "*NetworkDirectTechnology",
            "RegistryValue": [each.rdma],
            "DisplayName": "NetworkDirect Technology",
            "DisplayValue": {"1": "iWARP", "3": "RoCE", "4": "RoCEv2"}[each.rdma],
            "SystemName": host.fqdn,
        }
        call.output(cim_object("StandardCimv2", "MSFT_NetAdapterAdvancedPropertySettingData", properties))
    if not found:
        text = say("adapter.no_property", host.culture, keyword=keyword)
        call.error(
            CommandError(
                text,
                "CmdletizationQuery_NotFound_RegistryKeyword",
                "ObjectNotFound",
                exception="Microsoft.PowerShell.Cmdletization.Cim.CimJobException",
                command_type=call.name,
                target=keyword,
            )
        )


LOOPBACK = network.Adapter("Loopback Pseudo-Interface 1", 1, "127.0.0.1/8")


def get_addresses(world: World, call: Call) -> None:
    """Get-NetIPAddress: an adapter without a cable keeps its address, which is Tentative there."""
    host = world.host(call.host)
    kind = f"{_GENERATED}.NetIPAddress"
    preferred, tentative = Enum(f"{kind}.AddressState", "Preferred", 4), Enum(f"{kind}.AddressState", "Tentative", 1)
    for each in (*host.network.adapters, LOOPBACK):
        origin = ("WellKnown", 2) if each is LOOPBACK else ("Manual", 1)
        properties = {
            "IPAddress": each.ip,
            "IPv4Address": each.ip,
            "IPv6Address": None,
            "InterfaceIndex": UInt32(each.index),
            "InterfaceAlias": each.name,
            "AddressFamily": Enum(f"{kind}.AddressFamily", "IPv4", 2),
            "Type": Enum(f"{kind}.Type", "Unicast", 1),
            "PrefixLength": ip_interface(each.address).network.prefixlen,
            "PrefixOrigin": Enum(f"{kind}.PrefixOrigin", *origin),
            "SuffixOrigin": Enum(f"{kind}.SuffixOrigin", *origin),
            "AddressState": preferred if each.up else tentative,
            "SkipAsSource": False,
            "PolicyStore": "ActiveStore",
            "SystemName": host.fqdn,
        }
        call.output(cim_object("StandardCimv2", "MSFT_NetIPAddress", properties))


async def resolve_name(world: World, call: Call) -> None:
    """Resolve-DnsName -Name [-NoHostsFile] [-Server]: a named server is asked itself, past the hosts file and cache."""
    host, given = world.host(call.host), call.parameters
    name, direct = str(given["Name"]), given.get("Server") is not None
    hosts_file = not direct and not given.get("NoHostsFile")
    waited = await _in_vain(world, host, name, hosts_file=hosts_file, cache=not direct)
    address = network.resolve(world, host, name, hosts_file=hosts_file, cache=not direct)
    if waited or not address:
        raise CommandError(
            f"{name} : {say('dns.silent' if waited else 'dns.none', host.culture)}",
            "ERROR_TIMEOUT" if waited else "DNS_ERROR_RCODE_NAME_ERROR",
            "OperationTimeout" if waited else "ResourceUnavailable",
            exception="System.ComponentModel.Win32Exception",
            command_type="Microsoft.DnsClient.Commands.ResolveDnsName",
            hresult=-2146233088,
            target=name,
        )
    full = name if "." in name else f"{name}.{host.domain}"
    kind = Enum("Microsoft.DnsClient.Commands.RecordType", "A", 1)
    properties = {
        "Address": address,
        "IPAddress": address,
        "QueryType": kind,
        "IP4Address": address,
        "Name": full,
        "Type": kind,
        "CharacterSet": Enum("Microsoft.DnsClient.Commands.DnsCharset", "Unicode", 1),
        "Section": Enum("Microsoft.DnsClient.Commands.DNSSection", "Answer", 1),
        "DataLength": 4,
        "TTL": 1200,
    }
    call.output(Object(("Microsoft.DnsClient.Commands.DnsRecord_A", "System.Object"), properties, full))


async def _in_vain(world: World, host: Host, name: str, *, hosts_file: bool, cache: bool) -> bool:
    """Whether DNS servers that do not answer were asked; takes as long as the client waits for them."""
    silent = host.network.dns_silent
    if silent is None or network.without_dns(host, name, hosts_file=hosts_file, cache=cache) is not None:
        return False
    await world.clock.sleep(silent)
    return True


async def get_names(world: World, call: Call) -> None:
    """Get-RemediationName: stops at the first name that no DNS server answers for."""
    host = world.host(call.host)
    for name in call.parameters["Name"]:
        waited = await _in_vain(world, host, str(name), hosts_file=True, cache=True)
        address = network.resolve(world, host, str(name))
        error = "" if address else "ERROR_TIMEOUT" if waited else "DNS_ERROR_RCODE_NAME_ERROR"
        problem = f"{error},Microsoft.DnsClient.Commands.ResolveDnsName" if error else ""
        found = {"Name": str(name), "Addresses": [address] if address else [], "Error": problem}
        call.output(Object(("System.Management.Automation.PSCustomObject", "System.Object"), found, custom=True))
        if waited:
            return


def get_cache(world: World, call: Call) -> None:
    """Get-DnsClientCache: found names, and names that were not found (status 9003)."""
    for name, address in world.host(call.host).network.remembered.items():
        properties = {
            "Caption": None,
            "Description": None,
            "ElementName": None,
            "InstanceID": None,
            "Data": address or None,
            "DataLength": 4 if address else None,
            "Entry": name,
            "Name": name if address else None,
            "RecordName": name if address else None,
            "Section": 1 if address else None,
            "Status": 0 if address else _NAME_ERROR,
            "TimeToLive": UInt32(640) if address else None,
            "Type": 1,
            "RecordType": 1,
        }
        call.output(cim_object("StandardCimv2", "MSFT_DNSClientCache", properties))


def clear_cache(world: World, call: Call) -> None:
    """Clear-DnsClientCache."""
    world.host(call.host).network.remembered.clear()


def test_connection(world: World, call: Call) -> None:
    """Test-NetConnection -ComputerName -Port: a connection and no more; nothing is said to the other side."""
    host, name, port = world.host(call.host), str(call.parameters["ComputerName"]), int(call.parameters.get("Port") or 0)
    address = network.resolve(world, host, name)
    there = network.owner(world, address) if address else None
    near = next((each for each in host.network.adapters if each.up and there and each.subnet in _subnets(there)), None)
    listens = there is not None and (port != network.MIGRATION_PORT or there.migration.enabled)
    through = bool(near and there and there.network.firewall.lets_in(port) and host.network.firewall.lets_out(port))
    if not address:
        call.warning(say("test.name", host.culture, host=name))
    elif not (through and listens):
        call.warning(say("test.tcp", host.culture, address=address, port=port))
    properties = {
        "ComputerName": name,
        "RemoteAddress": address or None,
        "ResolvedAddresses": [address] if address else None,
        "PingSucceeded": bool(near),
        "PingReplyDetails": None,
        "TcpClientSocket": None,
        "TcpTestSucceeded": through and listens,
        "RemotePort": UInt32(port),
        "TraceRoute": None,
        "Detailed": False,
        "InterfaceAlias": near.name if near else None,
        "InterfaceIndex": UInt32(near.index) if near else None,
        "InterfaceDescription": None,
        "NetAdapter": None,
        "NetRoute": None,
        "SourceAddress": near.ip if near else None,
        "NameResolutionSucceeded": bool(address),
        "BasicNameResolution": [],
        "LLMNRNetbiosRecords": [],
        "DNSOnlyRecords": [],
        "AllNameResolutionResults": None,
        "IsAdmin": True,
        "NetworkIsolationContext": "Internet",
        "MatchingIPsecRules": None,
    }
    call.output(Object(("TestNetConnectionResult", "System.Object"), properties, "TestNetConnectionResult"))


def _subnets(host: Host) -> set[str]:
    return {each.subnet for each in host.network.adapters if each.up}


def get_cluster_networks(world: World, call: Call) -> None:
    """Get-ClusterNetwork."""
    cluster = local_cluster(world, call)
    roles = {0: "None", 1: "Cluster", 3: "ClusterAndClient"}
    for each in cluster.networks.values():
        ends = [world.host(node).network.adapter_in(each.subnet) for node in cluster.nodes]
        state = (
            "Up" if all(end and end.up for end in ends) else "Partitioned" if any(end and end.up for end in ends) else "Down"
        )
        net = ip_network(each.subnet)
        properties = {
            "Cluster": cluster.name,
            "State": clusters("ClusterNetworkState", state),
            "Name": each.name,
            "Ipv6Addresses": [],
            "Ipv6PrefixLengths": [],
            "Ipv4Addresses": [str(net.network_address)],
            "Ipv4PrefixLengths": [UInt32(net.prefixlen)],
            "Id": each.id,
            "Description": "",
            "Role": clusters("ClusterNetworkRole", roles[each.role]),
            "Address": str(net.network_address),
            "AddressMask": str(net.netmask),
            "AutoMetric": True,
            "Metric": UInt32(70240 if each.role == 3 else 30240),
        }
        call.output(cluster_object("ClusterNetwork", each.name, properties))


def get_cluster_interfaces(world: World, call: Call) -> None:
    """Get-ClusterNetworkInterface: every node's adapter in every network."""
    cluster = local_cluster(world, call)
    for each in cluster.networks.values():
        for node in cluster.nodes:
            adapter = world.host(node).network.adapter_in(each.subnet)
            if adapter is None:
                continue
            state = "Up" if adapter.up else "Failed"
            properties = {
                "Cluster": cluster.name,
                "State": clusters("ClusterNetworkInterfaceState", state),
                "Name": f"{node} - {adapter.name}",
                "Node": node,
                "Network": each.name,
                "Ipv6Addresses": [],
                "Ipv4Addresses": [adapter.ip],
                "Id": None,
                "Description": "",
                "Address": adapter.ip,
                "Adapter": f"Intel(R) Ethernet Network Adapter X710 #{adapter.index}",
                "AdapterId": None,
                "DhcpEnabled": False,
            }
            call.output(cluster_object("ClusterNetworkInterface", f"{node} - {adapter.name}", properties))
