"""Names as Windows' DNS client answers: what is there, what is not there, and what was not answered."""

from __future__ import annotations

from typing import Any

import pytest

from remediations.facts.names import NamesSeen, NameView, name_view, names_seen, names_seen_each
from remediations.facts.query import Unreadable
from remediations.model.reply import HostError, Reply
from remediations.model.site import Site

END = {"address": "a", "username": "u", "password": {"env": "P"}}
SITE = Site.model_validate(
    {
        "domain": "contoso.com",
        "hosts": [{"name": name, "endpoint": END} for name in ("HV03", "HV04")],
        "controllers": [{"name": "DC1", "endpoint": END}],
    }
)
NAME = "hv04.contoso.com"
A = {"Name": NAME, "Type": "A", "TTL": 1200, "Section": "Answer", "IPAddress": "10.0.10.4", "IP4Address": "10.0.10.4"}
AAAA = {"Name": NAME, "Type": "AAAA", "TTL": 1200, "Section": "Answer", "IPAddress": "fd00:10::4", "IP6Address": "fd00:10::4"}
ALIAS = {"Name": NAME, "Type": "CNAME", "TTL": 1200, "Section": "Answer", "NameHost": "old04.contoso.com"}
AUTHORITY = {"Name": "contoso.com", "Type": "SOA", "Section": "Authority", "PrimaryServer": "dc1.contoso.com"}
NO_NAME, NO_RECORD = "DNS_ERROR_RCODE_NAME_ERROR", "DNS_ERROR_RECORD_DOES_NOT_EXIST"


def answered(*objects: Any) -> Reply:
    return Reply(objects=objects)


def failed(error_id: str) -> Reply:
    return Reply(errors=(HostError(message=f"{NAME} : Der DNS-Name ist nicht vorhanden.", error_id=error_id),))


def cached(entry: str, status: str = "Success") -> Reply:
    return answered({"Entry": entry, "RecordName": entry, "RecordType": 1, "Status": status, "Section": "Answer"})


def view(seen: Reply, past: Reply, cache: Reply, served: Reply | None) -> NameView:
    found = name_view("HV03", "HV04", SITE).parse([seen, past, cache, *([served] if served else [])])
    assert isinstance(found, NameView)
    return found


def test_the_questions_are_as_programs_see_it_past_the_hosts_file_the_cache_and_the_server() -> None:
    asked = [each.text for each in name_view("HV03", "HV04", SITE).commands]
    assert len(asked) == 4
    assert all(NAME in text for text in (asked[0], asked[1], asked[3]))
    assert "-NoHostsFile" in asked[1]
    assert asked[2] == "Get-DnsClientCache"
    assert "dc1" in asked[3].casefold()
    alone = SITE.model_copy(update={"controllers": ()})
    assert len(name_view("HV03", "HV04", alone).commands) == 3


@pytest.mark.parametrize(
    ("reply", "addresses"),
    [
        (answered(A), {"10.0.10.4"}),
        (answered(A, AAAA), {"10.0.10.4", "fd00:10::4"}),
        (answered(ALIAS, A), {"10.0.10.4"}),
        (answered(AUTHORITY), set()),
        (answered(), set()),
        (failed(NO_NAME), set()),
        (failed(NO_RECORD), set()),
        (failed("DNS_INFO_NO_RECORDS"), set()),
    ],
)
def test_addresses_are_those_of_its_records_and_none_is_an_answer(reply: Reply, addresses: set[str]) -> None:
    found = view(reply, answered(A), answered(), reply)
    assert found.seen == addresses
    assert found.served == addresses


@pytest.mark.parametrize("error_id", ["ERROR_TIMEOUT", "DNS_ERROR_RCODE_SERVER_FAILURE", "CommandNotFoundException"])
def test_a_question_without_an_answer_is_not_taken_for_no_such_name(error_id: str) -> None:
    with pytest.raises(Unreadable):
        view(failed(error_id), answered(A), answered(), answered(A))
    with pytest.raises(Unreadable):
        view(answered(A), failed(error_id), answered(), answered(A))
    assert view(answered(A), answered(A), answered(), failed(error_id)).served is None


