"""All hosts of a lab in one event loop, on a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import ssl
import tempfile
import threading
from collections.abc import Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import trustme

from remediations.lab.cmdlet import Surface
from remediations.lab.protocol.authentication import Account, Accounts, Authenticator
from remediations.lab.protocol.commands import check
from remediations.lab.protocol.endpoint import Endpoint
from remediations.lab.protocol.faults import FaultPlan
from remediations.lab.protocol.host import Host
from remediations.lab.protocol.journal import Journal, Requests
from remediations.lab.protocol.shells import Turns

Result = TypeVar("Result")

POWERSHELL = "5.1.20348.2849"
"""PSVersion of a Windows Server 2022."""

_numbers = itertools.count()


class Address(NamedTuple):
    """Where a host listens."""

    ip: str
    https_port: int
    http_port: int | None


class ClientCertificate(NamedTuple):
    """Files (PEM) with which a client proves who it is."""

    certificate: Path
    key: Path


class LabServer:
    r"""Simulated hosts on loopback, as a context manager.

    surfaces: what each host offers, one for each session configuration; those of one host share its address.
    accounts: name, as `CONTOSO\svc-migrate`, → password or `Account`; known as `svc-migrate@contoso.com`, too.
    domain: DNS domain of the hosts, for their certificates.
    http: short names of the hosts that also listen on plain HTTP (NTLM message encryption required); True: all.
    basic_only: short names of the hosts whose WinRM service has Negotiate switched off.
    powershell: host → PSVersion, where not Windows Server 2022's.
    keep_alive: seconds after which a host closes an idle connection, as Windows' HTTP service does (120).
    round_trip: seconds that every answer takes longer, as if the hosts were that far away.

    A lab runs once. Constructing one raises `ValueError` for a surface that offers undocumented commands, and for two with
    one host and configuration.
    """

    def __init__(
        self,
        surfaces: Sequence[Surface],
        accounts: Mapping[str, str | Account],
        *,
        domain: str = "contoso.com",
        http: Collection[str] | bool = False,
        basic_only: Collection[str] = (),
        powershell: Mapping[str, str] | None = None,
        keep_alive: float = 120,
        round_trip: float = 0,
    ) -> None:
        self.journal, self.requests, self.faults = Journal(), Requests(), FaultPlan()
        self._turns = Turns()
        self._surfaces = _by_host(surfaces)
        self._passwords, self._domain, self._keep_alive = dict(accounts), domain, keep_alive
        self._round_trip = round_trip
        self._http = (
            {name.casefold() for name in http} if not isinstance(http, bool) else set(self._surfaces) if http else set()
        )
        self._basic_only = {name.casefold() for name in basic_only}
        self._versions = {name.casefold(): version for name, version in (powershell or {}).items()}
        self._hosts: dict[str, Host] = {}
        self._files: tempfile.TemporaryDirectory[str] | None = None
        self._authority = trustme.CA()

    # --- life -----------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._files = tempfile.TemporaryDirectory(prefix="lab-")
        self._authority.cert_pem.write_to_path(self.authority)
        self._accounts = Accounts(self._passwords, Path(self._files.name, "accounts"), self._domain)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab", daemon=True)
        self._thread.start()
        self.faults.attach(self._loop)
        try:
            self.run(self._start())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._files is not None:
            self._files.cleanup()

    async def _start(self) -> None:
        lab = (os.getpid() * 7 + next(_numbers)) % 0xFFFF
        for number, (name, surfaces) in enumerate(self._surfaces.items(), 1):
            block = lab + number // 250
            address = f"127.{64 + (block >> 8) % 128}.{block & 0xFF}.{number % 250 + 1}"
            host = self._made(name, surfaces, address)
            try:
                await host.start()
            except OSError as failure:
                if failure.errno != errno.EADDRNOTAVAIL:
                    raise
                # Not every system answers on all of 127/8: there the hosts share one address and differ by port.
                host = self._made(name, surfaces, "127.0.0.1")
                await host.start()
            self._hosts[name] = host

    async def _end(self) -> None:
        for host in self._hosts.values():
            await host.stop()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # connections that were just cut close their sockets in the loop's next round

    def _made(self, name: str, surfaces: Sequence[Surface], address: str) -> Host:
        short = surfaces[0].host
        issued = self._authority.issue_cert(f"{short}.{self._domain}".lower(), short.lower(), address)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(tls)
        self._authority.configure_trust(tls)
        tls.verify_mode = ssl.CERT_OPTIONAL
        certificate = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
        return Host(
            endpoint=Endpoint(short, surfaces, self.journal, self._versions.get(name, POWERSHELL), self._turns),
            authenticator=Authenticator(self._accounts, short, certificate, negotiate=name not in self._basic_only),
            requests=self.requests,
            faults=self.faults,
            address=address,
            tls=tls,
            with_http=name in self._http,
            keep_alive=self._keep_alive,
            round_trip=self._round_trip,
        )

    # --- what a client needs --------------------------------------------------------------------------------------------

    @property
    def hosts(self) -> tuple[str, ...]:
        """Short names, in the spelling of the surfaces."""
        return tuple(surfaces[0].host for surfaces in self._surfaces.values())

    def address(self, host: str) -> Address:
        """Where a host listens. Raises `KeyError` for a host that the lab does not have."""
        found = self._host(host)
        return Address(found.address, found.https_port, found.http_port)

    @property
    def authority(self) -> Path:
        """The certificate (PEM) that the hosts' certificates are signed by; gone when the lab ends."""
        return self._directory / "authority.pem"

    def client_certificate(self, account: str) -> ClientCertificate:
        """A new certificate that every host takes as proof for `account`. Raises `KeyError` for an unknown account."""
        issued = self._authority.issue_cert(f"user{next(_numbers)}@{self._domain}")
        chain = issued.cert_chain_pems[0].bytes()
        self._accounts.map_certificate(ssl.PEM_cert_to_DER_cert(chain.decode()), account)
        files = ClientCertificate(
            self._directory / f"client{next(_numbers)}.pem", self._directory / f"client{next(_numbers)}.key"
        )
        files.certificate.write_bytes(chain)
        issued.private_key_pem.write_to_path(files.key)
        return files

    # --- what a test does to it -----------------------------------------------------------------------------------------

    def stop_host(self, host: str) -> None:
        """The host goes down: connections are reset, shells are gone, new connections are refused."""
        self.run(self._host(host).stop())

    def start_host(self, host: str) -> None:
        """The host comes back on its address and ports, without any shell."""
        self.run(self._host(host).start())

    def kill_shells(self, host: str) -> None:
        """Every shell of the host ends, with what runs in it (the WinRM service was restarted)."""
        self.run(self._host(host).endpoint.close_shells())

    def idle(self, host: str, seconds: float) -> None:
        """As if nobody had used the host for so long: shells past their idle timeout end, idle connections are closed."""

        async def passed() -> None:
            found = self._host(host)
            await found.endpoint.close_shells(expired_after=seconds)
            if seconds >= self._keep_alive:
                found.drop_idle()

        self.run(passed())

    def shells(self, host: str) -> tuple[str, ...]:
        """Ids of the shells that are open on a host."""
        return tuple(self._host(host).endpoint.shells)

    def settle(self, seconds: float = 10) -> None:
        """Wait until no command runs and no fault holds one back. Raises `TimeoutError` if that takes too long."""

        async def quiet() -> None:
            while any(host.busy for host in self._hosts.values()):
                await asyncio.sleep(0.002)

        self.run(asyncio.wait_for(quiet(), seconds))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run something in the lab's loop, where the handlers run. Not for use by handlers."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a handler must not wait for the loop that it runs in")
        future: Future[Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    @property
    def _directory(self) -> Path:
        if self._files is None:
            raise RuntimeError("the lab has not been started")
        return Path(self._files.name)

    def _host(self, name: str) -> Host:
        found = self._hosts.get(name.partition(".")[0].casefold())
        if found is None:
            raise KeyError(f"the lab has no host {name}; it has {', '.join(self.hosts)}")
        return found


def _by_host(surfaces: Sequence[Surface]) -> dict[str, list[Surface]]:
    found: dict[str, list[Surface]] = {}
    for each in surfaces:
        check(each)
        same = found.setdefault(each.host.casefold(), [])
        if each.configuration.casefold() in {other.configuration.casefold() for other in same}:
            raise ValueError(f"two surfaces for {each.host} and configuration {each.configuration}")
        same.append(each)
    return found
