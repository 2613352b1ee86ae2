"""How dangerous a remediation is, how it can be taken back, and how its cause is proven."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Tier(IntEnum):
    """How much harm a remediation could do if it were wrong; policy gates by it."""

    READ = 0  # reads, evidence, readiness
    LOCAL = 1  # reversible, one host: tickets, a host's limit, its authentication type
    DIRECTORY = 2  # directory- or cluster-wide: an SPN, delegation, the cluster's limit
    WORKLOAD = 3  # touches running virtual machines: drain, power off and on, move
    IRREVERSIBLE = 4  # cannot be undone, or moves key material
    PERSON = 5  # only a person may: patches, firmware, shared disks

    def __str__(self) -> str:
        return f"{self.value} ({_TIER_WORDS[self]})"


_TIER_WORDS = {
    Tier.READ: "reads only",
    Tier.LOCAL: "one host, reversible",
    Tier.DIRECTORY: "directory or cluster",
    Tier.WORKLOAD: "running virtual machines",
    Tier.IRREVERSIBLE: "irreversible",
    Tier.PERSON: "only a person",
}


class Reversal(StrEnum):
    """What undo restores."""

    EXACT = "exact"
    EXACT_EXCEPT_PLACEMENT = "exact except placement"
    NOT_NEEDED = "not needed"
    IRREVERSIBLE = "irreversible"


class Proof(StrEnum):
    """How facts show that a cause is real."""

    STATE = "state"  # facts alone show that this move cannot succeed
    EPISODE = "episode"  # the condition ends by itself; the observation is dated
    EXCLUSION = "exclusion"  # sick and healthy look alike; only what is left after the others
