"""What group policy does to a host: who gets a right by it, and whether the host can read it at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from functools import partial

from pydantic import AwareDatetime

from remediations.facts.query import Query, asked_often
from remediations.facts.read import aware, many, texts
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.reply import Reply

VIRTUAL_MACHINES = "S-1-5-83-0"
"""NT VIRTUAL MACHINE\\Virtual Machines, the group of all virtual machines' own accounts."""

_AUTHORITY = "nt virtual machine\\"
_REGISTRY_FAILED = 1096
_PROCESSED = frozenset({1500, 1502})
"""Microsoft-Windows-GroupPolicy: computer policy was processed, without and with new settings."""


class LogonAsService(Fact):
    """Whom group policy gives the right to log on as a service; `subject` is the host.

    From the resultant set of policy (RSOP). Without any object that says, the host's own list holds, to which Hyper-V adds
    virtual machines when it is installed; an object's list replaces that.
    """

    objects: frozenset[str]
    """GUIDs of the group policy objects whose list holds."""
    accounts: frozenset[str]

    @property
    def decided(self) -> bool:
        """Whether any object says."""
        return bool(self.objects)

    @property
    def has_machines(self) -> bool:
        """Whether virtual machines have the right by policy."""
        folded = [each.casefold().lstrip("*") for each in self.accounts]
        return any(each == VIRTUAL_MACHINES.casefold() or each.startswith(_AUTHORITY) for each in folded)


class PolicyProcessing(Fact):
    """When a host last failed to apply registry policy, and when it last processed its policy; `subject` is the host."""

    failed: AwareDatetime | None
    """Event 1096: Registry.pol of some group policy object cannot be read."""
    processed: AwareDatetime | None
    """Events 1500, 1502."""
    told: str = ""
    """The failure in the host's own words."""

    @property
    def broken(self) -> bool:
        """Whether nothing was processed since it failed."""
        return self.failed is not None and (self.processed is None or self.processed < self.failed)


@asked_often
def logon_as_service(host: str) -> Query[LogonAsService]:
    """Reads who may log on as a service by policy."""
    read = command(
        "Get-CimInstance",
        Namespace="root/rsop/computer",
        ClassName="RSOP_UserPrivilegeRight",
        Filter="UserRight='SeServiceLogonRight' AND precedence=1",
    )
    return Query(host, (read,), partial(_logon, host))


@asked_often
def policy_processing(host: str) -> Query[PolicyProcessing]:
    """Reads how policy processing went of late."""
    wanted = [_REGISTRY_FAILED, *sorted(_PROCESSED)]
    log = {"LogName": "System", "ProviderName": "Microsoft-Windows-GroupPolicy"}
    read = command("Get-WinEvent", FilterHashtable=tuple({**log, "Id": each} for each in wanted), MaxEvents=20)
    return Query(host, (read,), partial(_processing, host))


def _logon(host: str, replies: Sequence[Reply]) -> LogonAsService:
    records = many(replies[0])
    guids = (re.search(r"\{[0-9A-Fa-f-]{36}\}", str(record.get("GPOID") or "")) for record in records)
    return LogonAsService(
        subject=host,
        objects=frozenset(found[0] if found else "an object without id" for found in guids),
        accounts=frozenset(each for record in records for each in texts(record.get("AccountList"))),
    )


def _processing(host: str, replies: Sequence[Reply]) -> PolicyProcessing:
    reply = replies[0]
    if reply.errors and all(error.error_id.startswith("NoMatchingEventsFound") for error in reply.errors):
        return PolicyProcessing(subject=host, failed=None, processed=None)
    dated = [(aware(each["TimeCreated"]).astimezone(UTC), int(each["Id"]), each) for each in many(reply)]
    events = sorted(dated, key=lambda each: each[0])
    failures = [(time, each) for time, number, each in events if number == _REGISTRY_FAILED]
    processed = [time for time, number, _ in events if number in _PROCESSED]
    return PolicyProcessing(
        subject=host,
        failed=failures[-1][0] if failures else None,
        processed=processed[-1] if processed else None,
        told=" ".join(str(failures[-1][1].get("Message") or "").split()) if failures else "",
    )