def test_a_hosts_file_shows_in_what_differs_without_it() -> None:
    found = view(answered({**A, "IPAddress": "10.0.10.2"}), answered(A), answered(), answered(A))
    assert (found.seen, found.past_hosts_file) == ({"10.0.10.2"}, {"10.0.10.4"})
    assert (found.subject, found.host, found.name) == (f"HV03/{NAME}", "HV03", NAME)


@pytest.mark.parametrize(
    ("cache", "remembered"),
    [
        (cached(NAME), True),
        (cached("HV04.Contoso.com."), True),
        (cached(NAME, "NotExist"), True),
        (cached("hv04.fabrikam.com"), False),
        (cached("hv040.contoso.com"), False),
        (answered(), False),
    ],
)
def test_the_cache_remembers_by_name_whether_found_or_not(cache: Reply, remembered: bool) -> None:
    assert view(answered(A), answered(A), cache, None).remembered is remembered
    assert view(answered(A), answered(A), cache, None).served is None


def test_a_cache_that_cannot_be_read_is_not_empty() -> None:
    with pytest.raises(Unreadable):
        view(answered(A), answered(A), failed("AccessDenied"), None)


def record(name: str, addresses: Any, error: str = "") -> dict[str, Any]:
    return {
        "Name": name,
        "Addresses": addresses,
        "Error": f"{error},Microsoft.DnsClient.Commands.ResolveDnsName" if error else "",
    }


@pytest.mark.parametrize(
    ("told", "singly", "found"),
    [
        (record("a.contoso.com", ["10.0.10.4", "fd00:10::4"]), answered(A, AAAA), {"10.0.10.4", "fd00:10::4"}),
        (record("a.contoso.com", "10.0.10.4"), answered(A), {"10.0.10.4"}),
        (record("a.contoso.com", []), answered(AUTHORITY), set()),
        (record("a.contoso.com", None, NO_NAME), failed(NO_NAME), set()),
        (record("a.contoso.com", [], NO_RECORD), failed(NO_RECORD), set()),
        (record("a.contoso.com", [], "ERROR_TIMEOUT"), failed("ERROR_TIMEOUT"), None),
        (record("a.contoso.com", [], "DNS_ERROR_RCODE_SERVER_FAILURE"), failed("DNS_ERROR_RCODE_SERVER_FAILURE"), None),
    ],
)
def test_many_names_are_told_alike_at_once_and_singly(told: dict[str, Any], singly: Reply, found: set[str] | None) -> None:
    """A name that could not be asked for is left out; the module asks no further once a server does not answer at all."""
    names = ("a.contoso.com", "b.contoso.com")
    # It stops after the first that no server answers for.
    all_told = [told] if told["Error"].startswith("ERROR_TIMEOUT") else [told, record("b.contoso.com", [], "ERROR_TIMEOUT")]
    at_once = names_seen("HV03", names).parse([answered(*all_told)])
    assert isinstance(at_once, NamesSeen)
    assert at_once.unanswered.startswith("names cannot be resolved on HV03: its DNS servers do not answer")
    assert at_once.found == ({} if found is None else {"a.contoso.com": found})
    each = names_seen_each("HV03", names).parse([singly, failed("ERROR_TIMEOUT")])
    assert each == at_once


def test_a_host_without_the_module_tells_no_names() -> None:
    with pytest.raises(Unreadable):
        names_seen("HV03", ("a.contoso.com",)).parse([failed("CommandNotFoundException")])


def test_what_stands_under_a_name_has_one_order_whichever_way_its_set_goes_round() -> None:
    addresses = [f"10.0.0.{number}" for number in range(40)]
    seen = NamesSeen(subject="HV01", found={"hv04.contoso.com": frozenset(addresses), "gone.contoso.com": frozenset()})
    assert seen.to_json()["found"] == {"hv04.contoso.com": sorted(addresses), "gone.contoso.com": []}
