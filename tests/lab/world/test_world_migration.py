"""The rules of live migration: what refuses a move, what it leaves behind, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from network_rules import NETWORK_RULES
from world_rules import ALONE, CLUSTERED, Change, Rule, fresh, host_set, machine, moved, rewrite, settings, under_way, without

from remediations.lab.world.directory import CONTROL, DELEGATION, LETS_ACT, MIGRATION_SERVICE, SPN, TRUSTED_TO_AUTH
from remediations.lab.world.events import HIGH_AVAILABILITY, SYSTEM, VMMS
from remediations.lab.world.hosts import EDITIONS, EPYC, GIB, HASWELL, OLD_MICROCODE
from remediations.lab.world.migration import start
from remediations.lab.world.world import World

SHORT, FULL = f"{MIGRATION_SERVICE}/HV04", f"{MIGRATION_SERVICE}/hv04.contoso.com"
NO_CREDENTIALS = 0x8009030E


def later(world: World) -> None:
    world.clock.advance(60)


def give(spn: str) -> Change:
    return lambda world: world.directory.change("DC1", world.directory.computer("HV04").guid, SPN, add=(spn,))


def drop(spn: str) -> Change:
    return lambda world: world.directory.change("DC1", world.directory.computer("HV04").guid, SPN, remove=(spn,))


def steal(world: World) -> None:
    world.directory.change("DC1", world.directory.computer("HV02").guid, SPN, add=(SHORT,))


def unsteal(world: World) -> None:
    world.directory.change("DC1", world.directory.computer("HV02").guid, SPN, remove=(SHORT,))


RULES = (
    Rule("full SPN missing", (drop(FULL), fresh("HV03")), *ALONE, NO_CREDENTIALS, "migration.authenticate", (give(FULL),)),
    Rule("short SPN missing", (drop(SHORT), fresh("HV03")), *ALONE, NO_CREDENTIALS, "migration.authenticate", (give(SHORT),)),
    Rule("SPN in other letters", (drop(FULL), give(FULL.upper()), fresh("HV03")), *ALONE, 0, "", ()),
    Rule("SPN elsewhere", (drop(SHORT), steal, fresh("HV03")), *ALONE, 0x80090322, "migration.connect", (unsteal, give(SHORT))),
    Rule(
        "delegation missing",
        (rewrite("HV03", DELEGATION, without(MIGRATION_SERVICE)), fresh("HV03")),
        *ALONE,
        NO_CREDENTIALS,
        "migration.authenticate",
        (rewrite("HV03", DELEGATION, lambda held: (*held, SHORT, FULL)), fresh("HV03")),
    ),
    Rule(
        "delegation with Kerberos only",
        (rewrite("HV03", CONTROL, lambda bits: bits & ~TRUSTED_TO_AUTH), fresh("HV03")),
        *ALONE,
        NO_CREDENTIALS,
        "migration.authenticate",
        (rewrite("HV03", CONTROL, lambda bits: bits | TRUSTED_TO_AUTH), fresh("HV03")),
    ),
    Rule(
        "resource-based delegation does as well",
        (
            rewrite("HV03", DELEGATION, lambda _: ()),
            rewrite("HV04", LETS_ACT, lambda _: ("CN=HV03,OU=Hyper-V,DC=contoso,DC=com",)),
            fresh("HV03"),
        ),
        *ALONE,
        0,
        "",
        (),
    ),
    Rule(
        "CredSSP with Credential Guard",
        (settings("HV03", authentication="CredSSP"), host_set("HV03", credential_guard=True)),
        *ALONE,
        NO_CREDENTIALS,
        "migration.authenticate",
        (settings("HV03", authentication="Kerberos"),),
    ),
    Rule("CredSSP at the console", (settings("HV03", authentication="CredSSP"),), *ALONE, 0, "", ()),
    Rule("CredSSP in a cluster", (settings("HV01", authentication="CredSSP"),), *CLUSTERED, 0, "", ()),
    Rule("Credential Guard with Kerberos", (host_set("HV03", credential_guard=True),), *ALONE, 0, "", ()),
    Rule(
        "delegation is not asked for in a cluster",
        (rewrite("HV01", DELEGATION, lambda _: ()), fresh("HV01")),
        *CLUSTERED,
        0,
        "",
        (),
    ),
    Rule(
        "ticket older than the SPNs",
        (rewrite("HV04", SPN, lambda held: held),),
        *ALONE,
        NO_CREDENTIALS,
        "migration.authenticate",
        (fresh("HV03"),),
    ),
    Rule(
        "ticket-granting ticket older than the delegation",
        (
            rewrite("HV03", DELEGATION, lambda _: ()),
            fresh("HV03"),
            lambda world: moved(world, *ALONE),
            later,
            rewrite("HV03", DELEGATION, lambda _: (SHORT, FULL)),
        ),
        *ALONE,
        NO_CREDENTIALS,
        "migration.authenticate",
        (fresh("HV03"),),
    ),
    Rule(
        "not enabled there",
        (settings("HV04", enabled=False),),
        *ALONE,
        0x8007274D,
        "migration.connect",
        (settings("HV04", enabled=True),),
    ),
    Rule(
        "host's limit at the source",
        (settings("HV03", maximum=0),),
        *ALONE,
        0,
        "migration.limit",
        (settings("HV03", maximum=1),),
    ),
    Rule(
        "host's limit at the destination",
        (settings("HV04", maximum=0),),
        *ALONE,
        0,
        "migration.limit",
        (settings("HV04", maximum=1),),
        "destination",
    ),
    Rule(
        "a node's own limit counts for nothing",
        (settings("HV01", maximum=0), settings("HV02", maximum=0)),
        *CLUSTERED,
        0,
        "",
        (),
    ),
    Rule(
        "cluster's limit",
        (lambda world: setattr(world.cluster, "maximum_parallel_migrations", 1), under_way("VM44", "HV02")),
        *CLUSTERED,
        0,
        "migration.limit",
        (lambda world: setattr(world.cluster, "maximum_parallel_migrations", 2),),
    ),
    Rule(
        "older processor",
        (host_set("HV02", cpu=HASWELL),),
        *CLUSTERED,
        0x80048054,
        "migration.cpu",
        (lambda world: restarted(world, "VM42"),),
        "destination",
    ),
    Rule(
        "other vendor",
        (lambda world: restarted(world, "VM42"), host_set("HV02", cpu=EPYC)),
        *CLUSTERED,
        0x80048054,
        "migration.cpu",
        (machine("VM42", state="Off"),),
        "destination",
    ),
    Rule(
        "compatibility set but not restarted",
        (host_set("HV02", cpu=HASWELL), machine("VM42", compatible=True)),
        *CLUSTERED,
        0x80048054,
        "migration.cpu",
        (lambda world: restarted(world, "VM42"),),
        "destination",
    ),
    Rule(
        "compatibility hides no mitigation that the destination's microcode lacks",
        (lambda world: restarted(world, "VM42"), host_set("HV02", cpu=OLD_MICROCODE)),
        *CLUSTERED,
        0x80048054,
        "migration.cpu",
        (machine("VM42", state="Off"),),
        "destination",
    ),
    Rule(
        "compatibility hides no mitigation that the destination's settings switch off",
        (lambda world: restarted(world, "VM42"), host_set("HV02", mitigated=False)),
        *CLUSTERED,
        0x80048054,
        "migration.cpu",
        (host_set("HV02", mitigated=True),),
        "destination",
    ),
    Rule(
        "what starts where mitigations are off moves to where they are on",
        (host_set("HV01", mitigated=False), lambda world: restarted(world, "VM42")),
        *CLUSTERED,
        0,
        "",
        (),
    ),
    Rule("too new a version", (machine("VM51", version="12.0"),), *("VM51", "HV04"), 0, "", ()),
    Rule(
        "unknown version",
        (machine("VM52", version="12.0"),),
        "VM52",
        "HV03",
        0,
        "migration.version",
        (machine("VM52", version="9.0"),),
        "destination",
    ),
    Rule(
        "no memory there",
        (host_set("HV02", memory=20 * GIB),),
        *CLUSTERED,
        0x8007000E,
        "migration.memory",
        (host_set("HV02", memory=64 * GIB),),
        "destination",
    ),
    Rule(
        "backup under way",
        (machine("VM42", busy="BackingUp"),),
        *CLUSTERED,
        0x800700AA,
        "migration.busy",
        (machine("VM42", busy=""),),
    ),
    Rule("starting", (machine("VM42", state="Starting"),), *CLUSTERED, 0, "vm.state", (machine("VM42", state="Running"),)),
    *NETWORK_RULES,
)


@pytest.mark.parametrize(
    ("mover", "moves"),
    [("svc-remediate", True), ("adm-smith", False), ("adm-jones", False), ("somebody", True)],
    ids=["plain", "sensitive", "protected", "of another domain"],
)
def test_a_host_acts_only_for_accounts_that_may_be_acted_for(world: World, mover: str, moves: bool) -> None:
    found = start(world, world.machine("VM51"), world.host("HV04"), mover=f"CONTOSO\\{mover}")
    assert (found.refusal is None) is moves


def test_from_elsewhere_credssp_has_nothing_to_pass_on(world: World) -> None:
    world.host("HV03").migration.authentication = "CredSSP"
    refused = world.move("VM51", "HV04", elsewhere=True).refusal
    assert refused is not None
    assert refused.code == NO_CREDENTIALS


def restarted(world: World, name: str) -> None:
    """As an administrator does it: off, compatibility on, on."""
    vm = world.machine(name)
    vm.power_off()
    vm.compatible = True
    vm.power_on(world.host(vm.host).offers, world.now)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_refuses_and_mended_state_does_not(world: World, rule: Rule) -> None:
    source = world.machine(rule.vm).host
    for change in rule.changes:
        change(world)
    move = moved(world, rule.vm, rule.destination)
    if rule.reason:
        assert move.refusal is not None
        assert (move.refusal.code, move.refusal.side) == (rule.code, rule.side)
        assert move.refusal.sentences[-1].key == rule.reason
        assert world.machine(rule.vm).host == source
        for change in rule.mend:
            change(world)
        move = moved(world, rule.vm, rule.destination)
    assert move.refusal is None
    assert world.machine(rule.vm).host == rule.destination


def test_a_clustered_failure_is_told_on_both_nodes_and_never_by_the_wrapper_alone(world: World) -> None:
    world.host("HV02").cpu = HASWELL
    moved(world, *CLUSTERED)
    told = {(host, event.kind.id, event.kind.channel) for host in ("HV01", "HV02") for event in world.host(host).log.events}
    assert told == {
        ("HV01", 21111, HIGH_AVAILABILITY),
        ("HV01", 21502, HIGH_AVAILABILITY),
        ("HV02", 21502, HIGH_AVAILABILITY),
        ("HV01", 1155, SYSTEM),
    }
    text = world.host("HV02").log.events[0].text("en-US")
    assert text.startswith("Live migration of 'Virtual Machine VM42' failed.")
    assert "processor-specific features not supported on physical computer 'HV02'" in text


def test_a_standalone_failure_is_told_at_the_source(world: World) -> None:
    drop(FULL)(world)
    fresh("HV03")(world)
    moved(world, *ALONE)
    assert [(event.kind.id, event.kind.channel) for event in world.host("HV03").log.events] == [
        (20413, VMMS),
        (20406, VMMS),
        (21024, VMMS),
    ]
    assert world.host("HV04").log.events == []


def test_a_completed_move_takes_its_time_and_says_so(world: World) -> None:
    begun = world.now
    move = world.move(*CLUSTERED)
    assert (world.machine("VM42").host, move.over) == ("HV01", False)
    world.wait(lambda: move.over)
    done = world.host("HV01").log.newest(20415)
    assert done is not None
    assert done.time == begun + timedelta(seconds=world.pace.migration)
    assert dict(done.data) == {"vm": "VM42", "id": world.machine("VM42").id, "seconds": 0.5}
    assert world.cluster is not None
    assert world.cluster.roles["VM42"].owner == "HV02"


def test_the_german_host_tells_in_german(world: World) -> None:
    drop_short = f"{MIGRATION_SERVICE}/HV03"
    world.directory.change("DC1", world.directory.computer("HV03").guid, SPN, remove=(drop_short,))
    fresh("HV04")(world)
    moved(world, "VM52", "HV03")
    event = world.host("HV04").log.newest(20406)
    assert event is not None
    text = event.text(world.host("HV04").culture)
    assert "Im Sicherheitspaket sind keine Anmeldeinformationen verfügbar (0x8009030E)" in text


def test_the_source_asks_its_own_controller(world: World) -> None:
    """A name that came back on DC1 does not help a host that asks DC2 until it has replicated."""
    world.host("HV03").controller = "DC2"
    drop(FULL)(world)
    fresh("HV03")(world)
    world.directory.lag = 60
    give(FULL)(world)
    assert moved(world, *ALONE).refusal is not None
    world.clock.advance(61)
    assert moved(world, *ALONE).refusal is None


def test_an_expired_ticket_does_no_harm(world: World) -> None:
    rewrite("HV04", SPN, lambda held: held)(world)
    world.clock.advance(timedelta(hours=11))
    assert moved(world, *ALONE).refusal is None


def test_credssp_needs_credentials_on_the_source(world: World) -> None:
    world.host("HV03").migration = replace(world.host("HV03").migration, authentication="CredSSP")
    assert moved(world, *ALONE).refusal is None  # an administrator at the source's console has them


def test_every_edition_runs_what_older_ones_wrote() -> None:
    assert "9.0" in EDITIONS[2019].versions
    assert set(EDITIONS[2022].versions) < set(EDITIONS[2025].versions)
    assert "5.0" not in EDITIONS[2022].versions
