"""`remediate demo`: the whole way, from a migration that fails to one that succeeds, on simulated hosts of this machine.

The hosts are the lab's; everything else is what production runs: Prefect, the served flows, the receiver, the ledger. The
demo breaks something, lets a move fail by the lab's rules, posts the failure as Alertmanager would, and shows what follows.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel

from remediations import logs
from remediations.cli.children import ChildFailed, until_told
from remediations.cli.console import Exit, err, fail, out, progress
from remediations.model.outcome import Ending

if TYPE_CHECKING:
    from remediations.cli.serve import Running
    from remediations.lab.lab import Failure, Lab
    from remediations.ledger import Note, Sealed

PATIENCE = timedelta(minutes=10)
"""How long one run may take when nobody has to be waited for."""

APPROVER, SECOND = "the demo", "the demo's second"
"""Who approves it, and who does where two have to."""

_POLICY = """\
# The demo's policy: the packaged one, but its maintenance windows are always open, and a name is proof enough.
windows:
  3:
    - {from: "00:00", to: "24:00", zone: UTC}
proof: {3: name, 4: name}
"""


class Approve(StrEnum):
    """Who approves the plan."""

    AUTO = "auto"
    UI = "ui"


def demo(
    fault: Annotated[str, typer.Option(metavar="CAUSE", help="What to break, by the id of its cause.")] = "spn_missing",
    approve: Annotated[
        Approve, typer.Option(help="auto: the demo approves once it has shown the plan. ui: you do.")
    ] = Approve.AUTO,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="List the faults and end.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Then report the same failure once more: nothing is left to do.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
) -> None:
    """Break something in a simulated cluster and watch it being mended, from the alert to the report. Needs no Windows host."""
    faults = _faults()
    if list_faults:
        for cause, each in faults.items():
            out.print(f"[bold]{cause}[/bold]  {escape(each.title)}")
        return
    if fault not in faults:
        fail(f"--fault: {fault!r} is none of the demo's faults; there are {', '.join(faults)}")
    raise typer.Exit(_run(fault, approve, keep=keep, again=again))


def _run(fault: str, approve: Approve, *, keep: bool, again: bool) -> Exit:
    """Run the demo; DONE only if the move that failed has succeeded and its mend is verified."""
    logs.configure(level="ERROR", stream=sys.stderr)
    directory = Path(tempfile.mkdtemp(prefix="remediate-demo-"))
    try:
        with until_told(), _site(directory) as lab, _served(directory) as running:
            good, failure = _shown(lab, running, fault, approve)
            if good and again:
                good = _once_more(lab, running, failure)
            if keep:
                _keep(running)
            return Exit.DONE if good else Exit.FAILED
    except KeyboardInterrupt:
        err.print("ended; nothing is left running")
        return Exit.FAILED
    except ChildFailed as error:
        fail(str(error), Exit.FAILED)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _faults() -> Mapping[str, Any]:
    try:
        from remediations.lab.world.faults import FAULTS
    except ImportError as error:
        fail(f"the demo needs the lab ({error}): pip install 'hyperv-remediation[lab]'")
    return FAULTS


@contextlib.contextmanager
def _site(directory: Path) -> Iterator[Lab]:
    from remediations.lab.lab import Lab

    with contextlib.ExitStack() as stack:
        lab = progress("start the lab: CLUSTER1 (HV01, HV02), HV03, HV04, DC1, DC2", lambda: stack.enter_context(Lab()))
        (directory / "policy.yaml").write_text(_POLICY)
        lab.write_site(directory / "site.yaml")
        yield lab


@contextlib.contextmanager
def _served(directory: Path) -> Iterator[Running]:
    from flows.runtime import configuration
    from remediations.cli.serve import serving
    from remediations.settings import Settings

    os.environ |= {
        "REMEDIATE_CONFIG": str(directory),
        "REMEDIATE_STATE": str(directory / "state"),
        "REMEDIATE_RECEIVER_PORT": "0",
        # Prefect's worker keeps a folder of its own there: it goes with ours.
        "TMPDIR": str(directory),
    }
    for name in ("REMEDIATE_LEDGER", "PREFECT_API_URL"):
        os.environ.pop(name, None)
    # It is the alert that is to be seen at work, not the watch of the hosts' own logs.
    found = Settings.load().model_copy(update={"watch_seconds": 0})
    with serving(found, configuration(), observe=progress) as running:
        yield running


def _shown(lab: Lab, running: Running, fault: str, approve: Approve) -> tuple[bool, Failure]:
    """Break, fail, report, and follow the run to its end; whether it is mended, and what had failed."""
    _head(f"1 · Something breaks: {fault}")
    failure = progress(_faults()[fault].title, lambda: lab.fail(fault))
    out.print(Panel(escape(failure.message.strip()), title=f"event {failure.event_id} · {failure.channel}", title_align="left"))
    _head("2 · Alerting reports it")
    incident = _report(running, failure)
    run = _follow(running, incident, approve)
    outcome = running.ledger.incident(incident).outcome
    mended = outcome is not None and outcome.ending is Ending.MENDED and _succeeded(lab, failure)
    _head("8 · The report")
    out.print(Markdown(_report_of(running, run)))
    word = "MENDED" if mended else "NOT MENDED"
    confirmed = "the lab confirms it" if mended else "the lab does not confirm it"
    out.print(f"\n[bold]{word}[/bold]: {escape(outcome.summary if outcome else 'no outcome')} ({confirmed})")
    return mended, failure


def _succeeded(lab: Lab, failure: Failure) -> bool:
    """Whether what had failed has succeeded, asked of the simulated world itself."""
    with lab.world.lock:
        lab.world.settle()
        if failure.vm:
            machine = lab.world.machine(failure.vm)
            return machine.running and machine.host == failure.destination
        return not any(machine.running for machine in lab.world.machines_on(failure.node))


def _once_more(lab: Lab, running: Running, failure: Failure) -> bool:
    """The same report again: there is nothing to mend, nothing is changed, and the run says why."""
    _head("again · The same alert, now that it is mended")
    before = lab.world.state_hash()
    incident = _report(running, failure)
    _follow(running, incident, Approve.AUTO)
    outcome = running.ledger.incident(incident).outcome
    untouched = lab.world.state_hash() == before
    out.print(f"{outcome.ending.value if outcome else 'no outcome'}: {escape(outcome.summary if outcome else '')}")
    out.print("the lab's state is unchanged" if untouched else "[red]the lab's state changed[/red]")
    return outcome is not None and outcome.ending is Ending.NOTHING_TO_DO and untouched


def _report(running: Running, failure: Failure) -> str:
    """Post the failure as Alertmanager would; the incident's id."""
    import httpx

    subject = {"vm": failure.vm} if failure.vm else {"node": failure.source}
    labels = {
        "alertname": "LiveMigrationFailed",
        **subject,
        "source": failure.source,
        "destination": failure.destination if failure.vm else "",
        "cluster": failure.cluster,
        "event_id": str(failure.event_id),
        "channel": failure.channel,
        "provider": failure.provider,
    }
    alert = {
        "status": "firing",
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"description": failure.message},
        "startsAt": failure.time.isoformat(),
    }
    answer = httpx.post(f"{running.receiver}/alertmanager", json={"version": "4", "receiver": "demo", "alerts": [alert]})
    answer.raise_for_status()
    incident: str = answer.json()["accepted"][0]["incident"]
    out.print(f"POST {running.receiver}/alertmanager → {answer.status_code}, incident [bold]{incident}[/bold]")
    return incident


