"""Enable live migration on a host where it is off.

A destination that has it off listens on no port, so the source is refused (0x8007274D), as by a firewall that rejects or a
service that is down; a source that has it off says so itself. Whether it is on, the host knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Repair
from remediations.facts.network import MigrationSettings, migration_settings
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import changes
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Item, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class EnableLiveMigration(Repair):
    """Let a host take part in live migrations, on the networks and with the authentication that it is set to."""

    id: ClassVar[str] = "enable-live-migration"
    title: ClassVar[str] = "Enable live migration"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.MIGRATION_NOT_ENABLED,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Disable-VMMigration", "Enable-VMMigration"})

    host: HostName = Field(description="The Hyper-V host")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """Both ends: it has to be on at each."""
        del site
        return [cls(host=host) for host in (incident.destination, incident.source) if host]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The host's own settings."""
        del evidence
        return Reads({}, settings=migration_settings(site.host(self.host).name))

    def plan(self, *, settings: MigrationSettings) -> Iterator[Item]:
        """One item: it is on, or the step that turns it on."""
        if settings.enabled:
            yield Satisfied(why=f"live migration is enabled on {settings.subject}")
            return
        where = "on any of its networks" if settings.any_network else "on its migration networks"
        yield Step(
            target=settings.target,
            host=settings.subject,
            command=command("Enable-VMMigration"),
            why=f"live migration is off on {settings.subject}; turned on, it listens on TCP 6600 {where}",
            changes=changes(settings, settings.model_copy(update={"enabled": True})),
            undo=command("Disable-VMMigration"),
        )
