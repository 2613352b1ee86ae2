"""Bring the certificates that open a virtual machine's virtual TPM to the host that lacks them, with their private keys.

The key protector of a local virtual TPM is sealed to the certificates of the host where it was made: a signing and an
encryption certificate, both with their private keys. They are in the computer's store Shielded VM Local Certificates, not in
the user's that certmgr.msc opens. Whoever holds them can open every virtual machine that is sealed to them, so only the two
that own this protector travel, in the sessions' own encryption and in memory, and cannot leave the destination again. A Host
Guardian Service makes all of it needless. What a host does with an imported key was never seen on a real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads, Seen
from remediations.catalogue.subjects import OfWay
from remediations.facts.module import Module, lacking, module
from remediations.facts.shielding import Certificates, Protector, Security, certificates, protector, security
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.contract import Secret
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.names import same_host
from remediations.model.plan import Blocked, Carried, Item, Manual, Obstacle, Satisfied, Step, Target
from remediations.model.site import CARRIES_KEYS, Site
from remediations.model.tier import Proof, Reversal, Tier


class ShareKeyProtectors(OfWay):
    """The owner's certificates of one virtual TPM, from the host that has them to the one that lacks them. Never a file."""

    id: ClassVar[str] = "share-key-protectors"
    title: ClassVar[str] = "Certificates of a virtual TPM"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.VTPM_KEY_PROTECTOR,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.IRREVERSIBLE
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset(
        f"{verb}-RemediationShieldedCertificate" for verb in ("Export", "Import", "Remove")
    )

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Whether it has a virtual TPM, who owns that, and the certificates of both hosts."""
        ends = [site.host(each) for each in (self.source, self.destination)]
        return Reads(
            {
                "suspected": evidence.points_to(Cause.VTPM_KEY_PROTECTOR),
                "exposed": [host.name for host in ends if not host.endpoint.carries_keys],
            },
            protected={host: security(self.vm, host) for host in homes(self.source, site)},
            owner={host: protector(self.vm, host) for host in homes(self.source, site)},
            held={host.name: certificates(host.name) for host in ends},
            modules={host.name: module(host.name) for host in ends},
        )

    def plan(
        self,
        *,
        suspected: bool,
        exposed: list[str],
        protected: Security,
        owner: Protector | Unknown | NotApplicable,
        held: Mapping[str, Seen],
        modules: Mapping[str, Module | Unknown | NotApplicable],
    ) -> Iterator[Item]:
        """A step for each certificate that is missing; or why a person has to bring it."""
        here, there = (
            next(seen for host, seen in held.items() if same_host(host, end)) for end in (self.source, self.destination)
        )
        if not protected.tpm:
            yield Satisfied(why=f"{self.vm} has no virtual TPM")
        elif not suspected:
            yield Satisfied(why=f"{self.vm} has a virtual TPM, and nothing points to it")
        elif not (isinstance(here, Certificates) and isinstance(there, Certificates)):
            yield self._by_hand("which certificates the hosts have could not be read without the module")
        elif not isinstance(owner, Protector):
            yield self._by_hand(f"who owns it could not be read ({owner.reason})")
        elif not (missing := sorted(owner.owner - there.thumbprints)):
            yield Satisfied(why=f"{self.destination} has both certificates that own the virtual TPM of {self.vm}, with keys")
        elif absent := sorted(set(missing) - here.thumbprints):
            yield self._by_hand(f"it lacks {', '.join(missing)}, and {self.source} has no key of {', '.join(absent)}")
        elif stays := sorted(set(missing) - here.exportable):
            yield self._by_hand(f"it lacks {', '.join(missing)}; on {self.source}, keys of {', '.join(stays)} may not leave")
        elif half := sorted(there.keyless & set(missing)):
            yield self._by_hand(f"it has {', '.join(half)} without the private key, which is not overwritten")
        elif exposed:
            yield Blocked(
                obstacle=Obstacle.ENDPOINT_LACKS,
                why=f"private keys travel only by endpoints with {CARRIES_KEYS} (site.yaml): not so for {', '.join(exposed)}",
            )
        elif blocks := [block for host, seen in modules.items() if (block := lacking(host, seen, "bringing a certificate"))]:
            yield from blocks
        else:
            for thumbprint in missing:
                yield self._step(thumbprint, there, here.subject, protected)
                there = _with(there, thumbprint)

    def _step(self, thumbprint: str, there: Certificates, source: str, protected: Security) -> Step:
        secret = f"pfx-{thumbprint}"
        return Step(
            target=Target(kind="host", name=there.subject, id=there.subject),
            host=there.subject,
            command=command("Import-RemediationShieldedCertificate", Thumbprint=thumbprint, Pfx=Secret(secret=secret)),
            carries=(
                Carried(
                    secret=secret,
                    host=source,
                    command=command("Export-RemediationShieldedCertificate", Thumbprint=thumbprint),
                ),
            ),
            why=f"{self.vm} is sealed to this certificate, whose private key {source} has and {there.subject} lacks. Whoever "
            f"holds it can open every virtual machine that is sealed to it",
            changes=changes(there, _with(there, thumbprint)),
            undo=command("Remove-RemediationShieldedCertificate", Thumbprint=thumbprint),
            # Above all of its undo.
            guards=(guard(protected, "host", Test.NOT, there.subject, f"{self.vm} would not start there without it"),),
        )

    def _by_hand(self, told: str) -> Manual:
        return Manual(
            why=f"{self.destination} cannot open the virtual TPM of {self.vm}; {told}",
            instructions=(
                f"Find the owner: the host where the virtual TPM was made, {self.source} or one before it. In certlm.msc there "
                "(the computer's store), open Shielded VM Local Certificates",
                "Export both certificates of its UntrustedGuardian, signing and encryption, with private key, each to a PFX "
                "file with a long password: Export-PfxCertificate with -Password",
                f"On {self.destination}, as administrator: Import-PfxCertificate -FilePath 'THE FILE' "
                "-CertStoreLocation 'Cert:\\LocalMachine\\Shielded VM Local Certificates' -Password (Read-Host "
                "-AsSecureString); -Exportable only if they are to go on from there",
                "Delete the PFX files, and note who has the keys. To take it back, remove these two from the store again",
                "Never make a new key protector for it (Set-VMKeyProtector -NewLocalKeyProtector): the TPM's contents are lost",
                "For more than a few hosts: a Host Guardian Service, or the domain's own guardian on every host",
            ),
        )


def _with(held: Certificates, thumbprint: str) -> Certificates:
    return held.model_copy(update={"thumbprints": held.thumbprints | {thumbprint}})
