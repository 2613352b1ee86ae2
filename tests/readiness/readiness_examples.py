"""Reports of sites of any size, as data: what pages and comparisons are tried with."""

from __future__ import annotations

from datetime import UTC, datetime

from remediations.model.causes import Cause
from remediations.model.plan import Verdict
from remediations.model.readiness import Finding, HostSeen, Level, Line, Readiness, VmSeen, Way, worst

AT = datetime(2026, 3, 1, 5, tzinfo=UTC)


def finding(number: str, level: Level, title: str, why: str, *lines: Line, **more: object) -> Finding:
    """A finding with what every one has."""
    given: dict[str, object] = {
        "id": number,
        "level": level,
        "verdict": Verdict.UNKNOWN if level is Level.UNKNOWN else Verdict.PRESENT,
        "remediation": "register-spns",
        "title": title,
        "causes": (Cause.SPN_MISSING,),
        "why": (why,),
        "tier": 2,
        "lines": lines,
    }
    return Finding.model_validate(given | more)


def report(hosts: int, *, clusters: int = 0, vms: int = 0, trouble: bool = True) -> Readiness:
    """A site of this many hosts, a few of them in trouble as sites are: an SPN, a clock, one that is silent, two builds."""
    names = [f"HV{number:02}" if hosts < 100 else f"HV{number:03}" for number in range(1, hosts + 1)]
    home = {name: f"CLUSTER{1 + place * clusters // hosts}" if clusters else "" for place, name in enumerate(names)}
    spn, silent, clock = names[min(4, hosts - 1)], names[hosts // 2], names[hosts // 3]
    add = (
        "Set-ADComputer -Identity 5b0c8d1e-88a1-4bb0-9d6e-0f3a2f0a9c11 -ServicePrincipalNames "
        f"@{{Add='Microsoft Virtual System Migration Service/{spn.lower()}.contoso.com'}} -Server dc1.contoso.com "
        "-ErrorAction Stop -Confirm:$false"
    )
    findings = {
        "spn": finding(
            "aaaaaaaaaaaa",
            Level.FAILS,
            f"Register the migration service's SPNs: {spn}",
            f"{spn} cannot be asked for by the migration service's name",
            Line(host="DC1", command=add, undo=add.replace("Add=", "Remove=")),
            digest="3f9a41c0" * 8,
            ask=f"remediate plan register-spns --host {spn}",
        ),
        "silent": finding(
            "bbbbbbbbbbbb",
            Level.UNKNOWN,
            f"{silent} could not be read",
            f"{silent}: no connection to {silent.lower()}.contoso.com port 5986 (timed out after 10 s)",
            remediation="",
            causes=(),
            tier=0,
        ),
        "clock": finding(
            "cccccccccccc",
            Level.FAILS,
            f"Clocks that differ: {clock}",
            f"the clock of {clock} is 412 s behind its peers'; Kerberos tolerates 300 s",
            remediation="explain-time-skew",
            causes=(Cause.TIME_SKEW,),
            tier=5,
            instructions=(
                "On the host: w32tm /query /status",
                "Let it follow the domain: w32tm /config /syncfromflags:domhier",
            ),
        ),
        "build": finding(
            "dddddddddddd",
            Level.NOTED,
            "Updates, microcode or firmware that differ",
            "Windows is 20348.2849 on one host, 20348.2527 on the other",
            remediation="explain-patch-level",
            causes=(Cause.PATCH_OR_FIRMWARE_MISMATCH,),
            tier=5,
        ),
    }
    old = set(names[int(hosts * 0.8) :]) if hosts > 2 else set()
    ways = []
    for here in names:
        for there in names:
            if here == there or home[here] != home[there]:
                continue
            found = []
            if trouble:
                found += ["spn"] if spn in (here, there) else []
                found += ["clock"] if clock in (here, there) and hosts > 2 else []
                found += ["silent"] if silent in (here, there) and hosts > 2 else []
                found += ["build"] if (here in old) != (there in old) else []
            ways.append(
                Way(
                    source=here,
                    destination=there,
                    level=worst(findings[each].level for each in found),
                    findings=tuple(findings[each].id for each in found),
                )
            )
    used = {each for way in ways for each in way.findings}
    mute = {silent} if trouble and hosts > 2 else set()
    machines = []
    for number in range(vms):
        host = names[number % hosts]
        mine = tuple(way for way in ways if way.source == host)
        best = max((way.level for way in mine), key=list(Level).index)
        machines.append(VmSeen(name=f"VM{number:04}", host=host, level=best, ways=mine))
    return Readiness(
        at=AT,
        seconds=4.2,
        hosts=tuple(
            HostSeen(name=name, cluster=home[name], silent=findings["silent"].why[0] if name in mute else "") for name in names
        ),
        ways=tuple(ways),
        vms=tuple(machines),
        findings=tuple(each for each in findings.values() if each.id in used),
    )
