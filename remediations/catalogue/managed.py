"""What another system keeps as it is, is not changed here: it would be set back, and the mend would look like none."""

from __future__ import annotations

from remediations.catalogue.remediation import Seen, unread
from remediations.facts.managers import Managers
from remediations.model.plan import Blocked, Item, Obstacle, Step


def left_to_others(item: Item, managed: Seen, what: str) -> Item:
    """The item itself, or what stands against a step because somebody else manages `what` of its host, or may do so."""
    if not isinstance(item, Step):
        return item
    if not isinstance(managed, Managers):
        return unread(f"who else manages {item.host}", managed)
    if owner := managed.owner:
        why = f"{item.why}. {owner} manages {what} of {item.host} and would set them again: change it there"
        return Blocked(obstacle=Obstacle.MANAGED_ELSEWHERE, why=why)
    return item
