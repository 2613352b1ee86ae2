"""What logs show and what they never show."""

import io
import json
import logging
from collections.abc import Callable
from datetime import date
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from remediations import logs, redaction
from remediations.model.site import SecretRef
from remediations.redaction import clean, hide, register_secret

SECRET = 'c4nary & "quoted" <pass>/wörd'


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@pytest.fixture(autouse=True)
def _no_secrets_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_secrets", redaction._Secrets())


@pytest.fixture(params=["json", "pretty"])
def stream(request: pytest.FixtureRequest) -> io.StringIO:
    register_secret(SECRET)
    stream = io.StringIO()
    logs.configure(pretty=request.param == "pretty", stream=stream)
    return stream


def logged(say: Callable[[Any], None], **options: Any) -> dict[str, Any]:
    stream = io.StringIO()
    logs.configure(pretty=False, stream=stream, **options)
    say(structlog.stdlib.get_logger("remediations.test"))
    (line,) = stream.getvalue().splitlines()
    event: dict[str, Any] = json.loads(line)
    return event


def raised(message: str) -> None:
    raise RuntimeError(message)


@pytest.mark.parametrize("text", ["http://u:pw@h", "see:http://u:pw@h", "--http://u:pw@h", "v1.http://u:pw@h", "A+b://:pw@h"])
def test_the_password_of_every_url_is_hidden(text: str) -> None:
    assert hide(text) == text.replace("pw", "***")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("again", ["a.", "-a", "a://b:", ":"])
def test_no_text_takes_long_to_clear(again: str) -> None:
    """One whose time grows with the square of its length would take many minutes of this one."""
    text = "a://" + again * 100_000
    assert len(hide(text)) == len(text), "there is nothing to hide in it"


def test_one_json_object_a_line() -> None:
    event = logged(lambda log: log.info("step done", host="HV01", took=1.5, ids={3}, id=UUID(int=1), vm="VM – 42"))
    stamp = event.pop("timestamp")
    assert stamp.endswith("Z")
    assert event == {
        "event": "step done", "level": "info", "logger": "remediations.test",
        "host": "HV01", "took": 1.5, "ids": [3], "id": str(UUID(int=1)), "vm": "VM – 42",
    }  # fmt: skip


def test_logging_of_libraries_goes_the_same_way() -> None:
    event = logged(lambda _: logging.getLogger("some.library").warning("%s - %d", "10.0.0.1", 404))
    assert (event["event"], event["level"], event["logger"]) == ("10.0.0.1 - 404", "warning", "some.library")


def test_levels_count() -> None:
    stream = io.StringIO()
    logs.configure(pretty=False, stream=stream, level="WARNING")
    structlog.stdlib.get_logger("remediations.test").info("quiet")
    logging.getLogger("other").info("quiet")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "say",
    [
        lambda log: log.info(f"connecting with {SECRET}"),
        lambda log: log.info("connecting with %s", SECRET),
        lambda log: log.info("x", note=SECRET),
        lambda log: log.info("x", **{SECRET: 1}),
        lambda log: log.info("x", deep={"a": [{"b": (SECRET, SECRET.encode())}], SECRET: {SECRET}}),
        lambda log: log.info("x", path=PurePosixPath(SECRET), error=ValueError(SECRET), own=SimpleNamespace(value=SECRET)),
        lambda log: log.info("x", sent=json.dumps({"value": SECRET})),
        lambda log: log.info("x", sent=json.dumps({"value": SECRET}, ensure_ascii=False)),
        lambda log: log.info("x", xml=SECRET.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")),
        lambda log: log.info("x", url="http://h/?p=c4nary%20%26%20%22quoted%22%20%3Cpass%3E%2Fw%C3%B6rd"),
        lambda log: log.info("x", url="http://h/?p=c4nary+%26+%22quoted%22+%3Cpass%3E%2Fw%C3%B6rd"),
        lambda log: log.info("x", header="Basic YzRuYXJ5ICYgInF1b3RlZCIgPHBhc3M+L3fDtnJk"),
        lambda log: log.info("x", ledger="postgresql+psycopg://remediate:c4nary-of-url@db/ledger"),
        lambda log: log.info("x", password="c4nary-of-key"),
        lambda log: log.info("x", request={"Authorization": "Bearer c4nary", "api-key": "c4nary", "user_password": 4711}),
        lambda _: logging.getLogger("library").info("with %s", SECRET),
        lambda _: logging.getLogger("library").info("with %r", ValueError(SECRET)),
        lambda _: logging.getLogger("library").info("%(a)s", {"a": SECRET}),
    ],
)
def test_no_secret_is_shown(say: Callable[[Any], None], stream: io.StringIO) -> None:
    say(structlog.stdlib.get_logger("remediations.test"))
    text = stream.getvalue()
    assert "***" in text
    for part in ("c4nary", "quoted", "YzRu", "4711"):
        assert part not in text


@pytest.mark.parametrize("logger", [structlog.stdlib.get_logger("remediations.test"), logging.getLogger("library")])
def test_no_secret_is_shown_in_a_traceback(logger: Any, stream: io.StringIO) -> None:
    try:
        raised(f"refused {SECRET}")
    except RuntimeError:
        logger.exception("it failed")
    assert "RuntimeError: refused ***" in stream.getvalue()
    assert "c4nary" not in stream.getvalue()


