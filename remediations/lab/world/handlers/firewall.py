"""Windows' firewall on a host, by policy store: what is set locally, and what counts.

- NetFirewallRule: Name, DisplayName (the host's language), Group, Enabled, Direction, Action, Profile, PolicyStoreSource,
  PolicyStoreSourceType, PrimaryStatus (enums)
- NetFirewallProfile: Name, Enabled, DefaultInboundAction, AllowLocalFirewallRules (enums)
- NetFirewallPortFilter: InstanceID (the rule's name), Protocol, LocalPort, RemotePort
- NetConnectionProfile: Name, InterfaceAlias, NetworkCategory (enum)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Enum, Object, UInt32
from remediations.lab.world.handlers.networks import cim_object
from remediations.lab.world.handlers.shape import asked
from remediations.lab.world.hosts import Host
from remediations.lab.world.network import FirewallRule
from remediations.lab.world.text import say
from remediations.lab.world.world import World

_KIND = "Microsoft.PowerShell.Cmdletization.GeneratedTypes.NetSecurity"
_NUMBERS = {
    "Enabled": {"True": 1, "False": 2},
    "Direction": {"Inbound": 1, "Outbound": 2},
    "Action": {"NotConfigured": 0, "Allow": 2, "Block": 4},
    "PolicyStoreType": {"Local": 1, "GroupPolicy": 2},
    "GpoBoolean": {"False": 0, "True": 1, "NotConfigured": 2},
    "Profile": {"Any": 0, "Domain": 1},
    "PrimaryStatus": {"Unknown": 0, "OK": 1, "Inactive": 2},
}
ACTIVE = "activestore"


def get_rules(world: World, call: Call) -> None:
    """Get-NetFirewallRule [-Name] [-Direction] [-Action] [-Enabled] [-PolicyStore]: the local store's, or what counts."""
    host = world.host(call.host)
    chosen = list(_named(host, call))
    for key, read in (("Direction", _direction), ("Action", lambda rule: rule.action), ("Enabled", _enabled)):
        if (wanted := call.parameters.get(key)) is not None:
            chosen = [rule for rule in chosen if read(rule) == str(getattr(wanted, "name", wanted))]
    for rule in chosen:
        call.output(_rule_object(host, rule))


def get_profiles(world: World, call: Call) -> None:
    """Get-NetFirewallProfile [-PolicyStore]: all three; the lab's hosts differ only in their domain profile."""
    firewall = world.host(call.host).network.firewall
    active = _active(call)
    for name in ("Domain", "Private", "Public"):
        own = name == "Domain" and (active or not firewall.policy)
        unset = "True" if active else "NotConfigured"
        properties = {
            "Name": name,
            "Profile": name,
            "Enabled": _gpo(("True" if firewall.on else "False") if own else "True"),
            "DefaultInboundAction": _enum("Action", firewall.inbound if own else ("Block" if active else "NotConfigured")),
            "DefaultOutboundAction": _enum("Action", "Allow" if active else "NotConfigured"),
            "AllowInboundRules": _gpo(unset),
            "AllowLocalFirewallRules": _gpo(("True" if firewall.local_rules else "False") if own and active else unset),
            "AllowLocalIPsecRules": _gpo(unset),
            "AllowUserApps": _gpo("NotConfigured"),
            "AllowUserPorts": _gpo("NotConfigured"),
            "AllowUnicastResponseToMulticast": _gpo("NotConfigured"),
            "NotifyOnListen": _gpo("False"),
            "EnableStealthModeForIPsec": _gpo("NotConfigured"),
            "LogFileName": "%systemroot%\\system32\\LogFiles\\Firewall\\pfirewall.log",
            "LogMaxSizeKilobytes": UInt32(4096),
            "LogAllowed": _gpo("False"),
            "LogBlocked": _gpo("False"),
            "LogIgnored": _gpo("NotConfigured"),
            "DisabledInterfaceAliases": ["NotConfigured"],
        }
        call.output(cim_object("standardcimv2", "MSFT_NetFirewallProfile", properties))


