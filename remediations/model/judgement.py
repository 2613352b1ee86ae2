"""What policy says of one plan at one moment: each rule's own word, which of them decides, and why. Pure.

The engine acts by this, and `remediate policy explain` shows it: there is no second place that decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from remediations.model.base import Frozen
from remediations.model.causes import Cause
from remediations.model.names import same_host, same_name, short_name
from remediations.model.outcome import Reason, Refused
from remediations.model.policy import Gate, Policy, loosest, usual, why_not_looser
from remediations.model.situation import Changed, Mend, Situation, Subject
from remediations.model.tier import Tier
from remediations.model.trust import Record

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Ruling(Frozen):
    """One rule, and what it says of the subject now."""

    rule: str = Field(min_length=1, description="The entry of policy.yaml, or the switch")
    says: str = Field(min_length=1, description="In words, with its numbers")
    gate: Gate | None = Field(default=None, description="The gate that it asks for, if it asks for one")
    reason: Reason | None = Field(default=None, description="Why nothing may begin now; none if this rule lets it")


class Judgement(Frozen):
    """What policy says of a subject at one moment."""

    subject: Subject
    at: AwareDatetime
    gate: Gate = Field(description="What must happen before it is applied")
    because: str = Field(description="For people: which entry of policy.yaml gives the gate, and over what")
    decides: Ruling = Field(description="The rule that decides, one of `rulings`")
    rulings: tuple[Ruling, ...] = Field(description="Every rule, gates first")

    @property
    def offered(self) -> bool:
        """Whether it may be applied at all, unasked or approved."""
        return self.gate.strictness < Gate.PROPOSE.strictness

    @property
    def refusal(self) -> Refused | None:
        """Why it may not begin now; None if, as far as policy goes, it may."""
        stops = (Refused(each.reason, each.says) for each in self.rulings if each.reason is not None)
        return next(stops, None)

    def refuse(self) -> None:
        """Raise `refusal`, if there is one."""
        if self.refusal is not None:
            raise self.refusal

    @property
    def follows(self) -> str:
        """What follows, in a sentence for people."""
        if self.offered and self.refusal is not None:
            return f"Refused now ({self.refusal.reason.value}): {self.refusal.detail}."
        what = {
            Gate.AUTO: "Applied without asking",
            Gate.APPROVE: "Applied once a person has approved it",
            Gate.APPROVE_TWICE: "Applied once two different people have approved it",
            Gate.PROPOSE: "Shown only, never applied by this program",
            Gate.OBSERVE: "Diagnosed and recorded only, no plan is offered",
            Gate.NEVER: "Refused, whoever asks",
        }
        return f"{what[self.gate]}: {self.because}."


def judge(policy: Policy, subject: Subject, situation: Situation) -> Judgement:
    """Every rule's word on `subject`, and which decides.

    The strictest gate counts. A remediation's own gate stands in the place of its tier's; all others only make it
    stricter. A plan of several parts has the strictest gate of its parts. A gate that offers nothing decides by itself;
    else the first rule that lets nothing begin now; else the gate.
    """
    bases = [each for part in subject.remediations for each in _of_part(policy, part, subject)]
    gates = [*bases, *_stricter(policy, subject), *_trust(policy, subject, situation)]
    base = max((each for each in bases if each.gate), key=_strictness)
    chosen = max((each for each in gates if each.gate), key=_strictness)
    over = "" if chosen in bases else f" (stricter than {base.rule}: {base.gate})"
    stops = [
        *_pauses(situation),
        *_breakers(policy, subject, situation),
        _window(policy, subject, situation),
        *_caps(policy, subject, situation),
    ]
    stops += _cooldowns(policy, subject, situation)
    gate = chosen.gate or loosest(subject.tier)
    stop = next((each for each in stops if each.reason is not None), None)
    decides = chosen if stop is None or gate.strictness >= Gate.PROPOSE.strictness else stop
    return Judgement(
        subject=subject,
        at=situation.now,
        gate=gate,
        because=f"{chosen.rule}: {chosen.gate}{over}",
        decides=decides,
        rulings=(*gates, *stops),
    )


# ---- gates ------------------------------------------------------------------------------------------------------------


def _strictness(ruling: Ruling) -> int:
    return -1 if ruling.gate is None else ruling.gate.strictness


def _of_part(policy: Policy, part: str, subject: Subject) -> Iterator[Ruling]:
    """The gate of one of its remediations, and its tier's, which counts where the remediation has none."""
    own, tier = policy.gates.remediations.get(part), subject.tier
    of_tier = policy.gates.tiers.get(tier)
    rule, gate = (f"the default of tier {tier}", usual(tier)) if of_tier is None else (f"gates.tiers.{int(tier)}", of_tier)
    if own is None:
        yield Ruling(rule=f"gates.remediations.{part}", says="no entry: its tier's gate counts")
        yield Ruling(rule=rule, says=gate.value, gate=gate)
    else:
        yield Ruling(rule=f"gates.remediations.{part}", says=own.value, gate=own)
        yield Ruling(rule=rule, says=f"{gate.value}; gates.remediations.{part} stands in its place")


