"""Sessions: every way in, warm reuse and its cost, tidiness, and coming back after idleness, restarts and dead sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from remediations.lab.cmdlet import Call
from remediations.model.command import command
from remediations.remoting import RemotingSettings, Unreachable

GET = command("Get-VM", Name="VM42")
WAYS = [
    ("https", "ntlm"),
    ("https", "negotiate"),
    ("https", "basic"),
    ("https", "certificate"),
    ("http", "ntlm"),
    ("http", "negotiate"),
]
SETTINGS = {"connect": 1, "operation": 5, "poll": 1, "slack": 5, "stop": 1, "probe": 2, "in_flight": 0.4}


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it comes true within a few seconds."""
    until = time.monotonic() + 5
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


@pytest.mark.parametrize(("transport", "authentication"), WAYS)
def test_every_way_in_reads_and_changes_as_the_account_that_it_is_given(
    make_rig: Callable[..., Any], transport: str, authentication: str
) -> None:
    rig = make_rig(transport=transport, authentication=authentication)
    assert rig.read(GET)[0].objects == ({"Name": "VM42", "State": "Running"},)
    assert rig.change().objects == ("done",)
    who = r"CONTOSO\svc-local" if authentication == "basic" else r"CONTOSO\svc-migrate"
    assert {entry.principal for entry in rig.lab.journal} == {who}
    rig.remoting.close()
    assert rig.lab.shells("HV01") == ()


@pytest.mark.parametrize("transport", ["https", "http"])
def test_a_warm_read_of_any_number_of_statements_costs_two_requests(make_rig: Callable[..., Any], transport: str) -> None:
    rig = make_rig(transport=transport)
    rig.read(GET)
    rig.cost()
    for statements in (1, 10, 60):
        assert len(rig.read(*[GET] * statements)) == statements
        assert rig.cost() == {"Command": 1, "Receive": 1}


def test_statements_beyond_one_envelope_cost_one_request_for_each_further_envelope(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    rig.read(GET)
    rig.cost()
    long = command("Get-ADComputer", Identity="HV01", Properties=tuple(f"{number:04}" + "p" * 96 for number in range(8000)))
    assert rig.read(GET, long)[1].ok
    (sent, *_) = rig.lab.journal.executed("Get-ADComputer")
    assert list(sent.parameters["Properties"]) == list(long.parameters["Properties"])
    assert rig.cost() == {"Command": 1, "Send": 2, "Receive": 1}


def test_finished_commands_never_pile_up_on_a_busy_host(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(settings=RemotingSettings(**SETTINGS, tidy_after=30, leftovers=3))
    for _ in range(10):
        rig.read(GET)
    assert rig.cost()["Signal"] == 7


def test_finished_commands_are_cleared_when_it_is_quiet(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(settings=RemotingSettings(**SETTINGS, tidy_after=0.05))
    rig.read(GET)
    rig.read(GET)
    assert soon(lambda: rig.lab.requests.count("HV01", "Signal") == 2)
    assert rig.read(GET)[0].ok


def test_a_session_that_is_not_used_is_closed_and_a_new_one_opened_when_needed(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(settings=RemotingSettings(**SETTINGS, tidy_after=0.01, close_after=0.1))
    rig.read(GET)
    assert soon(lambda: rig.lab.shells("HV01") == ())
    assert rig.read(GET)[0].ok


def test_an_idle_session_is_proven_alive_before_it_is_used(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(settings=RemotingSettings(**SETTINGS, tidy_after=30, probe_after=0))
    rig.read(GET)
    rig.cost()
    rig.read(GET)
    assert rig.cost() == {"Get": 1, "Command": 1, "Receive": 1}


@pytest.mark.parametrize("transport", ["https", "http"])
@pytest.mark.parametrize("how", ["read", "change"])
def test_a_connection_that_died_while_idle_is_made_anew_and_the_shell_kept(
    make_rig: Callable[..., Any], transport: str, how: str
) -> None:
    rig = make_rig(transport=transport, settings=RemotingSettings(**SETTINGS, tidy_after=30, probe_after=0))
    rig.read(GET)
    before = rig.lab.shells("HV01")
    rig.lab.idle("HV01", 120)
    rig.cost()
    if how == "read":
        assert rig.read(GET)[0].ok
    else:
        rig.change()
        assert rig.executed == 1
    assert rig.lab.shells("HV01") == before
    assert rig.cost()["Command"] == 1


def test_an_encrypted_connection_that_died_unnoticed_costs_a_read_one_repetition(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(transport="http")
    rig.read(GET)
    rig.lab.idle("HV01", 120)
    assert rig.read(GET)[0].ok
    assert len(rig.lab.journal.executed("Get-VM")) == 2
    assert len(rig.lab.shells("HV01")) == 1


@pytest.mark.parametrize("how", ["read", "change"])
@pytest.mark.parametrize("event", ["restart", "service"])
def test_a_restarted_host_gets_a_new_session(make_rig: Callable[..., Any], how: str, event: str) -> None:
    rig = make_rig()
    rig.read(GET)
    if event == "restart":
        rig.lab.stop_host("HV01")
        with pytest.raises(Unreachable, match="refused"):
            rig.change()
        rig.lab.start_host("HV01")
    else:
        rig.lab.kill_shells("HV01")
    if how == "read":
        assert rig.read(GET)[0].ok
    else:
        rig.change()
        assert rig.executed == 1


def test_hosts_are_asked_at_the_same_time(make_rig: Callable[..., Any]) -> None:
    names = ("HV01", "HV02", "HV03")
    arrived: set[str] = set()
    everyone = asyncio.Event()

    async def meet(call: Call) -> None:
        arrived.add(call.host)
        if len(arrived) == len(names):
            everyone.set()
        await everyone.wait()
        call.output(call.host)

    rig = make_rig(hosts=names, extra={"Get-Cluster": meet})
    asked = [rig.remoting.submit(name, [command("Get-Cluster")], deadline=8) for name in names]
    assert [future.result()[0].objects for future in asked] == [(name,) for name in names]


def test_many_threads_at_one_host_each_get_their_own_answer(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()

    def ask(number: int) -> tuple[Any, ...]:
        return tuple(rig.read(command("Get-VM", Name=f"vm{number}"))[0].objects)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(40)))
    assert [answer[0]["Name"] for answer in answers] == [f"vm{number}" for number in range(40)]
    assert len(rig.lab.shells("HV01")) == 1


def test_hosts_are_named_as_in_the_inventory(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    assert rig.read(GET, host="hv01.contoso.com")[0].ok
    with pytest.raises(LookupError, match=r"HV99 is not in the inventory \(site.yaml has HV01\)"):
        rig.read(GET, host="HV99")


def test_it_says_as_whom_it_acts(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    assert rig.remoting.identity("hv01") == r"CONTOSO\svc-migrate at HV01, configuration Microsoft.PowerShell"
    certificate = make_rig(authentication="certificate")
    assert certificate.remoting.identity("HV01").startswith("holder of certificate ")


def test_what_is_closed_says_so(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    rig.remoting.close()
    with pytest.raises(RuntimeError, match="closed"):
        rig.read(GET)
