"""The ActiveDirectory module's commands, against one domain controller's replica.

- ADComputer: DistinguishedName, DNSHostName, Enabled, Name, ObjectClass, ObjectGUID (Guid), SamAccountName (with its $),
  SID, UserPrincipalName; and what -Properties asks for, spelled as asked, except for what is there already (asking for
  dNSHostName adds nothing to DNSHostName)
- ADObject: DistinguishedName, Name, ObjectClass, ObjectGUID; and what -Properties asks for
- ADReplicationAttributeMetadata: AttributeName, AttributeValue, LastOriginatingChangeTime (local time with offset),
  LastOriginatingChangeDirectoryServerIdentity, LastOriginatingChangeUsn, LocalChangeUsn, Version, Object, Server
- ADDomainController: HostName, Name, Domain, Forest, Site, IPv4Address, IsGlobalCatalog, IsReadOnly, Enabled,
  OperationMasterRoles, InvocationId
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Int64, Object
from remediations.lab.world.directory import CONTROL, DELEGATION, SPN, Account, Controller, DirectoryError, Stamp, guid
from remediations.lab.world.handlers.filters import parse
from remediations.lab.world.handlers.shape import asked
from remediations.lab.world.world import World
from remediations.model.names import same_host, short_name

CONTROLLERS_ZONE = timezone(timedelta(hours=-5))
_MANAGEMENT = "Microsoft.ActiveDirectory.Management"
_ALWAYS = frozenset(
    name.casefold()
    for name in (
        "DistinguishedName",
        "DNSHostName",
        "Enabled",
        "Name",
        "ObjectClass",
        "ObjectGUID",
        "SamAccountName",
        "SID",
        "UserPrincipalName",
    )
)
_FRIENDLY: Mapping[str, str] = {
    "ServicePrincipalNames": SPN,
    "OperatingSystem": "operatingSystem",
    "OperatingSystemVersion": "operatingSystemVersion",
}


@dataclass(frozen=True)
class _Server:
    controller: Controller
    catalog: bool
    """Whether the global catalog's port was asked: it is read-only."""


def get_computer(world: World, call: Call) -> None:
    """Get-ADComputer -Identity [-Properties] [-Server]."""
    server = _server(world, call)
    account = _account(world, call, server, str(call.parameters["Identity"]))
    call.output(_computer_object(world, server, account, asked(call, "Properties") or []))


def get_object(world: World, call: Call) -> None:
    """Get-ADObject -LDAPFilter [-Properties] [-SearchBase] [-Server]."""
    server = _server(world, call)
    text = str(call.parameters["LDAPFilter"])
    try:
        wanted = parse(text)
    except ValueError:
        raise _error(call, "The search filter cannot be recognized", "ActiveDirectoryServer:8254", "ADException") from None
    base = str(call.parameters.get("SearchBase") or world.directory.base).casefold()
    for account in world.directory.accounts.values():
        attributes = {
            **_values(server, account),
            "objectclass": ("top", "person", "organizationalPerson", "user", account.object_class),
        }
        if account.dn.casefold().endswith(base) and wanted({name.casefold(): value for name, value in attributes.items()}):
            properties = {
                "DistinguishedName": account.dn,
                "Name": account.name.rstrip("$"),
                "ObjectClass": account.object_class,
                "ObjectGUID": account.guid,
            }
            call.output(
                _directory_object(
                    "ADObject",
                    account,
                    {
                        **properties,
                        **_requested(
                            world, server, account, asked(call, "Properties") or [], set(map(str.casefold, properties))
                        ),
                    },
                )
            )


