"""What the command line finds on a machine: a state directory, a configuration, a lab; and a question that waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from remediations.engine import Ask
from remediations.lab.lab import Lab
from remediations.model.command import command
from remediations.model.fact import Change
from remediations.model.plan import Plan, Step, Target
from remediations.model.tier import Proof, Reversal, Tier

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory with nothing in it, the configuration that we ship, no Prefect, and no port that others may have."""
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path))
    monkeypatch.setenv("REMEDIATE_CONFIG", str(CONFIGS))
    monkeypatch.setenv("REMEDIATE_RECEIVER_PORT", "0")
    for name in ("PREFECT_API_URL", "REMEDIATE_LEDGER", "REMEDIATE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def policy_of_the_site() -> str:
    """The policy file of the lab's site; a file of tests may have its own."""
    return "own_approval_tier: 2\n"


@pytest.fixture
def lab(state: Path, monkeypatch: pytest.MonkeyPatch, policy_of_the_site: str) -> Iterator[Lab]:
    """A lab whose inventory, policy and ledger are where the command line looks for them: in `state`."""
    monkeypatch.setenv("REMEDIATE_CONFIG", str(state))
    (state / "policy.yaml").write_text(policy_of_the_site)
    with Lab() as started:
        started.write_site(state / "site.yaml")
        yield started


@pytest.fixture
def question() -> Ask:
    """A plan of one step that waits for a decision."""
    account = str(UUID(int=7))
    step = Step(
        target=Target(kind="computer account", name="HV02$", id=account),
        host="DC1",
        command=command("Set-ADComputer", Identity=account, ServicePrincipalNames={"Add": "x/hv02"}, Server="dc1.contoso.com"),
        why="it is missing",
        changes=(Change(fact=f"ComputerAccount:{account}", field="spns", members=True, before=[], after=["x/hv02"]),),
    )
    plan = Plan(
        remediation="register-spns",
        request={"host": "HV02"},
        title="Register SPNs: HV02",
        tier=Tier.DIRECTORY,
        reversal=Reversal.EXACT,
        proof=Proof.STATE,
        items=(step,),
    )
    return Ask(run="run", key="approve-1", plan=plan, retry=None, expires_at=datetime(2025, 3, 1, tzinfo=UTC), why="", page="")