def test_other_handlers_get_no_secret_either(stream: io.StringIO) -> None:
    """Prefect sends what its loggers say to its server; they are not ours."""
    other = io.StringIO()
    handler = logging.StreamHandler(other)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("prefect.flow_runs.test")
    logger.addHandler(handler)
    try:
        try:
            raised(SECRET)
        except RuntimeError as error:
            logger.exception("ended with %s: %s", SECRET, error)  # noqa: TRY401 (that it may be an argument is the point)
    finally:
        logger.removeHandler(handler)
    assert other.getvalue().startswith("ended with ***: ***\nTraceback")
    assert "c4nary" not in other.getvalue()


def test_arguments_that_are_no_text_stay_what_they_are() -> None:
    """uvicorn's own access formatter takes its arguments apart."""
    logs.configure(pretty=False, stream=io.StringIO())
    record = logging.getLogRecordFactory()("uvicorn.access", logging.INFO, "", 0, '%s - "%s" %d', ("a", "GET /", 200), None)
    assert record.args == ("a", "GET /", 200)


@pytest.mark.parametrize(
    "text",
    ["a\nlevel=error forged", "a\r\nb", "\x1b[2Jcleared", "\x9b2J", "a\u2028b", "a\u202eb", "a\x00b", "a\ud800b", "\x7f"],
)
def test_no_text_can_forge_a_line_or_move_the_cursor(text: str, stream: io.StringIO) -> None:
    log = structlog.stdlib.get_logger("remediations.test")
    log.info(text, message=text, **{f"k{text}": 1})
    log.info("next")
    shown = stream.getvalue()
    assert [line for line in shown.split("\n") if "next" in line] == [shown.split("\n")[1]]
    assert len(shown.splitlines()) == 2
    assert not set(shown) & (set(text) - set("\n ") - {char for char in text if char.isascii() and char.isprintable()})
    shown.encode()


def test_a_traceback_cannot_pass_for_events(stream: io.StringIO) -> None:
    try:
        raised("x\n2026-01-01 [info     ] all is well\x1b[31m")
    except RuntimeError:
        structlog.stdlib.get_logger("remediations.test").exception("it failed")
    first, *rest = stream.getvalue().splitlines()
    assert "it failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_local_variables_are_not_shown(stream: io.StringIO) -> None:
    def deep() -> None:
        unregistered = "l0cal-" + "value"
        raise RuntimeError(str(len(unregistered)))

    try:
        deep()
    except RuntimeError:
        structlog.stdlib.get_logger("remediations.test").exception("it failed")
    assert "RuntimeError: 11" in stream.getvalue()
    assert "l0cal-value" not in stream.getvalue()


def test_a_reference_under_a_secret_key_is_hidden_and_booleans_are_not() -> None:
    assert clean({"password": SecretRef(env="PW"), "token": None, "has_password": True}) == {
        "password": "***", "token": None, "has_password": True,
    }  # fmt: skip


def test_dates_and_ids_are_written_plainly() -> None:
    number = UUID("12345678-1234-5678-1234-567812345678")
    assert clean({"day": date(2026, 3, 1), "id": number}) == {"day": "2026-03-01", "id": str(number)}


def test_a_secret_in_another_one_leaves_nothing_of_the_longer() -> None:
    for secret in ("hunter2", "hunter2-and-more", "and-more"):
        register_secret(secret)
    assert hide("hunter2-and-more, hunter2") == "***, ***"


def test_what_is_too_short_to_be_a_secret_blots_out_nothing() -> None:
    register_secret("abc")
    assert hide("abc of abcdef") == "abc of abcdef"


@given(secret=st.text(min_size=4), before=st.text(), after=st.text())
def test_a_registered_secret_never_comes_through(secret: str, before: str, after: str) -> None:
    secrets = redaction._Secrets()
    secrets.add(secret)
    shown = secrets.hide(f"{before}{secret}{after}")
    assert all(secret not in part for part in shown.split("***")) or set(secret) <= {"*"}


def test_inside_a_prefect_run_events_say_which_and_show_in_its_log(mocker: MockerFixture) -> None:
    """Prefect's server is the edge that is not real here; its contexts and its log handler are."""
    from prefect import context
    from prefect.logging.handlers import APILogHandler

    run = SimpleNamespace(id=UUID(int=7), name="wise-owl")
    sent: list[str] = []
    mocker.patch.object(APILogHandler, "emit", lambda self, record: sent.append(self.format(record)))
    mocker.patch.object(context.FlowRunContext, "get", return_value=SimpleNamespace(flow_run=run))
    mocker.patch.object(context.TaskRunContext, "get", return_value=None)
    register_secret(SECRET)
    event = logged(lambda log: log.info("step done", host="HV01", note=SECRET))
    assert (event["flow_run"], event["flow_run_id"]) == ("wise-owl", str(UUID(int=7)))
    assert sent == ["step done host=HV01 note=***"]


def test_outside_a_run_prefect_is_not_asked(mocker: MockerFixture) -> None:
    from prefect.logging.handlers import APILogHandler

    emit = mocker.patch.object(APILogHandler, "emit")
    event = logged(lambda log: log.info("step done"))
    assert "flow_run_id" not in event
    emit.assert_not_called()
