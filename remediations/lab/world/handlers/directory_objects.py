"""The ActiveDirectory module's objects, as one domain controller shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

from remediations.lab.cmdlet import Int64, Object
from remediations.lab.world.directory import (
    CONTROL,
    DELEGATION,
    LETS_ACT,
    NOT_DELEGATED,
    SPN,
    TRUSTED_TO_AUTH,
    Account,
    Controller,
    Stamp,
    guid,
)
from remediations.lab.world.world import World

CONTROLLERS_ZONE = timezone(timedelta(hours=-5))
MANAGEMENT = "Microsoft.ActiveDirectory.Management"
_FRIENDLY: Mapping[str, str] = {
    "ServicePrincipalNames": SPN,
    "OperatingSystem": "operatingSystem",
    "OperatingSystemVersion": "operatingSystemVersion",
}


@dataclass(frozen=True)
class Server:
    """Where a command reads and writes."""

    world: World
    controller: Controller
    catalog: bool
    """Whether the global catalog's port was asked: it is read-only."""


def attributes(server: Server, account: Account) -> dict[str, Any]:
    """An account's attributes as the server shows them."""
    return {name: stamp.value for name, stamp in server.controller.stamps(account.guid).items()}


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return [] if value is None else value


def _requested(server: Server, account: Account, names: list[str], there: Iterable[str]) -> dict[str, Any]:
    """What -Properties asks for, beyond what is `there` already."""
    values, constructed = attributes(server, account), _constructed(server, account)
    known = {name.casefold(): name for name in values} | {name.casefold(): attribute for name, attribute in _FRIENDLY.items()}
    already = {name.casefold() for name in there}
    found: dict[str, Any] = {}
    for name in values if "*" in names else names:
        folded = name.casefold()
        if folded in already:
            continue
        if folded in known:
            found[name] = _shown(values[known[folded]])
        else:
            found[name] = constructed[folded]() if folded in constructed else None
    return found


def _constructed(server: Server, account: Account) -> Mapping[str, Callable[[], Any]]:
    stamps = server.controller.stamps(account.guid)
    control = int(server.controller.value(account.guid, CONTROL) or 0)
    return {
        "trustedtoauthfordelegation": lambda: bool(control & TRUSTED_TO_AUTH),
        "accountnotdelegated": lambda: bool(control & NOT_DELEGATED),
        "memberof": list,
        "tokengroups": lambda: [_sid(each) for each in _groups(server, account)],
        "trustedfordelegation": lambda: bool(control & 0x80000),
        "whencreated": lambda: account.created.astimezone(CONTROLLERS_ZONE),
        "whenchanged": lambda: max(stamp.local_time for stamp in stamps.values()).astimezone(CONTROLLERS_ZONE),
        "principalsallowedtodelegatetoaccount": lambda: list(server.controller.value(account.guid, LETS_ACT) or ()),
        "msds-replattributemetadata": lambda: [_fragment(server.world, name, stamp) for name, stamp in stamps.items()],
        DELEGATION.casefold(): list,
        SPN.casefold(): list,
    }


def _groups(server: Server, account: Account) -> list[str]:
    """SIDs of the groups that an account is in: Domain Users or Domain Computers, and Protected Users."""
    domain = account.sid.rpartition("-")[0]
    primary = "513" if account.object_class == "user" else "515"
    return [f"{domain}-{primary}", *([f"{domain}-525"] if server.world.directory.protected(account.guid) else [])]


def _sid(text: str) -> Object:
    return Object(("System.Security.Principal.SecurityIdentifier", "System.Object"), {"Value": text}, text)


def _fragment(world: World, name: str, stamp: Stamp) -> str:
    """One value of the constructed attribute msDS-ReplAttributeMetaData: XML, whole seconds, with its final NUL."""
    writer = world.directory.controllers[stamp.server]
    return (
        "<DS_REPL_ATTR_META_DATA>\n"
        f"\t<pszAttributeName>{name}</pszAttributeName>\n"
        f"\t<dwVersion>{stamp.version}</dwVersion>\n"
        f"\t<ftimeLastOriginatingChange>{stamp.time:%Y-%m-%dT%H:%M:%SZ}</ftimeLastOriginatingChange>\n"
        f"\t<uuidLastOriginatingDsaInvocationID>{writer.invocation}</uuidLastOriginatingDsaInvocationID>\n"
        f"\t<usnOriginatingChange>{stamp.usn}</usnOriginatingChange>\n"
        f"\t<usnLocalChange>{stamp.usn}</usnLocalChange>\n"
        f"\t<pszLastOriginatingDsaDN>{_settings(world, writer)}</pszLastOriginatingDsaDN>\n"
        "</DS_REPL_ATTR_META_DATA>\n\0"
    )


def _directory_object(kind: str, account: Account, properties: Mapping[str, Any]) -> Object:
    types = [f"{MANAGEMENT}.{kind}"]
    if kind in ("ADComputer", "ADUser"):
        types += [f"{MANAGEMENT}.ADAccount", f"{MANAGEMENT}.ADPrincipal", f"{MANAGEMENT}.ADObject"]
    return Object((*types, f"{MANAGEMENT}.ADEntity", "System.Object"), properties, account.dn)