def _stricter(policy: Policy, subject: Subject) -> Iterator[Ruling]:
    """What can only make the gate stricter: clusters, hosts, the bound of the tier."""
    clusters = {
        name: gate
        for name, gate in policy.gates.clusters.items()
        if any(same_name(short_name(name), short_name(each)) for each in subject.clusters)
    }
    asked = (*subject.hosts, *subject.receiving)
    hosts = {name: gate for name, gate in policy.gates.hosts.items() if any(same_host(name, each) for each in asked)}
    for kind, found, touched in (("clusters", clusters, tuple(subject.clusters)), ("hosts", hosts, asked)):
        for name, gate in found.items():
            yield Ruling(rule=f"gates.{kind}.{name}", says=gate.value, gate=gate)
        if not found:
            none = f"no entry for {', '.join(touched)}" if touched else f"it touches no {kind[:-1]} that is known yet"
            yield Ruling(rule=f"gates.{kind}", says=none)
    bound = loosest(subject.tier)
    yield Ruling(rule=f"tier {subject.tier}: {why_not_looser(subject.tier)}", says=f"at the loosest {bound}", gate=bound)


def _trust(policy: Policy, subject: Subject, situation: Situation) -> Iterator[Ruling]:
    """`auto` holds only for what has earned it; what has not is approved."""
    rule, wanted = "trust.verified_in_a_row", policy.trust.verified_in_a_row
    if loosest(subject.tier) is not Gate.AUTO or subject.tier is Tier.READ:
        yield Ruling(
            rule=rule, says=f"not asked: tier {subject.tier} is {'always' if subject.tier is Tier.READ else 'never'} auto"
        )
        return
    for part in subject.remediations:
        record = Record.of(part, situation.trials)
        if record.trusted(policy.trust):
            yield Ruling(rule=rule, says=f"{part} has earned auto: {record.in_a_row} verified in a row", gate=Gate.AUTO)
        else:
            since = f" since {record.blemish}" if record.blemish else ""
            says = f"auto does not hold for {part} yet: {record.in_a_row} of {wanted} verified in a row{since}"
            yield Ruling(rule=rule, says=says, gate=Gate.APPROVE)


# ---- what keeps it from beginning now ---------------------------------------------------------------------------------


def _pauses(situation: Situation) -> Iterator[Ruling]:
    for switch, why in situation.paused.items():
        if why is None:
            yield Ruling(rule=f"pause: {switch}", says="does not pause")
        else:
            yield Ruling(rule=f"pause: {switch}", says=why, reason=Reason.PAUSED)


def _breakers(policy: Policy, subject: Subject, situation: Situation) -> Iterator[Ruling]:
    for part in subject.remediations:
        there = next((each for each in situation.breakers if each.remediation == part), None)
        if there is None:
            most, hours = policy.breaker.failures, policy.breaker.within_hours
            yield Ruling(rule="breaker", says=f"{part}: closed; {most} failures within {hours:g} hours open it")
        else:
            why = f"{part} is not tried any more since {there.opened_at:%Y-%m-%d %H:%M} UTC: {there.why}"
            says = f"{why}; look why, then `remediate breaker close {part} --as NAME`"
            yield Ruling(rule="breaker", says=says, reason=Reason.BREAKER_OPEN)