def _follow(running: Running, incident: str, approve: Approve) -> str:
    """Show what the ledger's trail says of the incident's run until it ends; the run."""
    telling = _Telling(running, approve)
    began = datetime.now(UTC)
    with err.status("the flow run starts") as status:
        while True:
            running.check()
            run = running.ledger.incident(incident).run
            for note in running.ledger.trail(run)[telling.told :] if run else ():
                telling.tell(note)
                status.update(telling.doing)
            record = running.ledger.run(run) if run else None
            if run and record is not None and record.finished_at is not None:
                return run
            if running.ledger.incident(incident).closed_at is not None:
                return run or ""
            if approve is Approve.AUTO and datetime.now(UTC) - began > PATIENCE:
                raise ChildFailed(f"the run did not end within {PATIENCE}; logs are in the state directory")
            time.sleep(0.2)


class _Telling:
    """Tells a run's trail as it grows."""

    def __init__(self, running: Running, approve: Approve) -> None:
        self.running, self.approve = running, approve
        self.told = 0
        self.doing = "reading the hosts"
        self._headed: set[str] = set()
        self._shown: list[Any] = []

    def tell(self, note: Note) -> None:
        """One more row of the trail."""
        self.told += 1
        kind = note.kind.replace(" ", "_")
        teller = getattr(self, f"_{kind}", None)
        if teller is not None:
            teller(note.data)

    def _head(self, title: str) -> None:
        if title not in self._headed:
            self._headed.add(title)
            _head(title)

    def _considered(self, data: Mapping[str, Any]) -> None:
        if data["causes"] in self._shown:
            out.print("  read again before anything is changed: the same causes, the same facts")
            return
        self._shown.append(data["causes"])
        self._head("3 · Causes considered")
        words = {"present": "[bold]proven[/bold]", "absent": "ruled out", "unknown": "not decided", None: "not decided"}
        for each in data["causes"]:
            cause = each["hypothesis"]["cause"]
            weak = each["verdict"] == "present" and each["hypothesis"]["weak"]
            out.print(f"  {'not planned' if weak else words[each['verdict']]}: [bold]{cause}[/bold]. {escape(each['why'])}")
        if not data["causes"]:
            out.print("  none that the report or the logs point to")
        self.doing = "planning"

    def _plan_sealed(self, data: Mapping[str, Any]) -> None:
        from remediations.engine.render import plan_text

        sealed = _sealed(self.running, data)
        self._head("4 · The plan" if sealed.part == "repair" else "4b · Part two: the move, tried again")
        out.print(plan_text(sealed.plan), markup=False, soft_wrap=True)
        self.doing = "waiting for approval"
        if self._heads(sealed):
            self._ask(sealed)

    def _heads(self, sealed: Sealed) -> bool:
        """Whether it is what a question is about, and not its part two."""
        alone = self.running.ledger.sealed(sealed.run, round=1, part="repair") is None
        return sealed.part == "repair" or sealed.round > 1 or alone

    def _approved(self, data: Mapping[str, Any]) -> None:
        sealed = _sealed(self.running, data)
        if self._heads(sealed):
            self._head("5 · Approval")
            out.print(f"  {escape(data['approver'])} approved {data['digest'][:4]} {data['digest'][4:8]}; a second one has to")
            self._ask(sealed, SECOND)

    def _ask(self, sealed: Sealed, approver: str = APPROVER) -> None:
        from flows.approvals import NotTaken, NotWaiting, answer, client_for, find, run_link

        if self.approve is Approve.UI:
            self._head("5 · Approval")
            link = run_link(self.running.api, sealed.run)
            out.print(f"The run waits for you: open [link={link}]{link}[/link] and press Resume.")
            return
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with client_for(self.running.api) as client:
                try:
                    asked = find(client, sealed.digest, sealed.run)
                    answer(client, asked, "approve", approver=approver, comment="approved by the demo", target=asked.typed)
                except (NotTaken, NotWaiting):
                    time.sleep(0.3)
                else:
                    return
        raise ChildFailed("the run never asked for its approval")

    def _decided(self, data: Mapping[str, Any]) -> None:
        self._head("5 · Approval")
        out.print(f"  {data['decision']} of {data['digest'][:4]} {data['digest'][4:8]} by {escape(data['approver'])}")
        self.doing = "checking that nothing moved since"

    def _step_intended(self, data: Mapping[str, Any]) -> None:
        parts = {each.part for each in self.running.ledger.find_sealed(data["digest"])}
        retry = parts == {"retry"}
        self._head("7b · The move that had failed" if retry else "6 · Each step, written down before it is sent")
        out.print(f"  {data['host']}> {data['command']}", markup=False, soft_wrap=True)
        self.doing = f"{data['host']} is at work"

    def _step_result(self, data: Mapping[str, Any]) -> None:
        mark = "[green]✓[/green]" if data["ok"] else "[red]✗[/red]"
        detail = f": {escape(data['detail'])}" if data["detail"] else ""
        out.print(f"  {mark} known because the host {'shows it' if data['ok'] else 'does not show it'}{detail}")
        self.doing = "reading the hosts again"

    def _verified(self, data: Mapping[str, Any]) -> None:
        if data["part"] == "repair":
            self._head("7 · Verified: the plan, made again on fresh facts")
        mark = "[green]✓[/green]" if data["verdict"] == "absent" else "[red]✗[/red]"
        out.print(f"  {mark} {escape('; '.join(data['why']))}")


def _sealed(running: Running, data: Mapping[str, Any]) -> Sealed:
    (found,) = [each for each in running.ledger.find_sealed(data["digest"]) if each.ask == data["ask"]][:1]
    return found


def _report_of(running: Running, run: str) -> str:
    """The finished report, as the ledger has it."""
    reports = [note.data["markdown"] for note in running.ledger.trail(run) if note.kind == "report"]
    return reports[-1] if reports else "no report was written"


def _keep(running: Running) -> None:
    out.print(f"\nEverything stays up: Prefect {running.ui} · alerts to {running.receiver}\nCtrl-C ends it.")
    while True:
        running.check()
        time.sleep(1)


def _head(title: str) -> None:
    out.print(f"\n[bold cyan]{escape(title)}[/bold cyan]")
