"""Watching the hosts' own event logs: what failed since they were read last, and what has succeeded since.

Alerting for those who have none, and the net under the webhooks. What was read is kept with what was found, so nothing is
missed after an outage and nothing is reported twice. A log that lost records in between is said to have: what failed then
is not known to us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from remediations.diagnosis import ReportedEvent, diagnose
from remediations.diagnosis.names import incident_of
from remediations.engine.gather import gather
from remediations.engine.ports import Hosts
from remediations.facts.event_log import PAGE, WATCHED, Record, Records, newest_records
from remediations.facts.events import FAILED, SUCCEEDED
from remediations.ledger import Bookmark, Ledger
from remediations.model.base import Frozen
from remediations.model.diagnosis import TextVerdict
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.incident import Incident, What
from remediations.model.names import same_name, short_name
from remediations.model.site import Site

FIRST_LOOK = timedelta(hours=1)
"""How far back a log counts that is read for the first time: what failed before, people know."""

PAGES = 50
"""Pages of a channel that are read at one look; what is older then is said to be lost, and a person looks."""

STARTED = 20413
"""The event that says where a machine is about to move."""

DRAIN_FAILED = 1677
"""The event that says that the drain of a node failed."""

BESIDE = timedelta(seconds=5)
"""A reason that names no machine (20406 does not) belongs to a failure that its host wrote down within so long."""

TELLING = frozenset({21024, 21111, 1137, 1155, 1677})
"""Events that say that a migration (or a drain) failed, whatever their text is found to mean; of others the text decides."""


class Seen(Frozen):
    """What one look at the hosts' logs found."""

    reported: tuple[str, ...] = ()
    """Incidents that were opened for it."""
    joined: tuple[str, ...] = ()
    """Incidents that were open already."""
    over: tuple[str, ...] = ()
    """Incidents that were closed, because what had failed has succeeded."""
    lost: tuple[str, ...] = ()
    """Where records are missing, in words."""
    unread: tuple[str, ...] = ()
    """Where a log could not be read, in words; it is read from the same place next time."""


class Success(Frozen):
    """A machine that has moved."""

    vm: str
    cluster: str
    """Of the host that says so; empty where it is no node of any."""
    by: str
    """Which event says so."""
    at: AwareDatetime


@dataclass(frozen=True)
class _Failure:
    """What the events of one failure say so far: the host that wrote the one that says most, and how much that is."""

    host: str
    incident: Incident
    score: float


def watch(hosts: Hosts, site: Site, ledger: Ledger, now: Callable[[], datetime]) -> Seen:
    """Look at all hosts once: report what failed since the last look, and end what has succeeded since."""
    before, fresh, lost, unread = ledger.bookmarks(), [], [], []
    marks: list[tuple[Bookmark | None, Bookmark]] = []
    # All hosts at once, in one batch each: what most of them have is nothing new, and one that is down holds up no other.
    newest_of = {(host.name, channel): newest_records(host.name, channel, 1) for host in site.hosts for channel in WATCHED}
    first = gather(hosts, site, newest_of.values())
    for host in site.hosts:
        for channel in WATCHED:
            mark = before.get((host.name, channel))
            found = _since(hosts, site, (host.name, channel), mark, first.of(newest_of[host.name, channel]))
            if isinstance(found, str):
                unread.append(f"{host.name}: {found.splitlines()[0].removeprefix(f'{host.name}: ')}")
                continue
            records, missing = found
            if missing:
                lost.append(f"{host.name}, {channel}: {missing}")
            newest = max(records, key=lambda each: each.number, default=None)
            if newest is not None:
                place = Bookmark(host=host.name, channel=channel, record=newest.number, written_at=newest.event.time)
            elif mark is None or missing:
                place = Bookmark(host=host.name, channel=channel, record=0, written_at=None)
            else:
                continue
            marks.append((mark, place))
            since = now() - FIRST_LOOK if mark is None else None
            fresh += [(host.name, each) for each in records if since is None or each.event.time >= since]
    failures, successes = told(site, fresh)
    taken = ledger.watched([old for old, _ in marks], [new for _, new in marks], failures)
    if taken is None:
        return Seen(unread=tuple(dict.fromkeys(unread)))
    return Seen(
        reported=tuple(each.id for each in taken if not each.joined),
        joined=tuple(each.id for each in taken if each.joined),
        over=_end(ledger, site, successes),
        lost=tuple(lost),
        unread=tuple(dict.fromkeys(unread)),
    )