def get_metadata(world: World, call: Call) -> None:
    """Get-ADReplicationAttributeMetadata -Object (GUID or DN) -Server [-Properties]."""
    server = _server(world, call)
    identity = str(call.parameters["Object"])
    account = next(
        (each for each in world.directory.accounts.values() if identity.casefold() in (each.dn.casefold(), str(each.guid))),
        None,
    )
    if account is None:
        raise _not_found(world, call, identity)
    stamps = server.controller.stamps(account.guid)
    names = asked(call, "Properties")
    chosen = [name for name in stamps if names is None or "*" in names or name.casefold() in map(str.casefold, names)]
    for name in chosen:
        stamp = stamps[name]
        writer = world.directory.controllers[stamp.server]
        first = server.controller.history[account.guid][name][0]
        properties = {
            "AttributeName": name,
            "AttributeValue": _shown(stamp.value),
            "FirstOriginatingCreateTime": None,
            "IsLinkValue": False,
            "LastOriginatingChangeDirectoryServerIdentity": _settings(world, writer),
            "LastOriginatingChangeDirectoryServerInvocationId": writer.invocation,
            "LastOriginatingChangeTime": stamp.time.astimezone(CONTROLLERS_ZONE),
            "LastOriginatingChangeUsn": Int64(first.usn + stamp.version),
            "LastOriginatingDeleteTime": None,
            "LocalChangeUsn": Int64(stamp.usn),
            "Object": account.dn,
            "Server": server.controller.fqdn,
            "Version": stamp.version,
        }
        call.output(
            Object(
                (f"{_MANAGEMENT}.ADReplicationAttributeMetadata", f"{_MANAGEMENT}.ADEntity", "System.Object"), properties, name
            )
        )


def get_controllers(world: World, call: Call) -> None:
    """Get-ADDomainController [-Filter *]: without a filter, the one that is asked."""
    server = _server(world, call)
    shown = world.directory.controllers.values() if call.parameters.get("Filter") else (server.controller,)
    for number, controller in enumerate(shown):
        call.output(_controller_object(world, controller, number))


def set_computer(world: World, call: Call) -> None:
    """Set-ADComputer -Identity -ServicePrincipalNames @{Add=…; Remove=…} [-Server]."""
    server = _server(world, call)
    directory = world.directory
    account = _account(world, call, server, str(call.parameters["Identity"]))
    wanted = call.parameters.get("ServicePrincipalNames")
    if not isinstance(wanted, Mapping):
        return
    table = {str(key).casefold(): value for key, value in wanted.items()}
    if unknown := set(table) - {"add", "remove"}:
        raise _error(
            call,
            f"Invalid key '{min(unknown)}' in ServicePrincipalNames",
            "ActiveDirectoryCmdlet:System.ArgumentException",
            "ArgumentException",
            category="InvalidArgument",
        )
    if call.principal.casefold() not in directory.writers or server.catalog:
        raise _error(
            call,
            "Insufficient access rights to perform the operation",
            "ActiveDirectoryServer:8344",
            "ADException",
            target=account.name,
        )
    try:
        for key, change in (("remove", directory.remove_spns), ("add", directory.add_spns)):
            if key in table:
                given = table[key]
                change(
                    server.controller.name,
                    account.guid,
                    tuple(map(str, given)) if isinstance(given, (list, tuple)) else (str(given),),
                )
    except DirectoryError as error:
        raise _error(call, error.message, f"ActiveDirectoryServer:{error.code}", "ADException", target=account.name) from None


def _server(world: World, call: Call) -> _Server:
    directory = world.directory
    host = world.find_host(call.host)
    default = directory.controllers[host.controller if host else call.host]
    wanted = call.parameters.get("Server")
    if wanted is None:
        controller, port = default, ""
    else:
        name, _, port = str(wanted).partition(":")
        found = next((each for each in directory.controllers.values() if same_host(each.fqdn, name)), None)
        if found is None and name.casefold() in (directory.domain, directory.netbios.casefold()):
            found = default
        if found is None or port not in ("", "389", "3268"):
            text = (
                "Unable to contact the server. This may be because this server does not exist, it is currently down, or it "
                "does not have the Active Directory Web Services running."
            )
            raise _error(call, text, "ActiveDirectoryServer:0", "ADServerDownException", category="ResourceUnavailable")
        controller = found
    if not same_host(short_name(controller.fqdn), call.host) and not world.may_hop(call.host):
        kind = "System.Security.Authentication.AuthenticationException"
        raise _error(
            call,
            "The server has rejected the client credentials.",
            f"ActiveDirectoryCmdlet:{kind}",
            kind,
            category="SecurityError",
        )
    return _Server(controller, port == "3268")


def _account(world: World, call: Call, server: _Server, identity: str) -> Account:
    wanted = identity.casefold()
    for account in world.directory.accounts.values():
        if wanted in (
            str(account.guid),
            account.dn.casefold(),
            account.sid.casefold(),
            account.name.casefold(),
            account.name.casefold().rstrip("$"),
        ):
            return account
    raise _not_found(world, call, identity)


