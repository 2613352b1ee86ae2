"""Virtual TPMs: which virtual machine has one, and which certificates a host has that could open it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.query import Query, asked_often
from remediations.facts.read import flag, is_absent, lacks_command, many, one
from remediations.facts.vm import the_only
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable, Unknown
from remediations.model.names import VmName
from remediations.model.reply import Reply


class Security(Fact):
    """A virtual machine's security settings; `subject` is its id."""

    name: str
    host: str
    """Host that shows it."""
    tpm: bool
    shielded: bool


class Certificates(Fact):
    """Certificates in a host's store Shielded VM Local Certificates; `subject` is the host."""

    thumbprints: frozenset[str]
    """Of those that have their private key: only these open a key protector."""
    exportable: frozenset[str] = frozenset()
    """Of those whose private key may leave the host again."""
    keyless: frozenset[str] = frozenset()
    """Of those without their private key."""


class Protector(Fact):
    """Who owns a virtual machine's key protector; `subject` is its name."""

    owner: frozenset[str]
    """Thumbprints of the owner's signing and encryption certificate."""


def security(vm: VmName, host: str) -> Query[Security]:
    """Reads whether a virtual machine has a virtual TPM; `NotApplicable` on a host that does not have it."""
    return Query(host, (command("Get-VMSecurity", VMName=vm),), partial(_security, vm, host))


@asked_often
def certificates(host: str) -> Query[Certificates]:
    """Reads which certificates a host has; Unknown without the module, for no cmdlet lists a store."""
    return Query(host, (command("Get-RemediationShieldedCertificate"),), partial(_certificates, host))


def protector(vm: VmName, host: str) -> Query[Protector]:
    """Reads who owns a key protector; `NotApplicable` where there is none, Unknown without the module."""
    return Query(host, (command("Get-RemediationKeyProtector", Name=vm),), partial(_protector, vm, host))


def _security(vm: str, host: str, replies: Sequence[Reply]) -> Security | NotApplicable:
    record = the_only(vm, host, replies[0])
    if isinstance(record, NotApplicable):
        return record
    return Security(
        subject=str(record["VMId"]),
        name=str(record["VMName"]),
        host=host,
        tpm=flag(record, "TpmEnabled"),
        shielded=bool(record.get("Shielded")),
    )


def _certificates(host: str, replies: Sequence[Reply]) -> Certificates | Unknown:
    if lacks_command(replies[0]):
        return Unknown(reason=f"{host} has no module HyperVRemediation that lists them")
    held = {
        str(each["Thumbprint"]).upper(): (flag(each, "HasPrivateKey"), flag(each, "Exportable")) for each in many(replies[0])
    }
    return Certificates(
        subject=host,
        thumbprints=frozenset(name for name, (key, _) in held.items() if key),
        exportable=frozenset(name for name, (key, leaves) in held.items() if key and leaves),
        keyless=frozenset(name for name, (key, _) in held.items() if not key),
    )


def _protector(vm: str, host: str, replies: Sequence[Reply]) -> Protector | NotApplicable | Unknown:
    reply = replies[0]
    if lacks_command(reply):
        return Unknown(reason=f"{host} has no module HyperVRemediation that reads it")
    if is_absent(reply) or (reply.ok and not reply.objects):
        return NotApplicable(reason=f"{host} has no virtual machine {vm} with a key protector")
    record = one(reply)
    return Protector(subject=vm, owner=frozenset(str(record[name]).upper() for name in ("Signing", "Encryption")))