def computer_object(server: Server, account: Account, names: list[str]) -> Object:
    """An account as Get-ADComputer shows it, with the properties that were asked for."""
    values = attributes(server, account)
    properties = {
        "DistinguishedName": account.dn,
        "DNSHostName": values.get("dNSHostName"),
        "Enabled": not int(values.get(CONTROL) or 0) & 0x2,
        "Name": account.name.rstrip("$"),
        "ObjectClass": account.object_class,
        "ObjectGUID": account.guid,
        "SamAccountName": account.name,
        "SID": _sid(account.sid),
        "UserPrincipalName": None,
    }
    return _directory_object("ADComputer", account, {**properties, **_requested(server, account, names, properties)})


def _settings(world: World, controller: Controller) -> str:
    site = "CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration"
    return f"CN=NTDS Settings,CN={controller.name},{site},{world.directory.base}"


def user_object(server: Server, account: Account, names: list[str]) -> Object:
    """An account as Get-ADUser shows it, with the properties that were asked for."""
    values = attributes(server, account)
    properties = {
        "DistinguishedName": account.dn,
        "Enabled": not int(values.get(CONTROL) or 0) & 0x2,
        "GivenName": None,
        "Name": account.name,
        "ObjectClass": account.object_class,
        "ObjectGUID": account.guid,
        "SamAccountName": account.name,
        "SID": _sid(account.sid),
        "Surname": None,
        "UserPrincipalName": values.get("userPrincipalName"),
    }
    return _directory_object("ADUser", account, {**properties, **_requested(server, account, names, properties)})


def plain_object(server: Server, account: Account, names: list[str]) -> Object:
    """An account as Get-ADObject shows it, with the properties that were asked for."""
    properties = {
        "DistinguishedName": account.dn,
        "Name": account.name.rstrip("$"),
        "ObjectClass": account.object_class,
        "ObjectGUID": account.guid,
    }
    return _directory_object("ADObject", account, {**properties, **_requested(server, account, names, properties)})


def metadata_object(server: Server, account: Account, name: str) -> Object:
    """One attribute's replication metadata as Get-ADReplicationAttributeMetadata shows it."""
    stamp = server.controller.stamps(account.guid)[name]
    writer = server.world.directory.controllers[stamp.server]
    first = server.controller.history[account.guid][name][0]
    properties = {
        "AttributeName": name,
        "AttributeValue": _shown(stamp.value),
        "FirstOriginatingCreateTime": None,
        "IsLinkValue": False,
        "LastOriginatingChangeDirectoryServerIdentity": _settings(server.world, writer),
        "LastOriginatingChangeDirectoryServerInvocationId": writer.invocation,
        "LastOriginatingChangeTime": stamp.time.astimezone(CONTROLLERS_ZONE),
        "LastOriginatingChangeUsn": Int64(first.usn + stamp.version),
        "LastOriginatingDeleteTime": None,
        "LocalChangeUsn": Int64(stamp.usn),
        "Object": account.dn,
        "Server": server.controller.fqdn,
        "Version": stamp.version,
    }
    kinds = (f"{MANAGEMENT}.ADReplicationAttributeMetadata", f"{MANAGEMENT}.ADEntity", "System.Object")
    return Object(kinds, properties, name)


def controller_object(world: World, controller: Controller, number: int) -> Object:
    """A domain controller as Get-ADDomainController shows it."""
    base, domain = world.directory.base, world.directory.domain
    roles = ["SchemaMaster", "DomainNamingMaster", "PDCEmulator", "RIDMaster", "InfrastructureMaster"] if number == 0 else []
    server = _settings(world, controller).partition(",")[2]
    properties = {
        "ComputerObjectDN": world.directory.computer(controller.name).dn,
        "DefaultPartition": base,
        "Domain": domain,
        "Enabled": True,
        "Forest": domain,
        "HostName": controller.fqdn,
        "InvocationId": controller.invocation,
        "IPv4Address": f"192.168.10.{10 + number}",
        "IPv6Address": None,
        "IsGlobalCatalog": True,
        "IsReadOnly": False,
        "LdapPort": 389,
        "Name": controller.name,
        "NTDSSettingsObjectDN": _settings(world, controller),
        "OperatingSystem": "Windows Server 2022 Datacenter",
        "OperatingSystemHotfix": None,
        "OperatingSystemServicePack": None,
        "OperatingSystemVersion": "10.0 (20348)",
        "OperationMasterRoles": roles,
        "Partitions": [
            f"DC=ForestDnsZones,{base}",
            f"DC=DomainDnsZones,{base}",
            f"CN=Schema,CN=Configuration,{base}",
            f"CN=Configuration,{base}",
            base,
        ],
        "ServerObjectDN": server,
        "ServerObjectGuid": guid(f"server {controller.name}"),
        "Site": "Default-First-Site-Name",
        "SslPort": 636,
    }
    return Object(
        (f"{MANAGEMENT}.ADDomainController", f"{MANAGEMENT}.ADDirectoryServer", f"{MANAGEMENT}.ADEntity", "System.Object"),
        properties,
        server,
    )