def told(site: Site, fresh: Sequence[tuple[str, Record]]) -> tuple[list[Incident], list[Success]]:
    """What these records, by the host that wrote them, say: the failures that no success follows, and the successes. Pure."""
    # By cluster, too: a name is one machine's within a cluster only.
    failed: dict[tuple[What, str, str], _Failure] = {}
    won: dict[tuple[str, str], Success] = {}
    nameless: list[tuple[str, ReportedEvent]] = []
    bound: dict[tuple[str, str], str] = {}
    for host, record in sorted(fresh, key=lambda each: each[1].event.time):
        event = record.event
        if event.id not in FAILED | SUCCEEDED | {STARTED}:
            continue
        home = site.cluster_of(host)
        cluster = home.name if home else ""
        said = ReportedEvent(
            text=event.message,
            event_id=event.id,
            channel=event.channel,
            provider=event.provider,
            computer=host,
            time=event.time,
        )
        names = incident_of(said, drained=False)
        if event.id in SUCCEEDED or event.id == STARTED:
            if names is not None and names.vm is not None and event.id == STARTED:
                bound[cluster, names.vm.casefold()] = names.destination or ""
            elif names is not None and names.vm is not None:
                by = f"event {event.id} on {host}"
                won[cluster, names.vm.casefold()] = Success(vm=names.vm, cluster=cluster, by=by, at=event.time)
            continue
        meant = diagnose(said)
        incident = meant.incident
        if incident is not None and incident.what is What.DRAIN and event.id != DRAIN_FAILED:
            incident = names  # one machine of a drain, or of nothing of the kind
        if incident is None:
            nameless += [(host, said)] if meant.verdict is TextVerdict.CAUSES else []
        elif event.id in TELLING or meant.verdict is TextVerdict.CAUSES:
            subject = (incident.source if incident.what is What.DRAIN else incident.vm) or ""
            key = (incident.what, cluster, subject.casefold())
            found = _Failure(host, _of_site(incident, host, site), meant.hypotheses[0].score if meant.hypotheses else 0.0)
            failed[key] = _together(failed.get(key), found, site)
    failures = [_completed(each, nameless, bound, site) for each in failed.values()]
    return [each for each in failures if not _won_since(each, won)], list(won.values())


def _completed(
    failure: _Failure, nameless: Sequence[tuple[str, ReportedEvent]], bound: Mapping[tuple[str, str], str], site: Site
) -> Incident:
    """The failure with the reason that its host wrote beside it without a name, and with where the machine was to go."""
    made = failure.incident
    near = [
        said.text
        for host, said in nameless
        if host == failure.host and made.occurred_at and said.time and abs(said.time - made.occurred_at) <= BESIDE
    ]
    if near and not failure.score:
        made = made.model_copy(update={"message": f"{near[-1]}\n{made.message}"[:20_000], "event_id": None})
        said = diagnose(made).incident
        made = made if said is None or made.destination else made.model_copy(update={"destination": said.destination})
    if made.destination is None and (to := bound.get(_machine(made))):
        made = made.model_copy(update={"destination": to})
    made = made.model_copy(update={"reported_by": f"the event log of {failure.host}"})
    return _of_site(made, failure.host, site)


def _machine(made: Incident) -> tuple[str, str]:
    """Which machine an incident is about: its cluster, and its name without case."""
    return made.cluster or "", (made.vm or "").casefold()


def _won_since(failure: Incident, won: Mapping[tuple[str, str], Success]) -> bool:
    success = won.get(_machine(failure))
    return success is not None and (failure.occurred_at is None or success.at >= failure.occurred_at)


