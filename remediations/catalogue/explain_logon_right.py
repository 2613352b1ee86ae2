r"""Say that virtual machines may not log on as a service at the destination, and which group policy object took the right.

Each virtual machine runs under an account of its own, a member of NT VIRTUAL MACHINE\Virtual Machines (S-1-5-83-0), which
needs "Log on as a service" (0x80070569, KB 2779204). A group policy object that lists this right replaces the host's own list;
`gpupdate /force` only helps until the policy is applied again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Repair
from remediations.facts.policy import VIRTUAL_MACHINES, LogonAsService, logon_as_service
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

_GROUP = f"NT VIRTUAL MACHINE\\Virtual Machines ({VIRTUAL_MACHINES})"
_RIGHT = "Computer Configuration, Windows Settings, Security Settings, Local Policies, User Rights Assignment"


class ExplainLogonRight(Repair):
    """Whether virtual machines may log on as a service at a host, and who says so."""

    id: ClassVar[str] = "explain-logon-right"
    title: ClassVar[str] = "Virtual machines may not log on as a service"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.USER_RIGHTS_LOGON_AS_SERVICE,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    host: HostName = Field(description="The Hyper-V host that virtual machines should run on")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The destination, where the virtual machine would have been started."""
        del site
        return [cls(host=incident.destination)] if incident.destination else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Whom policy gives the right."""
        pointed = evidence.points_to(Cause.USER_RIGHTS_LOGON_AS_SERVICE)
        return Reads({"pointed": pointed}, right=logon_as_service(site.host(self.host).name))

    def plan(self, *, pointed: bool, right: LogonAsService) -> Iterator[Item]:
        """One item."""
        host = right.subject
        if right.has_machines:
            yield Satisfied(why=f"policy lets {_GROUP} log on as a service on {host}")
        elif not pointed:
            yield Satisfied(why=f"nothing says that virtual machines may not log on as a service on {host}")
        elif right.decided:
            objects, accounts = ", ".join(sorted(right.objects)), ", ".join(sorted(right.accounts)) or "nobody"
            yield Manual(
                why=f"{_GROUP} may not log on as a service on {host}: group policy {objects} gives that to {accounts} only",
                instructions=(
                    f"Whoever owns the object {objects} (Get-GPO -Guid …) edits it on a Hyper-V host, where the name is known: "
                    f"{_RIGHT}, Log on as a service: add {_GROUP}; or keeps it from the Hyper-V hosts",
                    f"Then on {host}, as administrator: gpupdate /target:computer /force",
                    "gpupdate alone does not help: the right is gone again when the policy is next applied",
                ),
            )
        else:
            yield Manual(
                why=f"{_GROUP} may not log on as a service on {host}, and no group policy object says so: its own list does",
                instructions=(
                    f"On {host}: secpol.msc, Local Policies, User Rights Assignment, Log on as a service: add {_GROUP}",
                    "See also that Deny log on as a service does not name it; gpresult /h report.html shows where either comes "
                    "from",
                ),
            )
