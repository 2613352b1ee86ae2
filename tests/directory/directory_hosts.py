"""The engine's hosts with a real directory as their domain controllers: Microsoft's cmdlets said in LDAP, nothing decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from samba_controller import Controller

from remediations.model.command import Command
from remediations.model.plan import Carried
from remediations.model.reply import HostError, Record, Reply
from remediations.remoting import CommandFailed, Remoting

CONTROLLERS = ("DC1", "DC2")
ANY_PROTOCOL = 0x1000000
SPN = "servicePrincipalName"


class DirectoryHosts:
    """What goes to a domain controller goes to the directory; everything else to the lab, over the real protocol."""

    def __init__(self, directory: Controller, lab: Remoting) -> None:
        self.directory, self.lab = directory, lab
        self.changed: list[Command] = []
        self.refused: list[str] = []

    def submit(self, host: str, commands: Sequence[Command], *, deadline: float) -> Future[list[Reply]]:
        """Reads."""
        if host not in CONTROLLERS:
            return self.lab.submit(host, commands, deadline=deadline)
        answer: Future[list[Reply]] = Future()
        answer.set_result([self._read(each) for each in commands])
        return answer

    def collect(self, host: str, command: Command, *, deadline: float) -> Future[list[Reply]]:
        """Evidence."""
        return self.lab.collect(host, command, deadline=deadline)

    def change(
        self,
        host: str,
        command: Command,
        *,
        deadline: float,
        command_id: UUID,
        before_send: Callable[[], None],
        carries: Sequence[Carried] = (),
    ) -> Reply:
        """Changes."""
        if host not in CONTROLLERS:
            return self.lab.change(
                host, command, deadline=deadline, command_id=command_id, before_send=before_send, carries=carries
            )
        before_send()
        self.changed.append(command)
        if words := self.directory.modify(self._ldif(command)):
            self.refused.append(words)
            raise CommandFailed(host, command.text, HostError(message=words, error_id="ActiveDirectoryServer"))
        return Reply()

    def outcome(self, host: str, command_id: UUID, *, deadline: float) -> Reply | None:
        """Lost answers."""
        return None if host in CONTROLLERS else self.lab.outcome(host, command_id, deadline=deadline)

    def identity(self, host: str) -> str:
        """As whom."""
        return self.lab.identity(host)

    def _read(self, command: Command) -> Reply:
        asked = command.parameters
        match command.name:
            case "Get-ADComputer" | "Get-ADUser":
                sign = "$" if command.name == "Get-ADComputer" else ""
                return self._one(f"(sAMAccountName={str(asked['Identity']).rstrip('$')}{sign})", asked.get("Properties", ()))
            case "Get-ADObject":
                found = self.directory.search(str(asked["LDAPFilter"]), "sAMAccountName", "cn", SPN)
                return Reply(objects=tuple(_shown(each, asked["Properties"]) for each in found))
            case other:
                return Reply(errors=(HostError(message=f"{other} is not said in LDAP here", error_id="NotHere"),))

    def _one(self, condition: str, properties: Sequence[str]) -> Reply:
        found = self.directory.search(condition, "*")
        if len(found) != 1:
            missing = HostError(
                message=f"no object {condition}", error_id="ADIdentityNotFoundException", category="ObjectNotFound"
            )
            return Reply(errors=(missing,))
        if "tokenGroups" in properties:
            (groups,) = self.directory.search("(objectClass=*)", "tokenGroups", base=found[0]["dn"][0], scope="base")
            found[0] |= groups
        return Reply(objects=(_shown(found[0], properties),))

    def _ldif(self, command: Command) -> str:
        asked = command.parameters
        parts: list[str] = []
        for name, verb in (("Add", "add"), ("Remove", "delete")):
            for attribute, values in dict(asked.get(name) or {}).items():
                parts.append(_part(verb, attribute, values))
        for verb, values in dict(asked.get("ServicePrincipalNames") or {}).items():
            parts.append(_part({"Add": "add", "Remove": "delete"}[verb], SPN, values))
        if "TrustedToAuthForDelegation" in asked:
            (found,) = self.directory.search(f"(objectGUID={asked['Identity']})", "userAccountControl")
            control = int(found["userAccountControl"][0])
            wanted = control | ANY_PROTOCOL if asked["TrustedToAuthForDelegation"] else control & ~ANY_PROTOCOL
            parts.append(_part("replace", "userAccountControl", str(wanted)))
        return f"dn: <GUID={asked['Identity']}>\nchangetype: modify\n" + "-\n".join(parts)


def _part(verb: str, attribute: str, values: Any) -> str:
    listed = values if isinstance(values, tuple) else (values,)
    return f"{verb}: {attribute}\n" + "".join(f"{attribute}: {each}\n" for each in listed)


def _shown(found: Mapping[str, list[str]], properties: Sequence[str]) -> Record:
    """An object as Microsoft's module shows it: its usual properties, and those that were asked for."""
    of = {name.casefold(): values for name, values in found.items()}
    shown: dict[str, Any] = {
        "DistinguishedName": found["dn"][0],
        "Name": of.get("cn", [""])[0],
        "ObjectGUID": UUID(of["objectguid"][0]) if "objectguid" in of else None,
        "SamAccountName": of.get("samaccountname", [""])[0],
    }
    for name in properties:
        values = of.get(name.casefold(), [])
        single = name in ("userAccountControl", "dNSHostName", "sAMAccountName")
        value: Any = (values[0] if values else None) if single else values
        shown[name] = int(value) if name == "userAccountControl" else value
    return shown
