"""The ActiveDirectory module's commands, against one domain controller's replica.

- ADComputer: DistinguishedName, DNSHostName, Enabled, Name, ObjectClass, ObjectGUID (Guid), SamAccountName (with its $),
  SID, UserPrincipalName; and what -Properties asks for, spelled as asked, except for what is there already (asking for
  dNSHostName adds nothing to DNSHostName)
- ADUser: as ADComputer, with GivenName and Surname and without DNSHostName
- ADObject: DistinguishedName, Name, ObjectClass, ObjectGUID; and what -Properties asks for
- ADReplicationAttributeMetadata: AttributeName, AttributeValue, LastOriginatingChangeTime (local time with offset),
  LastOriginatingChangeDirectoryServerIdentity, LastOriginatingChangeUsn, LocalChangeUsn, Version, Object, Server
- ADDomainController: HostName, Name, Domain, Forest, Site, IPv4Address, IsGlobalCatalog, IsReadOnly, Enabled,
  OperationMasterRoles, InvocationId
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from remediations.lab.cmdlet import Call, CommandError
from remediations.lab.world.directory import CONTROL, DELEGATION, SPN, TRUSTED_TO_AUTH, Account, DirectoryError
from remediations.lab.world.handlers.directory_objects import (
    MANAGEMENT,
    Server,
    attributes,
    computer_object,
    controller_object,
    metadata_object,
    plain_object,
    user_object,
)
from remediations.lab.world.handlers.filters import parse
from remediations.lab.world.handlers.shape import asked
from remediations.lab.world.world import World
from remediations.model.names import same_host, short_name


def get_computer(world: World, call: Call) -> None:
    """Get-ADComputer -Identity [-Properties] [-Server]."""
    server = _server(world, call)
    account = _account(world, call, str(call.parameters["Identity"]), "computer")
    call.output(computer_object(server, account, asked(call, "Properties") or []))


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
        values = {name.casefold(): value for name, value in attributes(server, account).items()}
        values["objectclass"] = ("top", "person", "organizationalPerson", "user", account.object_class)
        if account.dn.casefold().endswith(base) and wanted(values):
            call.output(plain_object(server, account, asked(call, "Properties") or []))


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
        call.output(metadata_object(server, account, name))


def get_controllers(world: World, call: Call) -> None:
    """Get-ADDomainController [-Filter *]: without a filter, the one that is asked."""
    server = _server(world, call)
    shown = world.directory.controllers.values() if call.parameters.get("Filter") else (server.controller,)
    for number, controller in enumerate(shown):
        call.output(controller_object(world, controller, number))


def get_user(world: World, call: Call) -> None:
    """Get-ADUser -Identity [-Properties] [-Server]."""
    server = _server(world, call)
    account = _account(world, call, str(call.parameters["Identity"]), "user")
    call.output(user_object(server, account, asked(call, "Properties") or []))


def set_computer(world: World, call: Call) -> None:
    """Set-ADComputer -Identity [-ServicePrincipalNames @{Add=…; Remove=…}] [-Add @{…}] [-Remove @{…}] [-Server]."""
    server = _server(world, call)
    account = _account(world, call, str(call.parameters["Identity"]), "computer")
    changes = [(SPN, _table(call, "ServicePrincipalNames", ("add", "remove")))]
    added, removed = _table(call, "Add", _LISTS), _table(call, "Remove", _LISTS)
    changes += [(_LISTS[name], {"add": added.get(name), "remove": removed.get(name)}) for name in {**added, **removed}]
    _allowed(world, call, server, account)
    try:
        for attribute, table in changes:
            add, remove = _texts(table.get("add")), _texts(table.get("remove"))
            if add or remove:
                world.directory.change(server.controller.name, account.guid, attribute, add=add, remove=remove)
    except DirectoryError as error:
        raise _error(call, error.message, f"ActiveDirectoryServer:{error.code}", "ADException", target=account.name) from None


def set_account_control(world: World, call: Call) -> None:
    """Set-ADAccountControl -Identity (a computer with its $) -TrustedToAuthForDelegation [-Server]."""
    server = _server(world, call)
    identity = str(call.parameters["Identity"])
    account = _account(world, call, identity, "computer" if identity.endswith("$") else "")
    _allowed(world, call, server, account)
    wanted = call.parameters.get("TrustedToAuthForDelegation")
    control = int(server.controller.value(account.guid, CONTROL))
    changed = control | TRUSTED_TO_AUTH if wanted else control & ~TRUSTED_TO_AUTH
    if wanted is not None and changed != control:
        world.directory.write(server.controller.name, account.guid, CONTROL, changed)


_LISTS = {DELEGATION.casefold(): DELEGATION, SPN.casefold(): SPN}
"""Attributes that -Add and -Remove change, by their names in lower case."""


def _table(call: Call, parameter: str, known: Iterable[str]) -> dict[str, Any]:
    given = call.parameters.get(parameter)
    table = {str(key).casefold(): value for key, value in given.items()} if isinstance(given, Mapping) else {}
    if unknown := set(table) - set(known):
        text = f"The lab changes no {min(unknown)} by -{parameter}; parameter name: {min(unknown)}"
        raise _error(
            call, text, "ActiveDirectoryCmdlet:System.ArgumentException", "ArgumentException", category="InvalidArgument"
        )
    for key, value in table.items():
        if isinstance(value, (list, tuple)):  # an ArrayList once it has come here, which the module takes for one value
            text = f"Invalid type 'System.Collections.ArrayList'.\r\nParameter name: {key}"
            raise _error(
                call, text, "ActiveDirectoryCmdlet:System.ArgumentException", "ArgumentException", category="InvalidArgument"
            )
    return table


def _allowed(world: World, call: Call, server: Server, account: Account) -> None:
    if call.principal.casefold() not in world.directory.writers or server.catalog:
        text = "Insufficient access rights to perform the operation"
        raise _error(call, text, "ActiveDirectoryServer:8344", "ADException", target=account.name)


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)


def _server(world: World, call: Call) -> Server:
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
    return Server(world, controller, port == "3268")


def _account(world: World, call: Call, identity: str, kind: str) -> Account:
    """The account of a class, by GUID, distinguished name, SID or sAMAccountName (a computer's also without its $)."""
    wanted = identity.casefold()
    for account in world.directory.of_class(kind) if kind else world.directory.accounts.values():
        names = {str(account.guid), account.dn.casefold(), account.sid.casefold(), account.name.casefold()}
        if wanted in names or (kind == "computer" and wanted == account.name.casefold().rstrip("$")):
            return account
    raise _not_found(world, call, identity)


def _not_found(world: World, call: Call, identity: str) -> CommandError:
    kind = f"{MANAGEMENT}.ADIdentityNotFoundException"
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
        else (f"System.{exception}" if exception == "ArgumentException" else f"{MANAGEMENT}.{exception}"),
        command_type=f"{MANAGEMENT}.Commands.{verb}{noun}",
        target=target,
    )
