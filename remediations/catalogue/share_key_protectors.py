"""Say which certificates the destination lacks to open a virtual machine's virtual TPM, and how a person brings them there.

The key protector of a local virtual TPM is sealed to the certificates of the host where it was made: a signing and an
encryption certificate, both with their private keys. They are in the computer's store Shielded VM Local Certificates, not in
the user's that certmgr.msc opens. Private keys are not carried by this program: whoever holds them can open every virtual
machine that is sealed to them, so a person does it, or a Host Guardian Service makes it needless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.places import homes, ways
from remediations.catalogue.remediation import Reads, Repair, Seen
from remediations.facts.shielding import Certificates, Security, certificates, security
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident
from remediations.model.names import HostName, VmName, same_host
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ShareKeyProtectors(Repair):
    """Whether the destination can open a virtual TPM. Carries no key."""

    id: ClassVar[str] = "share-key-protectors"
    title: ClassVar[str] = "Certificates of a virtual TPM"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.VTPM_KEY_PROTECTOR,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    vm: VmName = Field(description="The virtual machine")
    source: HostName = Field(description="The Hyper-V host that it is on")
    destination: HostName = Field(description="The Hyper-V host that it is to move to")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The incident's ways."""
        return [cls(vm=vm, source=here, destination=there) for vm, here, there in ways(incident, site)]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Whether it has a virtual TPM, and the certificates of both hosts."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        return Reads(
            {"suspected": evidence.points_to(Cause.VTPM_KEY_PROTECTOR)},
            protected={host: security(self.vm, host) for host in homes(source, site)},
            held={host: certificates(host) for host in (source, destination)},
        )

    def plan(self, *, suspected: bool, protected: Security, held: Mapping[str, Seen]) -> Iterator[Item]:
        """One item."""
        if not protected.tpm:
            yield Satisfied(why=f"{self.vm} has no virtual TPM")
            return
        here, there = (
            next(seen for host, seen in held.items() if same_host(host, end)) for end in (self.source, self.destination)
        )
        if not suspected:
            yield Satisfied(why=f"{self.vm} has a virtual TPM, and nothing points to it")
            return
        if isinstance(here, Certificates) and isinstance(there, Certificates):
            missing = sorted(here.thumbprints - there.thumbprints)
            told = f"{self.destination} lacks {', '.join(missing)}" if missing else f"it has all that {self.source} has"
        else:
            told = "which certificates the hosts have could not be read without the module"
        yield Manual(
            why=f"{self.destination} cannot open the virtual TPM of {self.vm}; {told}",
            instructions=(
                f"Find the owner: the host where the virtual TPM was made, {self.source} or one before it. In certlm.msc there "
                "(the computer's store), open Shielded VM Local Certificates",
                "Export both certificates of its UntrustedGuardian, signing and encryption, with private key, each to a PFX "
                "file with a long password: Export-PfxCertificate with -Password",
                f"On {self.destination}, as administrator: Import-PfxCertificate -FilePath 'THE FILE' "
                "-CertStoreLocation 'Cert:/LocalMachine/Shielded VM Local Certificates' -Password (Read-Host "
                "-AsSecureString); -Exportable only if they are to go on from there",
                "Delete the PFX files, and note who has the keys. To take it back, remove these two from the store again",
                "Never make a new key protector for it (Set-VMKeyProtector -NewLocalKeyProtector): the TPM's contents are lost",
                "For more than a few hosts: a Host Guardian Service, or the domain's own guardian on every host",
            ),
        )
