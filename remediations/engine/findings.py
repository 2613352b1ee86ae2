"""What a reading found, in a shape that is kept, and how what today's rules find differs from it."""

from __future__ import annotations

from typing import Any

from remediations.engine.propose import Proposal
from remediations.model.base import Json


def findings_of(proposal: Proposal) -> Json:
    """What was found, as JSON that two readings can be compared by."""

    def told(plan: Any) -> Json:
        return plan and {
            "title": plan.title,
            "digest": plan.digest,
            "verdict": plan.verdict.value,
            "items": plan.to_json()["items"],
        }

    return {
        "incident": proposal.incident.to_json(),
        "considered": [
            {"cause": each.hypothesis.cause.value, "verdict": each.verdict and each.verdict.value, "why": each.why}
            for each in proposal.considered
        ],
        "also_seen": [told(each) for each in proposal.also_seen],
        "cause": proposal.cause and proposal.cause.value,
        "presumed": proposal.presumed,
        "over": proposal.over,
        "gone": proposal.gone,
        "plan": told(proposal.plan),
        "retry": told(proposal.retry),
    }


def differences(then: Json, today: Json) -> list[str]:
    """What today's rules say otherwise than those of then, a sentence each; none if they agree."""
    found = [
        f"{name}: then {then[name] or 'none'}, today {today[name] or 'none'}"
        for name in ("cause", "presumed", "over", "gone")
        if then[name] != today[name]
    ]
    verdicts = [{each["cause"]: each["verdict"] for each in side["considered"]} for side in (then, today)]
    for cause in dict.fromkeys((*verdicts[0], *verdicts[1])):
        one, other = (side.get(cause, "not considered") or "no repair" for side in verdicts)
        if one != other:
            found.append(f"{cause}: then {one}, today {other}")
    for name in ("plan", "retry"):
        digests = [(side[name] or {}).get("digest", "none")[:8] for side in (then, today)]
        if digests[0] != digests[1]:
            found.append(f"{name}: then {digests[0]}, today {digests[1]}")
    seen = [{each["title"] for each in side["also_seen"]} for side in (then, today)]
    found += [f"also seen, today no more: {title}" for title in sorted(seen[0] - seen[1])]
    found += [f"also seen, today only: {title}" for title in sorted(seen[1] - seen[0])]
    if not found and then != today:
        found.append("the reasons are worded otherwise")
    return found
