"""Which faults of the lab are mended, which take two approvers for it, and which are a person's, having only guidance."""

from __future__ import annotations

from remediations.catalogue import repairs_for
from remediations.lab.world.faults import FAULTS
from remediations.model.causes import Cause
from remediations.model.tier import Tier

GUIDED = tuple(cause for cause in FAULTS if all(each.tier is Tier.PERSON for each in repairs_for(Cause(cause))))
IRREVERSIBLE = tuple(
    cause
    for cause in FAULTS
    if cause not in GUIDED and any(each.tier is Tier.IRREVERSIBLE for each in repairs_for(Cause(cause)))
)
"""Mended by what cannot be undone, which takes two approvers and is never done by one."""
MENDED = tuple(cause for cause in FAULTS if cause not in (*GUIDED, *IRREVERSIBLE))
