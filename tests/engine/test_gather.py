"""A host that neither answers nor fails is silent, and says why; no other host is given what it left unknown."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from pytest_mock import MockerFixture

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Repair
from remediations.engine.gather import gather, queries_of
from remediations.engine.readiness_findings import by_silence, silence_of
from remediations.engine.recording import Recording
from remediations.facts.network import interfaces
from remediations.facts.vm import virtual_machine
from remediations.lab.lab import Lab
from remediations.model.command import Command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Unknown
from remediations.model.incident import Incident
from remediations.model.plan import Verdict
from remediations.model.readiness import Finding, Level
from remediations.model.reply import Reply


class Hanging:
    """Hosts whose answers never come."""

    def submit(self, host: str, commands: Sequence[Command], *, deadline: float) -> Future[list[Reply]]:
        """As `Reading.submit`."""
        del host, commands, deadline
        return Future()

    collect = submit  # type: ignore[assignment] # as little comes of that

    def identity(self, host: str) -> str:
        """As `Reading.identity`."""
        return host


def test_a_host_that_hangs_is_silent_and_says_so(mocker: MockerFixture) -> None:
    mocker.patch("remediations.engine.gather.PATIENCE", 0.01)
    with Lab() as lab:
        site = lab.site()
    recording = Recording(Hanging())
    asked = [interfaces("HV01"), interfaces("HV02")]
    found = gather(recording, site, asked)
    why = {host: f"{host} did not answer within 0.01 s" for host in ("HV01", "HV02")}
    assert found.silent == why
    assert [found.of(query) for query in asked] == [Unknown(reason=each) for each in why.values()]
    assert {each.trouble for each in recording.heard(0.01)["HV01"]} == {why["HV01"]}, "played again it says the same"


class Saying:
    """Hosts that answer every command with this."""

    def __init__(self, said: object) -> None:
        self.reply = Reply(objects=(said,))

    def submit(self, host: str, commands: Sequence[Command], *, deadline: float) -> Future[list[Reply]]:
        """As `Reading.submit`."""
        del host, deadline
        answer: Future[list[Reply]] = Future()
        answer.set_result([self.reply for _ in commands])
        return answer

    collect = submit  # type: ignore[assignment] # as little comes of that

    def identity(self, host: str) -> str:
        """As `Reading.identity`."""
        return host


@pytest.mark.parametrize("said", ["Welcome to HV01", None, 5, [], {}], ids=repr)
def test_what_is_no_answer_to_what_was_asked_is_not_known_and_ends_nothing(said: object) -> None:
    with Lab() as lab:
        site = lab.site()
    incident = Incident(vm="VM42", source="HV01", destination="HV02")
    repairs = [each for each in CATALOGUE.values() if issubclass(each, Repair)]
    asked = list(queries_of(one.reads(site, Evidence()) for each in repairs for one in each.for_incident(incident, site)))
    found = gather(Saying(said), site, asked)
    (machine,) = (found.of(query) for query in asked if query.id == virtual_machine("VM42", "HV01").id)
    assert isinstance(machine, Unknown)


def test_a_silence_without_a_reason_takes_no_finding_of_others() -> None:
    silent = {host: silence_of(host, why) for host, why in (("HV01", ""), ("HV02", "HV02 did not answer"))}
    reasons = {"HV01": "", "HV02": "HV02 did not answer"}

    def unknown(why: str) -> Finding:
        return Finding(id=why, level=Level.UNKNOWN, verdict=Verdict.UNKNOWN, remediation="", title="", why=(why,))

    own = unknown("the module of HV03 could not be read: no such command")
    assert by_silence(own, reasons, silent) is own
    theirs = unknown("networks of HV02 could not be read: HV02 did not answer")
    assert by_silence(theirs, reasons, silent) is silent["HV02"]
