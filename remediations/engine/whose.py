"""Whose event it is: Windows' texts name what they are about, and one machine's name may stand in another one's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from remediations.facts.events import Event
from remediations.facts.host import Guests
from remediations.model.incident import Incident, What
from remediations.model.names import ids_in

_NO_CONNECTION = 20406


class Neighbours:
    """The virtual machines in whose names an incident's stands, on its hosts, as far as these could be asked."""

    def __init__(self, seen: Iterable[Guests] = ()) -> None:
        self._ids: dict[str, str] = {}
        self._names: set[str] = set()
        for each in seen:
            self._ids |= {its.casefold(): name for its, name in each.ids.items()}
            self._names.update(each.names)

    def told_by_id(self, text: str, vm: str) -> bool | None:
        """Whether the ids in a text are this machine's; None if no id in it is any machine's that is known."""
        names = {self._ids[its] for its in ids_in(text) if its in self._ids}
        return any(name.casefold() == vm.casefold() for name in names) if names else None

    def without_longer(self, text: str, vm: str) -> str:
        """A text without the names of others that this machine's stands in, as "Web" does in "Web 2"."""
        longer = [name for name in self._names if vm.casefold() in name.casefold() and len(name) > len(vm)]
        for name in sorted(longer, key=len, reverse=True):
            text = _named(name, of_host=False).sub(" ", text)
        return text


def concerns(event: Event, incident: Incident, known: Neighbours) -> bool:
    """Whether an event speaks of this virtual machine, or of the node that was drained; or of the connection between its hosts.

    Why a connection was not made says 20406, which names the other host and no virtual machine. An id tells more than a name,
    in every language; without one a longer name of another machine is not taken for this one's.
    """
    subject, text = incident.vm if incident.what is What.MIGRATION else incident.source, event.message
    if event.id == _NO_CONNECTION and incident.what is What.MIGRATION:
        subject = incident.destination
    if not subject:
        return False
    if subject == incident.vm:
        if (mine := known.told_by_id(text, subject)) is not None:
            return mine
        text = known.without_longer(text, subject)
    return bool(_named(subject, of_host=subject != incident.vm).search(text))


@lru_cache(maxsize=256)
def _named(subject: str, *, of_host: bool) -> re.Pattern[str]:
    """Finds a name as a whole: VM4 is not meant where VM42, VM4-old, VM4.old or OLD.VM4 is; a host is by its full name, too.

    Letters of other scripts may stand right beside it: a text in Japanese has no spaces.
    """
    longer = r"[A-Z0-9_-]" if of_host else r"[A-Z0-9_-]|\.[A-Z0-9]"
    return re.compile(rf"(?<![A-Z0-9_.-]){re.escape(subject)}(?!{longer})", re.IGNORECASE)
