"""What Kerberos takes for granted of a host: its clock, and its machine account's password."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import partial
from typing import ClassVar

from pydantic import AwareDatetime

from remediations.facts.query import Query, asked_often
from remediations.facts.read import aware, one
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.reply import Reply


class HostClock(Fact):
    """A host's clock when it was asked; `subject` is the host. Hosts of one sweep are asked within seconds of each other."""

    volatile: ClassVar[frozenset[str]] = frozenset({"now"})

    now: AwareDatetime
    """Whole seconds, UTC."""


class SecureChannel(Fact):
    """Whether the domain takes a host's machine password; `subject` is the host."""

    healthy: bool


@asked_often
def host_clock(host: str) -> Query[HostClock]:
    """Reads a host's clock."""
    return Query(host, (command("Get-CimInstance", ClassName="Win32_OperatingSystem"),), partial(_clock, host))


@asked_often
def secure_channel(host: str) -> Query[SecureChannel]:
    """Lets a host test its own secure channel; changes nothing."""
    return Query(host, (command("Test-ComputerSecureChannel"),), partial(_channel, host))


def _clock(host: str, replies: Sequence[Reply]) -> HostClock:
    return HostClock(subject=host, now=aware(one(replies[0])["LocalDateTime"]).astimezone(UTC).replace(microsecond=0))


def _channel(host: str, replies: Sequence[Reply]) -> SecureChannel:
    return SecureChannel.model_validate({"subject": host, "healthy": one(replies[0])}, strict=True)
