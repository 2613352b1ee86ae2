"""An embedded Prefect server on loopback (SQLite), and the worker that runs flows: both as children of ours."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from remediations.cli.children import Child, ChildFailed
from remediations.settings import ConfigError, Problem

READY_SECONDS = 120.0
"""How long the server may take to answer: 14 s were seen for a first start (its database is made), more on a busy machine."""

OFFLINE = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The newer interface calls a third party from the browser whatever the settings say; it stays reachable under /v2.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
}
"""Nothing is sent anywhere, neither by the server, nor by flows, nor by the browser that shows the pages."""


def client_environment(api: str, home: Path) -> dict[str, str]:
    """Environment of everything that talks to Prefect: ours without other Prefect settings, plus what we rely on."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_") or name in _KEPT}
    return (
        ours
        | OFFLINE
        | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
            "PYTHONUNBUFFERED": "1",
        }
    )


_KEPT = frozenset(
    {
        "PREFECT_API_AUTH_STRING",
        "PREFECT_API_SSL_CERT_FILE",
        "PREFECT_API_TLS_INSECURE_SKIP_VERIFY",
        "PREFECT_CLIENT_CUSTOM_HEADERS",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_ENCRYPTION_KEY",
        "PREFECT_LOGGING_LEVEL",
        "PREFECT_UI_URL",  # links in notifications lead there
    }
)


def start_server(home: Path, *, port: int | None, log: Path) -> tuple[Child, str]:
    """Start a Prefect server on 127.0.0.1 (a free port if none is given); the child and its API's URL. Does not wait."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    port = port or free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = client_environment(api, home) | {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        # Leases in memory, the default, are lost at a restart and leave their slots occupied for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_UI_API_URL": api,
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    return Child("the Prefect server", command, env=env, log=log), api


def start_worker(api: str, home: Path, *, pool: str, limit: int, env: Mapping[str, str], log: Path) -> Child:
    """Start a worker of `pool` that runs up to `limit` flows at once, each a process with `env` on top of ours."""
    command = [sys.executable, "-m", "flows.worker", "--pool", pool, "--limit", str(limit)]
    return Child("the Prefect worker", command, env={**client_environment(api, home), **env}, log=log)


def wait_ready(api: str, child: Child | None, seconds: float = READY_SECONDS) -> None:
    """Wait until the API answers. Raises `ChildFailed` if its server ended or it does not answer within `seconds`.

    Raises `ConfigError` at once where something else answers at an address that a person gave.
    """
    import httpx

    deadline = time.monotonic() + seconds
    problem = ""
    while time.monotonic() < deadline:
        if child is not None:
            child.check()
        try:
            answer = httpx.get(f"{api}/health", timeout=2)
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
        else:
            if answer.is_success and answer.text.strip() == "true":
                return
            if answer.is_success and child is None:
                wrong, right = f"what answers at {api} is no Prefect API", "its address ends with /api"
                raise ConfigError([Problem.of_variable("PREFECT_API_URL", wrong, right)])
            problem = f"HTTP {answer.status_code}"
        time.sleep(0.2)
    where = f"; its log is {child.log}\n{child.tail()}" if child is not None else ""
    raise ChildFailed(f"Prefect at {api} did not answer within {seconds:.0f} s ({problem}){where}")


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
