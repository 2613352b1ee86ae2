"""How a host proves to its peer who asked for a move, and what keeps it from doing so."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from remediations.facts.query import Query, asked_often
from remediations.facts.read import one
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.plan import Target
from remediations.model.reply import Reply

_CREDENTIAL_GUARD = 1
"""Win32_DeviceGuard.SecurityServicesRunning: Credential Guard."""

_NO_CLASS = ("hresult 0x8004100e", "hresult 0x80041010")
"""Get-CimInstance's error ids for a namespace and a class that a host does not have, lower case."""


class HostAuthentication(Fact):
    """A host's authentication type for live migration; `subject` is the host."""

    kind: Literal["CredSSP", "Kerberos"]

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.subject, id=self.subject.casefold())


class CredentialGuard(Fact):
    """Whether Credential Guard runs on a host (`subject`): by default from Windows Server 2025, where the hardware allows it.

    It keeps CredSSP from passing credentials on, so a move with CredSSP fails however it is started.
    """

    running: bool


@asked_often
def host_authentication(host: str) -> Query[HostAuthentication]:
    """Reads a host's authentication type."""
    return Query(host, (command("Get-VMHost"),), partial(_authentication, host))


@asked_often
def credential_guard(host: str) -> Query[CredentialGuard]:
    """Reads whether Credential Guard runs; `NotApplicable` on a host that does not know it."""
    read = command("Get-CimInstance", Namespace="root/Microsoft/Windows/DeviceGuard", ClassName="Win32_DeviceGuard")
    return Query(host, (read,), partial(_guard, host))


def _authentication(host: str, replies: Sequence[Reply]) -> HostAuthentication:
    kind = str(one(replies[0])["VirtualMachineMigrationAuthenticationType"])
    return HostAuthentication.model_validate({"subject": host, "kind": kind})


def _guard(host: str, replies: Sequence[Reply]) -> CredentialGuard | NotApplicable:
    if any(error.error_id.casefold().startswith(_NO_CLASS) for error in replies[0].errors):
        return NotApplicable(reason=f"{host} does not know Credential Guard")
    running = one(replies[0]).get("SecurityServicesRunning") or ()
    return CredentialGuard(subject=host, running=_CREDENTIAL_GUARD in [int(each) for each in running])
