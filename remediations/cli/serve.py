"""`remediate serve`: everything that production needs on one machine, in one command, with nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from remediations.cli.children import Child, ChildFailed, until_told
from remediations.cli.console import Exit, err, fail, progress
from remediations.cli.prefect_server import client_environment, start_server, start_worker, wait_ready
from remediations.cli.receiving import application, in_background, listener
from remediations.cli.sweep import sweeping
from remediations.settings import ConfigError, Configuration, Problem, Settings
from remediations.settings.environment import SERVING

if TYPE_CHECKING:
    from flows.dispatch import Dispatcher
    from remediations.ledger import Ledger
    from remediations.model.site import Site

T = TypeVar("T")
Observe = Callable[[str, Callable[[], Any]], Any]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Running:
    """What is up: where Prefect answers, where alerts go, and the ledger behind both."""

    api: str
    receiver: str
    ledger: Ledger
    dispatcher: Dispatcher
    server: Child | None
    """The embedded Prefect server; none if an existing one is used."""
    worker: Worker

    def check(self) -> None:
        """Start the worker again if it ended. Raises `ChildFailed` if the Prefect server did."""
        if self.server is not None:
            self.server.check()
        self.worker.keep()

    @property
    def ui(self) -> str:
        """Prefect's user interface."""
        return self.api.removesuffix("/api")


def serve(*, port: int | None, limit: int) -> int:
    """Run until Ctrl-C or SIGTERM; the exit code. 1 if a part of it died, which a service manager should restart."""
    from flows.runtime import configuration, configure_logs

    configure_logs(stream=sys.stderr)
    os.umask(0o077)  # logs and pages name hosts and machines: they are for this account, and for nobody else here
    found = Settings.load()
    site = configuration()
    try:
        with until_told(), serving(found, site, port=port, limit=limit) as running:
            err.print(f"\nPrefect    {running.ui}\nalerts to  {running.receiver}\nstate in   {found.state}", markup=False)
            err.print("Ctrl-C ends it.")
            while True:
                running.check()
                time.sleep(1)
    except KeyboardInterrupt:
        err.print("stopped; nothing is left running")
        return Exit.DONE
    except ChildFailed as error:
        fail(str(error), Exit.FAILED)


@contextlib.contextmanager
def serving(
    found: Settings,
    configuration: Configuration,
    *,
    port: int | None = None,
    limit: int = 4,
    observe: Observe = progress,
) -> Iterator[Running]:
    """Prefect, its deployments and a worker, the receiver, the dispatcher and the sweep, for as long as the block lasts.

    Raises `ConfigError` if a setting keeps one of them from starting, before any of them has; `ChildFailed` if one does not
    come up, `Refused` if the ledger is older than what was published of it. At the end all of it is stopped, within about
    half a minute.
    """
    from prefect.context import refresh_global_settings_context

    from flows.answering import desk_of, hearing
    from flows.pause import switches
    from remediations.alerts.approvals import approvals
    from remediations.alerts.metrics import Metrics, shown_in
    from remediations.ledger import Ledger
    from remediations.ledger.published import Published

    api, server = found.named_prefect(), None
    state = found.make_state().resolve()
    home, logs_in = state / "prefect", state / "logs"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone_in(state))
        listening = stack.enter_context(contextlib.closing(listener(found)))
        if api is None and port is not None:
            _refuse_taken(port)
        ledger = stack.enter_context(Ledger(found.ledger_url))
        Published(state).check(ledger)
        if api is None:
            server, api = start_server(home, port=port, log=logs_in / "prefect-server.log")
            stack.callback(server.stop)
        os.environ.update(client_environment(api, home))
        refresh_global_settings_context()  # Prefect read its settings when it was imported: its own server was not known then
        starting = "start Prefect" if server is not None else f"wait for Prefect at {api} (PREFECT_API_URL)"
        observe(starting, lambda: wait_ready(api, server))
        deployment = observe("register the flows", lambda: _register(api, configuration.site))
        _check_blocks(configuration)
        site = {
            "REMEDIATE_CONFIG": str(configuration.directory.resolve()),
            "REMEDIATE_STATE": str(state),
            "REMEDIATE_LEDGER": found.ledger_url,
            "REMEDIATE_KEY_FILE": str(found.key.resolve()),
        }
        worker = stack.enter_context(contextlib.closing(Worker(api, home, limit, site, logs_in)))
        dispatcher = _dispatcher(ledger, api, deployment, configuration)
        app = application(found, configuration, dispatcher.accept, dispatcher.settle)
        app.include_router(approvals(hearing(desk_of(found, configuration, ledger, api))))
        shown_in(app, Metrics(ledger, configuration.policy, switches=switches(api)))
        receiver = stack.enter_context(in_background(found, app, listening))
        dispatcher.start()
        stack.callback(dispatcher.stop)
        stack.enter_context(sweeping(ledger, dispatcher, api))
        stack.enter_context(_watch(found.watch_seconds))
        note = state / SERVING
        note.write_text(json.dumps({"api": api, "receiver": receiver, "pid": os.getpid()}))
        stack.callback(note.unlink, missing_ok=True)
        yield Running(api=api, receiver=receiver, ledger=ledger, dispatcher=dispatcher, server=server, worker=worker)