def get_port_filters(world: World, call: Call) -> None:
    """Get-NetFirewallPortFilter [-Protocol] [-PolicyStore]."""
    host = world.host(call.host)
    for rule in host.network.firewall.rules.values():
        if (_active(call) or not rule.policy) and rule.protocol in (asked(call, "Protocol") or [rule.protocol]):
            properties = {
                "Caption": None,
                "Description": None,
                "ElementName": None,
                "InstanceID": rule.name,
                "Protocol": rule.protocol,
                "LocalPort": str(rule.port) if rule.inbound else "Any",
                "RemotePort": "Any" if rule.inbound else str(rule.port),
                "IcmpType": "Any",
                "DynamicTarget": "Any",
                "DynamicTransport": "Any",
                "CreationClassName": f"MSFT|FW|FirewallRule|{rule.name}",
            }
            call.output(cim_object("standardcimv2", "MSFT_NetProtocolPortFilter", properties))


def get_connection_profiles(world: World, call: Call) -> None:
    """Get-NetConnectionProfile: every connected adapter's."""
    host = world.host(call.host)
    category = ("DomainAuthenticated", 2) if host.joined else ("Private", 1)
    for each in host.network.adapters:
        if each.up:
            properties = {
                "Caption": None,
                "Description": None,
                "ElementName": None,
                "InstanceID": None,
                "Name": host.domain,
                "InterfaceAlias": each.name,
                "InterfaceIndex": UInt32(each.index),
                "NetworkCategory": Enum(
                    "Microsoft.PowerShell.Cmdletization.GeneratedTypes.NetConnectionProfile.NetworkCategory", *category
                ),
                "IPv4Connectivity": "LocalNetwork",
                "IPv6Connectivity": "NoTraffic",
            }
            call.output(cim_object("StandardCimv2", "MSFT_NetConnectionProfile", properties))


def enable_rule(world: World, call: Call) -> None:
    """Enable-NetFirewallRule -Name: in the local store."""
    for rule in _named(world.host(call.host), call):
        rule.enabled = True


def disable_rule(world: World, call: Call) -> None:
    """Disable-NetFirewallRule -Name: in the local store."""
    for rule in _named(world.host(call.host), call):
        rule.enabled = False


def _named(host: Host, call: Call) -> Iterator[FirewallRule]:
    known = {name.casefold(): rule for name, rule in host.network.firewall.rules.items() if _active(call) or not rule.policy}
    names = asked(call, "Name")
    for name in known if names is None else names:
        if name.casefold() in known:
            yield known[name.casefold()]
            continue
        text = say("firewall.none", host.culture, name=name)
        call.error(
            CommandError(
                text,
                "CmdletizationQuery_NotFound_Name",
                "ObjectNotFound",
                exception="Microsoft.PowerShell.Cmdletization.Cim.CimJobException",
                command_type=call.name,
                target=name,
            )
        )


def _active(call: Call) -> bool:
    return str(call.parameters.get("PolicyStore") or "").casefold() == ACTIVE


def _direction(rule: FirewallRule) -> str:
    return "Inbound" if rule.inbound else "Outbound"


def _enabled(rule: FirewallRule) -> str:
    return "True" if rule.enabled else "False"


def _enum(kind: str, name: str) -> Enum:
    return Enum(f"{_KIND}.{kind}", name, _NUMBERS[kind][name])


def _gpo(value: str) -> Enum:
    return _enum("GpoBoolean", value)


def _rule_object(host: Host, rule: FirewallRule) -> Object:
    properties: dict[str, Any] = {
        "Name": rule.name,
        "ID": rule.name,
        "DisplayName": rule.display,
        "Group": rule.group,
        "DisplayGroup": rule.display.partition(" (")[0],
        "Enabled": _enum("Enabled", _enabled(rule)),
        "Profile": _enum("Profile", "Any"),
        "Platform": [],
        "Direction": _enum("Direction", _direction(rule)),
        "Action": _enum("Action", rule.action),
        "EdgeTraversalPolicy": "Block",
        "LSM": False,
        "LooseSourceMapping": False,
        "LocalOnlyMapping": False,
        "Owner": None,
        "PrimaryStatus": _enum("PrimaryStatus", "OK"),
        "Status": "The rule was parsed successfully from the store. (65536)",
        "EnforcementStatus": "NotApplicable",
        "PolicyStoreSourceType": _enum("PolicyStoreType", "GroupPolicy" if rule.policy else "Local"),
        "PolicyStoreSource": rule.policy or "PersistentStore",
        "Caption": None,
        "Description": None,
        "ElementName": rule.display,
        "InstanceID": rule.name,
        "CommonName": None,
        "CreationClassName": f"MSFT|FW|FirewallRule|{rule.name}",
        "SystemName": host.fqdn,
        "RemoteDynamicKeywordAddresses": [],
    }
    return cim_object("standardcimv2", "MSFT_NetFirewallRule", properties)
