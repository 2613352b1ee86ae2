"""A lab of one or more hosts and a `Remoting` that talks to them over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from remediations.lab.cmdlet import Call, CommandError, Enum, Handler, Object, Surface
from remediations.lab.protocol import Account, LabServer
from remediations.model.command import Command, command
from remediations.model.reply import Reply
from remediations.model.site import Endpoint, Host, SecretRef, Site
from remediations.remoting import Remoting, RemotingSettings

ACCOUNT = r"CONTOSO\svc-migrate"
LOCAL = r"CONTOSO\svc-local"
CANARY = "canary-Pa55-never-shown"
SECRET = "canary-pfx-never-shown"

QUICK = RemotingSettings(
    connect=1, operation=5, poll=1, slack=5, stop=1, probe=2, in_flight=0.4, tidy_after=30, probe_after=15, close_after=90
)
RAISE_LIMIT = command("Set-VMHost", MaximumVirtualMachineMigrations=4)


class World:
    """What the handlers do; a test may change it."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.limit = 2

    async def get_vm(self, call: Call) -> None:
        for name in call.parameters.get("Name", ["VM42"]):
            match name:
                case "missing":
                    call.error(
                        CommandError(
                            'Hyper-V was unable to find a virtual machine with name "missing".',
                            "InvalidParameter",
                            "InvalidArgument",
                            exception="Microsoft.HyperV.PowerShell.VirtualizationException",
                            command_type="Microsoft.HyperV.PowerShell.Commands.GetVM",
                            hresult=-2147467259,
                            target="missing",
                        )
                    )
                case "broken":
                    raise CommandError("The service stopped.", "OperationFailed", "ResourceUnavailable")
                case "slow":
                    await self.release.wait()
                case "noisy":
                    call.warning("the virtual machine is being noisy")
                case "many":
                    for number in range(400):
                        call.output(Object(("VM",), {"Name": f"vm{number}", "Notes": "x" * 2000}, text="vm"))
                    continue
            if name != "missing":
                state = Enum("Microsoft.HyperV.PowerShell.VMState", "Running", 2)
                call.output(Object(("Microsoft.HyperV.PowerShell.VirtualMachine",), {"Name": name, "State": state}, text=name))

    async def set_host(self, call: Call) -> None:
        match call.parameters.get("MaximumVirtualMachineMigrations"):
            case 13:
                raise CommandError(
                    "Zugriff verweigert",
                    "AccessDenied",
                    "PermissionDenied",
                    exception="Microsoft.HyperV.PowerShell.VirtualizationException",
                    command_type="Microsoft.HyperV.PowerShell.Commands.SetVMHost",
                    hresult=-2147024891,
                    target="HV01",
                )
            case 60:
                await self.release.wait()
            case 30:
                await asyncio.sleep(0.3)
        self.limit = call.parameters["MaximumVirtualMachineMigrations"]
        call.output("done")

    async def echo(self, call: Call) -> None:
        call.output("heard")

    def handlers(self) -> dict[str, Handler]:
        names = ("Get-WinEvent", "Get-ADComputer", "Set-ADComputer", "Get-VMHost", "Suspend-ClusterNode", "Get-Cluster")
        return {"Get-VM": self.get_vm, "Set-VMHost": self.set_host, **dict.fromkeys(names, self.echo)}


@dataclass
class Rig:
    """A running lab and what a test needs to talk to it."""

    lab: LabServer
    world: World
    remoting: Remoting
    settings: RemotingSettings
    site: Site

    def read(self, *commands: Command, deadline: float = 8, host: str = "HV01") -> list[Reply]:
        return self.remoting.read(host, commands, deadline=deadline)

    def change(
        self,
        wanted: Command = RAISE_LIMIT,
        *,
        deadline: float = 8,
        command_id: Any = None,
        before: Callable[[], None] = lambda: None,
    ) -> Reply:
        return self.remoting.change("HV01", wanted, deadline=deadline, command_id=command_id or uuid4(), before_send=before)

    @property
    def executed(self) -> int:
        """How often the change's handler was entered."""
        return len(self.lab.journal.executed("Set-VMHost"))

    def cost(self) -> dict[str, int]:
        """Requests to HV01 since the last call."""
        counts = self.lab.requests.of("HV01")
        self.lab.requests.clear()
        return counts


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    """Builds a lab; everything it starts is ended after the test."""
    with ExitStack() as stack:

        def build(
            *,
            hosts: tuple[str, ...] = ("HV01",),
            transport: str = "https",
            authentication: str = "ntlm",
            password: str = CANARY,
            settings: RemotingSettings = QUICK,
            surface: Mapping[str, Any] | None = None,
            endpoint: Mapping[str, Any] | Callable[[LabServer], Mapping[str, Any]] | None = None,
            extra: Mapping[str, Handler] | None = None,
            secrets: Callable[[SecretRef], str] | None = None,
        ) -> Rig:
            world = World()
            offered = {**world.handlers(), **(extra or {})}
            surfaces = [Surface(name, "Microsoft.PowerShell", offered, **(surface or {})) for name in hosts]
            accounts = {ACCOUNT: Account(CANARY), LOCAL: Account(CANARY, basic=True)}
            lab = stack.enter_context(LabServer(surfaces, accounts, http=True))
            site = Site(
                domain="contoso.com",
                hosts=tuple(
                    Host(
                        name=name,
                        endpoint=endpoint_of(
                            lab, name, transport, authentication, **((endpoint(lab) if callable(endpoint) else endpoint) or {})
                        ),
                    )
                    for name in hosts
                ),
            )
            remoting = Remoting(
                site,
                secrets or (lambda _: password),
                settings=settings,
                secret_values=lambda name: {"pfx": SECRET}[name],
            )
            stack.enter_context(remoting)
            stack.callback(lab.run, _release(world))  # what waits may end, so that closing need not wait
            return Rig(lab, world, remoting, settings, site)

        yield build


async def _release(world: World) -> None:
    world.release.set()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


def endpoint_of(lab: LabServer, name: str, transport: str, authentication: str, **more: Any) -> Endpoint:
    at = lab.address(name)
    fields: dict[str, Any] = {
        "address": at.ip,
        "port": at.https_port if transport == "https" else at.http_port,
        "transport": transport,
        "authentication": authentication,
        "authority": lab.authority,
    }
    if authentication == "certificate":
        proof = lab.client_certificate(ACCOUNT)
        fields |= {"certificate": proof.certificate, "certificate_key": proof.key}
    else:
        fields |= {"username": LOCAL if authentication == "basic" else ACCOUNT, "password": SecretRef(env="UNUSED")}
    return Endpoint(**(fields | more))