@contextlib.contextmanager
def _alone_in(state: Path) -> Iterator[None]:
    """Two of us would run two Prefect servers on one database, and the second would hide the first from every command."""
    if sys.platform == "win32":  # it has no such locks; there the receiver's port is all that tells
        yield
        return
    import fcntl

    wrong, right = "", "name a directory that this account may write to"
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context((state / "serve.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wrong, right = f"another `remediate serve` runs with {state}", "stop it first, or name another directory"
        except OSError as error:
            wrong = f"{state} cannot be written to ({error.strerror or error})"
        if wrong:
            raise ConfigError([Problem.of_variable("REMEDIATE_STATE", wrong, right)])
        yield


def _refuse_taken(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        wrong = f"Prefect cannot listen on 127.0.0.1:{port} ({os.strerror(error.errno or 0)})"
        right = "give a port that is free, or leave it out: any free one is taken then"
        told = Problem(file="command line", line=0, column=0, where="--port", wrong=wrong, right=right)
        raise ConfigError([told]) from error


def _register(api: str, site: Site) -> Any:
    from flows import approvals

    with approvals.client_for(api) as client:
        return _registered(client, site)


def _registered(client: Any, site: Site) -> Any:
    from flows import deployments

    return deployments.register(client, site=site)[deployments.MAIN]


def _check_blocks(configuration: Configuration) -> None:
    """Say now, and not when it is needed, that somebody cannot be told; it keeps nothing from starting."""
    from flows.notify import unknown_blocks

    for block in unknown_blocks(configuration.site.notify):
        log.warning("Prefect has no such notification block: make it in its pages, under Blocks", block=block, where="notify")


class Worker:
    """The Prefect worker as a child, started again when it dies. The flows that it was running go on and end by themselves."""

    def __init__(self, api: str, home: Path, limit: int, site: Mapping[str, str], logs_in: Path) -> None:
        from flows.deployments import POOL

        log_file = logs_in / "prefect-worker.log"
        self._start = partial(start_worker, api, home, pool=POOL, limit=limit, env=site, log=log_file)
        self.child = self._start()
        self._again = time.monotonic()
        self._before: list[Child] = []

    def keep(self) -> None:
        """Start it again if it ended, at most every ten seconds."""
        self._before = [each for each in self._before if each.left_others]
        if not self.child.running and time.monotonic() >= self._again:
            log.warning("the Prefect worker ended and is started again", log=str(self.child.log))
            self._before.append(self.child)
            self.child = self._start()
            self._again = time.monotonic() + 10

    def close(self) -> None:
        """Stop it, and the flows that it runs: each ends after the step in hand, or is recovered later."""
        self.child.stop(grace=30)
        for each in self._before:
            if each.left_others:
                each.stop()


def _dispatcher(ledger: Ledger, api: str, deployment: Any, configuration: Configuration) -> Dispatcher:
    from flows.approvals import client_for
    from flows.dispatch import Dispatcher

    site, policy = configuration.site, configuration.policy
    register = partial(_registered, site=site)
    return Dispatcher(ledger, lambda: client_for(api), deployment, site=site, policy=policy, register=register)


@contextlib.contextmanager
def _watch(every: float) -> Iterator[None]:
    """Look at the hosts' event logs, every so many seconds; not at all for 0."""
    from flows.runtime import engine
    from flows.watch_event_logs import look

    stop = threading.Event()

    def work() -> None:
        while not stop.wait(every):
            try:
                # One engine for many looks: a host is logged on to once, and what it cannot tell is said once.
                with engine() as built:
                    before = look(built)
                    while not stop.wait(every):
                        before = look(built, before)
            except Exception as error:  # the next look may succeed, and misses nothing
                log.warning("the hosts' event logs could not be watched", error=str(error), again_in_seconds=every)

    thread = threading.Thread(target=work, name="watch", daemon=True)
    if every:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if every:
            thread.join(timeout=15)
