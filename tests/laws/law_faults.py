"""Which faults of the lab are mended, and which are a person's: those for which the catalogue only has guidance."""

from __future__ import annotations

from remediations.catalogue import repairs_for
from remediations.lab.world.faults import FAULTS
from remediations.model.causes import Cause
from remediations.model.tier import Tier

GUIDED = tuple(cause for cause in FAULTS if all(each.tier is Tier.PERSON for each in repairs_for(Cause(cause))))
MENDED = tuple(cause for cause in FAULTS if cause not in GUIDED)
