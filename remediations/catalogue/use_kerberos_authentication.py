"""Let both hosts of a migration prove with Kerberos who asked for it, where CredSSP cannot.

CredSSP, Windows' default, only works for a move that is started on the source host itself (0x8009030E from anywhere else),
and not at all where Credential Guard runs, which Windows Server 2025 turns on by default. Credential Guard stays on. Kerberos
needs constrained delegation first, or every move fails meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Self

from remediations.catalogue.places import same_cluster
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfHosts, two_ends
from remediations.facts.authentication import CredentialGuard, HostAuthentication, credential_guard, host_authentication
from remediations.facts.delegation import delegation_services
from remediations.facts.directory import ComputerAccount, computer_account
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown, changes
from remediations.model.incident import Incident
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step
from remediations.model.site import Expectation, Site
from remediations.model.tier import Proof, Reversal, Tier


class UseKerberosAuthentication(OfHosts):
    """Set the authentication type of two hosts to Kerberos, once each may delegate to the other."""

    id: ClassVar[str] = "use-kerberos-authentication"
    title: ClassVar[str] = "Use Kerberos to authenticate migrations"
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause.CREDSSP_NO_CREDENTIALS,
        Cause.CREDENTIAL_GUARD_BLOCKS_CREDSSP,
        Cause.CREDSSP_PROTOCOL_MISMATCH,
    )
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-VMHost"})

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The incident's two hosts, unless they are nodes of one cluster, which acts for itself."""
        ends = two_ends(incident)
        return [cls(source=ends[0], destination=ends[1])] if ends and not same_cluster(*ends, site) else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Both hosts' types, Credential Guard at the source, and whether each account may delegate to the other's services."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        ends = ((source, destination), (destination, source))
        return Reads(
            {
                "cluster": same_cluster(source, destination, site),
                "pointed": any(evidence.points_to(cause) for cause in self.causes),
                "disagreed": evidence.points_to(Cause.CREDSSP_PROTOCOL_MISMATCH),
                "expect": {host: site.expect(host) for host, _ in ends},
                "services": {host: delegation_services(peer, site) for host, peer in ends},
            },
            guarding=credential_guard(source),
            hosts={host: host_authentication(host) for host, _ in ends},
            accounts={host: computer_account(host, site) for host, _ in ends},
        )

    def plan(
        self,
        *,
        cluster: str,
        pointed: bool,
        disagreed: bool,
        expect: Mapping[str, Expectation],
        services: Mapping[str, tuple[str, ...]],
        guarding: CredentialGuard | Unknown | NotApplicable,
        hosts: Mapping[str, Seen],
        accounts: Mapping[str, Seen],
    ) -> Iterator[Item]:
        """A change for each host that uses CredSSP and should not; a person's word where nobody says what is right."""
        kinds = {host: seen for host, seen in hosts.items() if isinstance(seen, HostAuthentication)}
        if len(kinds) < len(hosts):
            yield from (unread(f"authentication type of {host}", seen) for host, seen in hosts.items() if host not in kinds)
            return
        if cluster:
            yield Satisfied(why=f"nodes of {cluster} act for themselves: the authentication type does not matter within it")
            return
        reason = self._reason(guarding, disagreed=disagreed)
        away = [host for host, seen in kinds.items() if seen.kind == "CredSSP"]
        yield from (Satisfied(why=f"{host} uses Kerberos") for host in kinds if host not in away)
        to_change = [host for host in away if expect[host].authentication == "Kerberos"]
        for host in away:
            if host not in to_change:
                yield self._undecided(
                    host,
                    expect[host],
                    reason,
                    helped=not self._guarded(guarding),
                    disagreed=disagreed,
                    pointed=pointed,
                    differ=len(away) == 1,
                )
        if not to_change:
            return
        obstacles = list(self._not_yet(services, accounts))
        if obstacles:
            yield from obstacles
            return
        for host in to_change:
            yield _switch(kinds[host], reason)

    @staticmethod
    def _guarded(guarding: CredentialGuard | Unknown | NotApplicable) -> bool:
        return isinstance(guarding, CredentialGuard) and guarding.running

    def _reason(self, guarding: CredentialGuard | Unknown | NotApplicable, *, disagreed: bool) -> str:
        if self._guarded(guarding):
            return f"Credential Guard runs on {self.source} and keeps CredSSP from passing credentials on; it stays on"
        if disagreed:
            return "the two do not agree on a version of CredSSP or of TLS, which Kerberos does not need"
        return f"CredSSP only works for a move that is started on {self.source} itself"

    def _undecided(
        self, host: str, expect: Expectation, reason: str, *, helped: bool, disagreed: bool, pointed: bool, differ: bool
    ) -> Item:
        """What to say of a host with CredSSP where site.yaml does not ask for Kerberos."""
        if not (pointed or (differ and expect.authentication is None)):
            return Satisfied(why=f"{host} uses CredSSP, and nothing points to it")
        say = (
            f"Say which is right in site.yaml, expect.authentication of {self.source} and {self.destination}: Kerberos is then "
        )
        other = f"Or sign in to {self.source} itself (console or remote desktop, no remote PowerShell) and start the move there"
        if disagreed:
            other = (
                "Or bring both hosts to the same updates (CVE-2018-0886 and newer; Get-HotFix), with one policy for Encryption "
                "Oracle Remediation and at least one version of TLS in common"
            )
        why = f"{host} uses CredSSP"
        if expect.authentication == "CredSSP":
            why += ", as site.yaml expects"
        elif differ:
            why += " and the other host Kerberos: two hosts differ"
        instructions = (f"{say}set, after constrained delegation", *((other,) if helped else ()))
        return Manual(why=f"{why}; {reason}", instructions=instructions)

    def _not_yet(self, services: Mapping[str, tuple[str, ...]], accounts: Mapping[str, Seen]) -> Iterator[Blocked]:
        """Why Kerberos would not work yet, of each host."""
        for host, account in accounts.items():
            if not isinstance(account, ComputerAccount):
                yield unread(f"computer account of {host}", account)
            elif any(isinstance(peer, ComputerAccount) and peer.lets(account) for peer in accounts.values()):
                continue
            elif account.undelegated(services[host]) or not account.any_protocol:
                why = f"{host} may not delegate to its peer yet, and without that every move with Kerberos fails"
                yield Blocked(obstacle=Obstacle.PRECONDITION, why=f"{why}: configure-delegation comes first")


def _switch(host: HostAuthentication, reason: str) -> Step:
    return Step(
        target=host.target,
        host=host.subject,
        command=command("Set-VMHost", VirtualMachineMigrationAuthenticationType="Kerberos"),
        why=f"{host.subject} uses CredSSP, and site.yaml expects Kerberos: {reason}",
        changes=changes(host, host.model_copy(update={"kind": "Kerberos"})),
        undo=command("Set-VMHost", VirtualMachineMigrationAuthenticationType=host.kind),
    )