def _since(
    hosts: Hosts, site: Site, where: tuple[str, str], mark: Bookmark | None, first: object
) -> tuple[list[Record], str] | str:
    """The records of a host's channel that came after a bookmark, and what is missing before them; or why it is unread.

    `first` is what was read of its newest record.
    """
    found: dict[int, Record] = {}
    page, most, cleared = first, 1, False
    for _ in range(PAGES):
        if not isinstance(page, Records):
            return page.reason if isinstance(page, (Unknown, NotApplicable)) else "its answer is none"
        before = len(found)
        found.update({each.number: each for each in page.records})
        if mark is not None:
            cleared = cleared or _cleared(found, mark)
            reached = not cleared and bool(found) and min(found) <= mark.record
            if page.whole or reached:
                return _after(found, mark, cleared=cleared)
        elif page.whole or most == PAGE:
            return list(found.values()), ""
        if most == PAGE and len(found) == before:
            break  # so many at one moment that a page cannot tell them apart
        query = newest_records(*where, PAGE, page.records[-1].event.time if most == PAGE else None)
        page, most = gather(hosts, site, [query]).of(query), PAGE
    return list(found.values()), f"more than {len(found)} records came since it was read; the older ones were not looked at"


def _cleared(found: Mapping[int, Record], mark: Bookmark) -> bool:
    """Whether a channel counts its records anew: its newest is older than the bookmark, or that one was written otherwise."""
    there = found.get(mark.record)
    return mark.record > max(found, default=0) or (there is not None and there.event.time != mark.written_at)


def _after(found: Mapping[int, Record], mark: Bookmark, *, cleared: bool) -> tuple[list[Record], str]:
    """What came after a bookmark, of all the records from the newest back to it, or to the log's beginning."""
    if cleared:
        return list(found.values()), f"it was cleared; what had come after record {mark.record} until then is lost"
    new = [each for each in found.values() if each.number > mark.record]
    missing = min((each.number for each in new), default=mark.record + 1) - mark.record - 1
    if mark.record and missing:
        return new, f"{missing} records after {mark.record} are gone: it was full, or cleared, before they were read"
    return new, ""


def _of_site(incident: Incident, host: str, site: Site) -> Incident:
    """The incident with the hosts that the site has, in its spelling; what a text only seems to name is left out.

    `host` wrote it, so its cluster is the incident's.
    """
    named = {name: site.find(given) for name in ("source", "destination") if (given := getattr(incident, name))}
    source, destination = named.get("source"), named.get("destination")
    cluster = site.cluster_of(host)
    update = {
        "source": source.name if source else incident.source if incident.what is What.DRAIN else None,
        "destination": destination.name if destination and destination is not source else None,
        "cluster": cluster.name if cluster else None,
    }
    return incident.model_copy(update=update)


def _together(one: _Failure | None, other: _Failure, site: Site) -> _Failure:
    """Two events of one failure: the text that says most, the hosts that either names, the time of the `other`, later one."""
    if one is None:
        return other
    best, rest = (other, one) if other.score > one.score else (one, other)
    hosts = {name: getattr(best.incident, name) or getattr(rest.incident, name) for name in ("source", "destination")}
    made = best.incident.model_copy(update={**hosts, "occurred_at": other.incident.occurred_at})
    return _Failure(best.host, _of_site(made, best.host, site), best.score)


def _end(ledger: Ledger, site: Site, successes: Sequence[Success]) -> tuple[str, ...]:
    """End what waits for machines that have moved since they were reported."""
    ended = []
    opened = ledger.open_incidents() if successes else []
    for success in successes:
        for each in opened:
            since = each.incident.occurred_at or each.opened_at
            if _is_of(success, each.incident, site) and success.at > since:
                words = f"{success.by} at {success.at:%H:%M:%S %Z} says that it has moved"
                found = ledger.over(each.incident.key, "succeeded", words)
                if found is not None and found.closed_at is not None:
                    ended.append(found.id)
    return tuple(ended)


def _is_of(success: Success, incident: Incident, site: Site) -> bool:
    """Whether it is an incident's machine that has moved, as far as the report says where that is."""
    if incident.vm is None or not same_name(incident.vm, success.vm):
        return False
    ends = [end for end in (incident.source, incident.destination) if end and site.find(end)]
    if not (incident.cluster or ends):
        return True
    home = next((cluster.name for end in ends if (cluster := site.cluster_of(end))), "")
    return same_name(short_name(incident.cluster or home), success.cluster)
