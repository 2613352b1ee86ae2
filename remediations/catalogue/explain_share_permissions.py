"""Say which host's computer account is refused by the file share that a virtual machine lies on.

On a share, virtual machines are opened by the hosts' computer accounts, which need full access both by share permissions and
by file permissions, each node and a cluster's own account. "Access denied" (0x80070005) has other causes that look alike, so
this one is what is left when those are ruled out. The file server is not asked: nothing says that it is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfKnownWay
from remediations.facts.shares import MachineFiles, ShareRefusals, machine_files_on, share_refusals
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainSharePermissions(OfKnownWay):
    """Whether a virtual machine lies on a share that refuses the destination's computer account."""

    id: ClassVar[str] = "explain-share-permissions"
    title: ClassVar[str] = "Share that refuses a host"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.SMB_PERMISSIONS,)
    proof: ClassVar[Proof] = Proof.EXCLUSION
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Where the virtual machine lies, and what the destination's SMB client was refused."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        return Reads(
            {"pointed": evidence.points_to(Cause.SMB_PERMISSIONS), "domain": site.domain},
            files=machine_files_on(self.vm, (source, destination)),
            refusals=share_refusals(destination),
        )

    def plan(self, *, pointed: bool, domain: str, files: MachineFiles, refusals: ShareRefusals) -> Iterator[Item]:
        """One item."""
        share, host = files.share, refusals.subject
        told = refusals.of(files.path)
        if not share:
            yield Satisfied(why=f"{self.vm} lies on no share ({files.path})")
        elif not pointed:
            yield Satisfied(why=f"nothing says that {share} refuses {host}")
        else:
            server, name = share.strip("\\").split("\\")
            account = f"{domain.partition('.')[0].upper()}\\{host}$"
            seen = f"{host} was told: {told}" if told else f"{host} keeps no event of it (Microsoft-Windows-SmbClient/Security)"
            yield Manual(
                why=f"{self.vm} lies on {share}, which seems to refuse {host}'s computer account; {seen}",
                instructions=(
                    f"On {server}, to see who has access: Get-SmbShareAccess -Name {quoted(name)}, and icacls on the "
                    f"share's folder",
                    f"Give {account} full access, to both; and every other host and cluster account that is to run it: "
                    f"Grant-SmbShareAccess -Name {quoted(name)} -AccountName {quoted(account)} -AccessRight Full -Force, then "
                    f"Set-SmbPathAcl -ShareName {quoted(name)} (makes the file permissions follow)",
                    f"Check that the domain's short name is right in {account}, and that no deny entry is left",
                    f"On {host}, for the new rights to count at once: klist -li 0x3e7 purge",
                ),
            )
