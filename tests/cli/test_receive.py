"""`remediate receive` as a process of its own: no Prefect, one ledger, TLS, several processes on one port."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import trustme

from flows.runtime import configuration
from remediations.cli.receiving import application, in_background, listener
from remediations.ledger import Ledger, OpenIncident
from remediations.model.incident import Incident
from remediations.settings import ConfigError, Settings

CONFIGS = Path(__file__).parents[2] / "configs"
TOKEN = "t0ken-of-receive"
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    shutil.copytree(CONFIGS, tmp_path / "configs")
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REMEDIATE_", "PREFECT_"))}
    return kept | {
        "REMEDIATE_CONFIG": str(tmp_path / "configs"),
        "REMEDIATE_STATE": str(tmp_path / "state"),
        "REMEDIATE_RECEIVER_PORT": "0",
        "REMEDIATE_RECEIVER_TOKEN_FILE": str(tmp_path / "token"),
    }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts it, and gives the process and its URL once it listens; ends what it started."""
    started: list[subprocess.Popen[str]] = []
    log = tmp_path / "receive.log"

    def starts(*arguments: str, **variables: str) -> tuple[subprocess.Popen[str], str]:
        with log.open("w") as output:
            command = [sys.executable, "-m", "remediations.cli", "receive", *arguments]
            process = subprocess.Popen(command, env=environment | variables, stdout=output, stderr=output, text=True)
        started.append(process)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = re.search(r"alerts to +(\S+)", log.read_text())
            if found:
                return process, found[1]
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        pytest.fail(log.read_text())

    yield starts
    for each in started:
        if each.poll() is None:
            each.terminate()
            each.wait(30)


def eventually_posted(url: str, vm: str, **options: object) -> httpx.Response:
    """Sent until somebody listens: a sender would do so too."""
    end = time.monotonic() + 60
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, **options) as client:
        while True:
            try:
                return client.post(f"{url}/event", json={"vm": vm})
            except httpx.TransportError:
                assert time.monotonic() < end
                time.sleep(0.1)


def test_alone_with_tls_it_writes_to_the_ledger_and_ends_when_told(start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    with (tmp_path / "cert.pem").open("wb") as chain:
        for blob in certificate.cert_chain_pems:
            chain.write(blob.bytes())
    files = {"REMEDIATE_RECEIVER_CERTIFICATE": str(tmp_path / "cert.pem"), "REMEDIATE_RECEIVER_KEY": str(tmp_path / "key.pem")}
    files["PYTHONPROFILEIMPORTTIME"] = "1"
    process, url = start(**files)
    assert url.startswith("https://127.0.0.1:")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    answer = eventually_posted(url, "VM42", verify=ssl.create_default_context(cafile=str(tmp_path / "ca.pem")))
    assert answer.status_code == 202
    with Ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.db'}") as ledger:
        assert [each.id for each in ledger.open_incidents()] == [answer.json()["accepted"][0]["incident"]]
    imported = (tmp_path / "receive.log").read_text()
    assert "fastapi" in imported
    assert not re.search(r"\| +prefect\b", imported)
    assert not (tmp_path / "state" / "prefect").exists()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_several_processes_share_the_port_and_one_that_dies_is_started_again(start: Start, tmp_path: Path) -> None:
    process, url = start("--workers", "2")
    assert eventually_posted(url, "VM1").status_code == 202
    children = [int(each) for each in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(children) == 2
    os.kill(children[0], signal.SIGKILL)
    answers = [eventually_posted(url, f"VM{number}") for number in range(2, 12)]
    assert {each.status_code for each in answers} == {202}
    with Ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.db'}") as ledger:
        assert len(ledger.open_incidents()) == 11
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not any(Path(f"/proc/{each}").exists() for each in children)


EVERYWHERE = {"REMEDIATE_RECEIVER_ADDRESS": "0.0.0.0"}  # noqa: S104 (never bound: it is refused before)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (EVERYWHERE | {"REMEDIATE_RECEIVER_TOKEN_FILE": ""}, "would let everybody in at 0.0.0.0 without a token"),
        (EVERYWHERE, "in the clear at 0.0.0.0; set REMEDIATE_RECEIVER_CERTIFICATE and _KEY, or REMEDIATE_RECEIVER_PROXY if"),
        (
            {"REMEDIATE_RECEIVER_CERTIFICATE": "/nowhere/cert.pem", "REMEDIATE_RECEIVER_KEY": "/nowhere/key.pem"},
            "REMEDIATE_RECEIVER_CERTIFICATE: /nowhere/cert.pem cannot be read (No such file or directory); name a PEM file",
        ),
        (
            {"REMEDIATE_RECEIVER_CERTIFICATE": __file__, "REMEDIATE_RECEIVER_KEY": __file__},
            f"REMEDIATE_RECEIVER_CERTIFICATE: {__file__} and {__file__} cannot be used",
        ),
        (
            {"REMEDIATE_RECEIVER_TOKEN_FILE": "/nowhere/token"},
            "REMEDIATE_RECEIVER_TOKEN_FILE: secret file /nowhere/token: No such file or directory; nobody could send an alert",
        ),
        (
            {"REMEDIATE_RECEIVER_SECRET_ENV": "NOT_SET"},
            "REMEDIATE_RECEIVER_SECRET_ENV: environment variable NOT_SET is not set or empty",
        ),
        ({"REMEDIATE_RECEIVER_ADDRESS": "127.0.0.1", "REMEDIATE_RECEIVER_PORT": "{taken}"}, "is another `remediate serve` or"),
    ],
)
def test_it_does_not_start_where_it_would_not_be_safe(
    variables: dict[str, str], words: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in (environment | variables).items():
            monkeypatch.setenv(name, value.replace("{taken}", str(taken.getsockname()[1])))
        with pytest.raises(ConfigError, match=re.escape(words)):
            listener(Settings.load())


@pytest.mark.parametrize(("proxy", "statuses"), [("127.0.0.1", [202, 429, 202]), ("127.0.0.9", [202, 429, 429])])
def test_the_rate_is_that_of_whom_a_proxy_speaks_for_if_it_is_ours(
    proxy: str, statuses: list[int], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "REMEDIATE_RECEIVER_PROXY": proxy,
        "REMEDIATE_RECEIVER_RATE": "0.001",
        "REMEDIATE_RECEIVER_ADDRESS": "127.0.0.1",
    }
    for name, value in (environment | variables).items():
        monkeypatch.setenv(name, value)
    found = Settings.load()
    taken = itertools.count()

    def take_in(incidents: Sequence[Incident]) -> list[OpenIncident]:
        return [OpenIncident(id=f"I{next(taken)}", incident=each, opened_at=datetime.now(UTC)) for each in incidents]

    app = application(found, configuration(), take_in)
    with (
        closing(listener(found)) as listening,
        in_background(found, app, listening) as url,
        httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}) as client,
    ):
        answers = [
            client.post(f"{url}/event", json={"vm": "VM1"}, headers={"X-Forwarded-For": sender}).status_code
            for sender in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
        ]
    assert answers == statuses