def _window(policy: Policy, subject: Subject, situation: Situation) -> Ruling:
    tier, rule = subject.tier, f"windows.{int(subject.tier)}"
    if tier not in policy.windows:
        return Ruling(rule=rule, says="no entry: at any time")
    if subject.retry:
        return Ruling(rule=rule, says="the move that had failed was asked for before: it needs no window of its own")
    if policy.in_window(tier, situation.now):
        return Ruling(rule=rule, says="a maintenance window is open")
    opens = policy.next_opening(tier, situation.now)
    says = f"tier {tier} is applied in its maintenance windows only (policy.yaml); the next opens {opens:%a %d %b %H:%M %Z}"
    return Ruling(rule=rule, says=says, reason=Reason.OUTSIDE_WINDOW)


def over_cap(policy: Policy, subject: Subject, changed: Sequence[Changed], now: datetime) -> Refused | None:
    """The first cap that these changes leave no room under for `subject`, as a refusal; None if all do."""
    rulings = _caps(policy, subject, Situation(now=now, paused={}, changed=changed))
    return next((Refused(each.reason, each.says) for each in rulings if each.reason is not None), None)


def _caps(policy: Policy, subject: Subject, situation: Situation) -> Iterator[Ruling]:
    """How much was changed lately of what it touches. One change is one plan of which something was sent."""

    def cap(entry: str, what: str, changed: list[Changed]) -> Iterator[Ruling]:
        for span, words, name in ((HOUR, "the hour", "hour"), (DAY, "24 hours", "day")):
            rule = f"{entry}_per_{name}" if entry else f"per_{name}"
            most = getattr(policy.caps, rule)
            found = sum(each.at >= situation.now - span for each in changed)
            if found >= most:
                says = f"{what} had {most} changes within {words} (policy.yaml, caps.{rule})"
                yield Ruling(rule=f"caps.{rule}", says=says, reason=Reason.CAP_REACHED)
            else:
                yield Ruling(rule=f"caps.{rule}", says=f"{what} had {found} of {most} changes within {words}")

    for host in subject.hosts:
        if host in subject.controllers:
            continue
        yield from cap("per_host", host, [each for each in situation.changed if _touches(each, (host,))])
    for cluster, nodes in subject.clusters.items():
        yield from cap("per_cluster", cluster, [each for each in situation.changed if _touches(each, nodes)])
    for cause in subject.causes:
        same = [each for each in situation.changed if each.causes is None or cause in each.causes]
        yield from cap("per_cause", cause.value, same)
    yield from cap("", "the site", list(situation.changed))


def _touches(changed: Changed, hosts: tuple[str, ...]) -> bool:
    return any(short_name(host).casefold() in changed.hosts for host in hosts)


def _cooldowns(policy: Policy, subject: Subject, situation: Situation) -> Iterator[Ruling]:
    """A cause whose mend was begun on one of its targets a moment ago, and that is there all the same: a person should look."""
    rule, rest = "cooldown_minutes", timedelta(minutes=policy.cooldown_minutes)
    if subject.aims is None:
        yield Ruling(rule=rule, says=f"{rest} from the last time on the same target, which is known once hosts were read")
    elif not subject.causes:
        yield Ruling(rule=rule, says="it mends no cause: an operation may be asked for again")
    else:
        for cause in subject.causes:
            for aim in subject.aims:
                yield _cooldown(cause, aim.name, situation.mended.get((cause, aim.id)), rest, situation.now)


def _cooldown(cause: Cause, name: str, last: Mend | None, rest: timedelta, now: datetime) -> Ruling:
    rule = "cooldown_minutes"
    if last is None:
        return Ruling(rule=rule, says=f"{cause.value} was never mended on {name}")
    over = now - last.at >= rest
    at = f"{last.at:%Y-%m-%d %H:%M} UTC" if over else f"{last.at:%H:%M} UTC"
    if last.taken_back is not None:
        what = (
            f"a mend of {cause.value} on {name} was {'last ' * over}begun at {at} and taken back at {last.taken_back:%H:%M} UTC"
        )
    elif last.failed:
        what = f"a mend of {cause.value} on {name} was {'last ' * over}begun at {at} and failed"
    else:
        what = f"{cause.value} was {'last ' * over}mended on {name} at {at}"
    if over:
        return Ruling(rule=rule, says=f"{what}, {rest} or more ago")
    back = "" if last.taken_back is not None or last.failed else ", and is back"
    says = f"{what}, less than {rest} ago{back}: a person should look (policy.yaml, cooldown_minutes)"
    return Ruling(rule=rule, says=says, reason=Reason.RECENTLY_REMEDIATED)
