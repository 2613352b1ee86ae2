"""Several processes read what one would, take no host with them when they die, and end with the block."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator

import pytest

from remediations.engine import readers as module
from remediations.engine.readers import Readers
from remediations.engine.readiness import Scope, assess
from remediations.facts.host import host_processor
from remediations.lab.lab import Lab
from remediations.ledger import utc_now
from remediations.model.readiness import Readiness
from remediations.remoting import Remoting
from remediations.settings import resolve


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(module, "ENOUGH", 1)
    with Lab() as running:
        yield running


def look(lab: Lab, hosts: Remoting, several: Readers) -> Readiness:
    return assess(hosts, lab.site(), Scope(all_vms=True), clock=utc_now, now=time.monotonic, read=several.read)


def test_two_readers_find_what_one_process_finds_and_are_gone_afterwards(lab: Lab) -> None:
    lab.inject("spn_missing")
    lab.server.stop_host("HV02")
    with Remoting(lab.site(), resolve) as hosts:
        alone = assess(hosts, lab.site(), Scope(all_vms=True), clock=utc_now, now=time.monotonic)
    lab.requests.clear()
    with Remoting(lab.site(), resolve) as hosts, Readers(lab.site(), resolve, most=2) as several:
        together = look(lab, hosts, several)
        assert len(multiprocessing.active_children()) == 2
        assert lab.requests.count("HV03", "Create") == 1, "both batches went through one session"
    assert not multiprocessing.active_children()
    assert not lab.server.shells("HV03"), "its session was closed"
    assert together.ways == alone.ways
    assert together.vms == alone.vms
    assert [each.id for each in together.findings] == [each.id for each in alone.findings]
    assert any(host.silent for host in together.hosts)


def test_a_reader_that_was_not_asked_answers_only_its_next_question(lab: Lab) -> None:
    site = lab.site()
    here, there = host_processor("HV01"), host_processor("HV02")
    with Remoting(site, resolve) as hosts, Readers(site, resolve, most=2) as several:
        for asked in ([here, there], [here], [there], [here, there]):
            found = several.read(hosts, site, asked)
            assert set(found.seen) == {each.id for each in asked}
        assert len(multiprocessing.active_children()) == 2


@pytest.mark.long
def test_a_reader_that_is_killed_takes_no_host_with_it(lab: Lab) -> None:
    with Remoting(lab.site(), resolve) as hosts, Readers(lab.site(), resolve, most=2) as several:
        whole = look(lab, hosts, several)
        victim = multiprocessing.active_children()[0]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        again = look(lab, hosts, several)
    assert again.ways == whole.ways
    assert not any(host.silent for host in again.hosts)


@pytest.mark.long
def test_an_interrupt_is_ours_alone_and_leaves_no_reader(lab: Lab) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(lab)
    assert not multiprocessing.active_children()


def _interrupted(lab: Lab) -> None:
    with Remoting(lab.site(), resolve) as hosts, Readers(lab.site(), resolve, most=2) as several:
        look(lab, hosts, several)
        for child in multiprocessing.active_children():  # Ctrl-C at a terminal reaches the readers as well
            os.kill(int(child.pid or 0), signal.SIGINT)
        look(lab, hosts, several)
        assert len(multiprocessing.active_children()) == 2
        raise KeyboardInterrupt


def test_few_hosts_need_no_process() -> None:
    with Lab() as lab, Remoting(lab.site(), resolve) as hosts, Readers(lab.site(), resolve, most=8) as several:
        look(lab, hosts, several)
        assert not multiprocessing.active_children()
        with pytest.raises(ValueError, match="most: -1 is no number of processes"):
            Readers(lab.site(), resolve, most=-1)
