"""Evidence: what was read of any fault can be played again without a host, and finds the same; also with other names."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from law_bench import Bench, incident_of
from law_faults import FAULTS
from pytest_mock import MockerFixture

from remediations.engine.bundle import Bundle, BundleError
from remediations.engine.collect import CHANNELS, collect
from remediations.engine.findings import differences, findings_of
from remediations.engine.redact import redacted
from remediations.model.contract import Effect, contracts
from remediations.model.maintenance import Maintenance, Spare, Stricter
from remediations.model.outcome import Ending

ONLY_SEEN = {"machine_account"}  # where no message came: nothing points at a cause, but a person is shown what was seen


def collected(bench: Bench, cause: str) -> Bundle:
    failure = bench.lab.fail(cause)
    return collect(bench.remoting, bench.lab.site(), incident_of(failure), now=bench.clock())


@pytest.mark.parametrize("cause", FAULTS)
def test_a_bundle_played_again_finds_the_same(bench: Bench, cause: str, tmp_path: Path) -> None:
    failure = bench.lab.fail(cause)
    before = bench.lab.world.state_hash()
    made = collect(bench.remoting, bench.lab.site(), incident_of(failure), now=bench.clock())
    assert bench.lab.world.state_hash() == before, "collecting changed something"
    assert {name for _, name, _ in bench.changes()} <= {"Get-RemediationClusterLog"}
    made.write(tmp_path / "evidence.zip")
    again = Bundle.open(tmp_path / "evidence.zip")
    today = findings_of(again.proposal())
    assert differences(made.findings, today) == []
    assert today == made.findings
    assert made.findings["considered"] or made.findings["cause"] or cause in ONLY_SEEN, "a fault leaves something to find"
    assert made.findings["considered"] or made.findings["also_seen"]
    hidden = redacted(again)
    hidden.write(tmp_path / "hidden.zip")
    today = findings_of(Bundle.open(tmp_path / "hidden.zip").proposal())
    assert [today[name] for name in ("cause", "presumed", "over")] == [
        made.findings[name] for name in ("cause", "presumed", "over")
    ]
    assert [each["verdict"] for each in today["considered"]] == [each["verdict"] for each in made.findings["considered"]]


def test_a_site_without_controllers_is_looked_at_and_mended_all_the_same(bench: Bench, mocker: MockerFixture) -> None:
    mocker.patch.object(bench.lab, "site", return_value=bench.lab.site().model_copy(update={"controllers": ()}))
    found = collected(bench, "spn_missing").findings
    (spns,) = [each for each in found["considered"] if each["cause"] == "spn_missing"]
    assert spns["verdict"] == "unknown"
    assert "site.yaml names no domain controller" in str(spns)
    report = bench.mend(bench.lab.fail("migration_limit_reached"))
    assert report.outcome.ending is Ending.MENDED, report.markdown


def test_a_drain_is_played_again_under_the_policy_of_then(bench: Bench, tmp_path: Path) -> None:
    """Policy wants two other nodes to stay up, and the cluster has one: then, on the day after, and with other names."""
    held = Maintenance(clusters={"cluster1": Stricter(least_nodes_up=2)}, least_free_memory_percent=15)
    failure = bench.lab.fail("node_drain_failed")
    made = collect(bench.remoting, bench.lab.site().held_to(held), incident_of(failure), now=bench.clock())
    assert "2 have to" in json.dumps(made.findings)
    made.write(tmp_path / "evidence.zip")
    again = Bundle.open(tmp_path / "evidence.zip")
    assert again.site.maintenance == held
    assert findings_of(again.proposal()) == made.findings
    hidden = redacted(again)
    hidden.write(tmp_path / "hidden.zip")
    assert "CLUSTER1" not in str(hidden.site.maintenance).upper()
    there = Bundle.open(tmp_path / "hidden.zip")
    assert there.site.spare(there.site.clusters[0].name) == held.of("CLUSTER1")
    assert "2 have to" in json.dumps(findings_of(there.proposal()))


def test_a_bundle_that_does_not_tell_the_policy_is_held_to_the_defaults(bench: Bench, tmp_path: Path) -> None:
    made = collected(bench, "spn_missing")
    strict = replace(made, site=made.site.held_to(Maintenance(least_nodes_up=2)))
    strict.write(tmp_path / "evidence.zip")
    with zipfile.ZipFile(tmp_path / "evidence.zip") as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    situation, manifest = json.loads(parts["situation.json"]), json.loads(parts["manifest.json"])
    del situation["maintenance"]
    site = json.loads(parts["site.json"])
    for each in (*site["hosts"], *site["clusters"], *site["controllers"]):
        each["expect"]["lowest_vm_version"] = "9.0"  # an expectation of earlier programs, which did nothing
    for name, content in (("situation.json", situation), ("site.json", site)):
        parts[name] = json.dumps(content).encode()
        (listed,) = (each for each in manifest["files"] if each["name"] == name)
        listed["sha256"] = hashlib.sha256(parts[name]).hexdigest()
    with zipfile.ZipFile(tmp_path / "earlier.zip", "w") as packed:
        for name, content in (parts | {"manifest.json": json.dumps(manifest).encode()}).items():
            packed.writestr(name, content)
    assert Bundle.open(tmp_path / "evidence.zip").site.spare("CLUSTER1").least_nodes_up == 2
    assert Bundle.open(tmp_path / "earlier.zip").site.spare("CLUSTER1") == Spare()


def test_names_of_the_site_are_nowhere_in_a_redacted_bundle(bench: Bench, tmp_path: Path) -> None:
    made = redacted(collected(bench, "spn_missing"))
    made.write(tmp_path / "hidden.zip")
    with zipfile.ZipFile(tmp_path / "hidden.zip") as packed:
        everything = "\n".join([*packed.namelist(), *(packed.read(name).decode() for name in packed.namelist())]).casefold()
    site = bench.lab.site()
    names = [*(host.name for host in site.all_hosts()), *(each.name for each in site.clusters), site.domain]
    names += [*bench.lab.world.machines, "svc-migrate", "contoso"]
    assert [name for name in names if re.search(rf"\b{re.escape(name)}", everything, re.IGNORECASE)] == []


def test_a_bundle_holds_the_guides_list_from_both_nodes_and_no_logon(bench: Bench, tmp_path: Path) -> None:
    made = collected(bench, "cpu_incompatible")
    made.write(tmp_path / "evidence.zip")
    with zipfile.ZipFile(tmp_path / "evidence.zip") as packed:
        parts = {name: packed.read(name).decode() for name in packed.namelist()}
    for node in ("HV01", "HV02"):
        shown = parts[f"readable/{node}.txt"]
        for wanted in (
            *CHANNELS,
            "Get-VM\n",
            "Get-VMSwitch",
            "Get-NetAdapter",
            "Get-RemediationDiskChain",
            "Get-RemediationWinRM",
        ):
            assert wanted in shown, wanted
        assert "[NODE] Node" in parts[f"logs/{node}-cluster.log"]
        assert "removed from the host" in parts[f"logs/{node}-cluster.log"]
    sections = yaml.safe_load((Path(__file__).parents[1] / "guide.yaml").read_text("utf-8"))
    (listed,) = (each["lines"] for each in sections if each["section"] == "Data collection")
    wanted = {name for line in listed for name in line.get("commands", ()) if contracts()[name].effect is Effect.READ}
    shown = "".join(text for name, text in parts.items() if name.startswith("readable/"))
    assert {name for name in wanted if f"PS> {name}" not in shown} == set()
    assert "TSS.ps1" in parts["about.md"]
    assert "password" not in parts["site.json"].replace('"password": null', "")


@pytest.mark.parametrize("part", ["hosts/HV03.jsonl", "findings.json", "about.md"])
def test_a_bundle_that_somebody_changed_is_refused(bench: Bench, tmp_path: Path, part: str) -> None:
    collected(bench, "spn_missing").write(tmp_path / "evidence.zip")
    with zipfile.ZipFile(tmp_path / "evidence.zip") as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    for change in (parts | {part: parts[part] + b" "}, {name: each for name, each in parts.items() if name != part}):
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as packed:
            for name, content in change.items():
                packed.writestr(name, content)
        with pytest.raises(BundleError, match=part):
            Bundle.open(tmp_path / "other.zip")


def test_what_is_no_bundle_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no zip")
    with pytest.raises(BundleError, match="not a zip file"):
        Bundle.open(tmp_path / "text")
    with zipfile.ZipFile(tmp_path / "zip", "w") as packed:
        packed.writestr("a", "b")
    with pytest.raises(BundleError, match="no manifest"):
        Bundle.open(tmp_path / "zip")
    with zipfile.ZipFile(tmp_path / "newer", "w") as packed:
        packed.writestr("manifest.json", json.dumps({"format": 99, "files": []}))
    with pytest.raises(BundleError, match="newer program"):
        Bundle.open(tmp_path / "newer")


def test_a_run_keeps_its_evidence_before_it_changes_anything(bench: Bench, tmp_path: Path) -> None:
    failure = bench.lab.fail("spn_missing")
    engine = bench.engine()
    engine.keeps = tmp_path / "kept"
    report = engine.remediate("run-1", incident_of(failure), dry_run=False, gate=bench.approving, requested_by="alerting")
    assert report.outcome.ending is Ending.MENDED, report.markdown
    (kept,) = (engine.keeps / "evidence").glob("*.zip")
    assert str(kept) in report.markdown
    again = Bundle.open(kept)
    assert findings_of(again.proposal()) == again.findings
    assert again.findings["cause"] == "spn_missing"
    kinds = [note.kind for note in bench.ledger.trail("run-1")]
    assert kinds.index("evidence") < kinds.index("step intended"), kinds
    page = Path(report.page).read_text("utf-8")
    for shown in ("Set-ADComputer", "remediate undo run-1", "spn_missing", "wait for approval (anna)", "<svg", "mended"):
        assert shown in page, shown
    assert [each for each in ("http:", "https:", "<script") if each in page] == [], "it needs nothing from elsewhere"
    dry = engine.remediate("dry", incident_of(failure), dry_run=True, gate=bench.approving, requested_by="alerting")
    assert dry.evidence == "", "a dry run keeps nothing"