def _not_found(world: World, call: Call, identity: str) -> CommandError:
    kind = f"{_MANAGEMENT}.ADIdentityNotFoundException"
    text = f"Cannot find an object with identity: '{identity}' under: '{world.directory.base}'."
    return _error(call, text, f"ActiveDirectoryCmdlet:{kind}", kind, category="ObjectNotFound", target=identity)


def _error(
    call: Call, text: str, error_id: str, exception: str, *, category: str = "NotSpecified", target: str = ""
) -> CommandError:
    verb, _, noun = call.name.partition("-")
    return CommandError(
        text,
        error_id,
        category,
        exception=exception
        if "." in exception
        else (f"System.{exception}" if exception == "ArgumentException" else f"{_MANAGEMENT}.{exception}"),
        command_type=f"{_MANAGEMENT}.Commands.{verb}{noun}",
        target=target,
    )


def _values(server: _Server, account: Account) -> dict[str, Any]:
    return {name: stamp.value for name, stamp in server.controller.stamps(account.guid).items()}


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return [] if value is None else value


def _requested(world: World, server: _Server, account: Account, names: list[str], there: set[str]) -> dict[str, Any]:
    values = _values(server, account)
    known = {name.casefold(): name for name in values}
    friendly = {name.casefold(): attribute for name, attribute in _FRIENDLY.items()}
    shown: dict[str, Any] = {}
    for name in values if "*" in names else names:
        attribute = friendly.get(name.casefold()) or known.get(name.casefold())
        if name.casefold() in there:
            continue
        if attribute is None:
            shown[name] = _extra(world, server, account).get(name.casefold(), lambda: None)()
        else:
            shown[name] = _shown(values[attribute])
    return shown


def _extra(world: World, server: _Server, account: Account) -> Mapping[str, Callable[[], Any]]:
    stamps = server.controller.stamps(account.guid)
    control = int(server.controller.value(account.guid, CONTROL) or 0)
    return {
        "trustedtoauthfordelegation": lambda: bool(control & 0x1000000),
        "trustedfordelegation": lambda: bool(control & 0x80000),
        "whencreated": lambda: account.created.astimezone(CONTROLLERS_ZONE),
        "whenchanged": lambda: max(stamp.local_time for stamp in stamps.values()).astimezone(CONTROLLERS_ZONE),
        "principalsallowedtodelegatetoaccount": list,
        "msds-replattributemetadata": lambda: [_fragment(world, name, stamp) for name, stamp in stamps.items()],
        DELEGATION.casefold(): list,
        SPN.casefold(): list,
    }


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
    types = [f"{_MANAGEMENT}.{kind}"]
    if kind == "ADComputer":
        types += [f"{_MANAGEMENT}.ADAccount", f"{_MANAGEMENT}.ADPrincipal", f"{_MANAGEMENT}.ADObject"]
    return Object((*types, f"{_MANAGEMENT}.ADEntity", "System.Object"), properties, account.dn)


def _computer_object(world: World, server: _Server, account: Account, names: list[str]) -> Object:
    values = _values(server, account)
    properties = {
        "DistinguishedName": account.dn,
        "DNSHostName": values.get("dNSHostName"),
        "Enabled": not int(values.get(CONTROL) or 0) & 0x2,
        "Name": account.name.rstrip("$"),
        "ObjectClass": account.object_class,
        "ObjectGUID": account.guid,
        "SamAccountName": account.name,
        "SID": Object(("System.Security.Principal.SecurityIdentifier", "System.Object"), {"Value": account.sid}, account.sid),
        "UserPrincipalName": None,
    }
    return _directory_object("ADComputer", account, {**properties, **_requested(world, server, account, names, set(_ALWAYS))})


def _settings(world: World, controller: Controller) -> str:
    site = "CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration"
    return f"CN=NTDS Settings,CN={controller.name},{site},{world.directory.base}"


def _controller_object(world: World, controller: Controller, number: int) -> Object:
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
        (f"{_MANAGEMENT}.ADDomainController", f"{_MANAGEMENT}.ADDirectoryServer", f"{_MANAGEMENT}.ADEntity", "System.Object"),
        properties,
        server,
    )
