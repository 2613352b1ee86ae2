"""The real pypsrp client against a lab, in few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from remediations.lab.protocol import LabServer

USER, PASSWORD = r"CONTOSO\svc-migrate", "Passw0rd! ü"


@dataclass(frozen=True)
class Answer:
    output: list[Any]
    errors: list[Any]
    state: int
    had_errors: bool
    warnings: list[str]
    progress: list[Any]

    @property
    def ids(self) -> list[str]:
        return [each.fq_error for each in self.errors]

    @property
    def completed(self) -> bool:
        return self.state == PSInvocationState.COMPLETED


def wsman(lab: LabServer, host: str = "HV01", *, http: bool = False, **settings: Any) -> WSMan:
    ip, https_port, http_port = lab.address(host)
    settings = {
        "auth": "ntlm",
        "username": USER,
        "password": PASSWORD,
        "ssl": not http,
        "port": http_port if http else https_port,
        "cert_validation": str(lab.authority),
        "operation_timeout": 20,
        "read_timeout": 30,
        "reconnection_retries": 0,
        "reconnection_backoff": 0.01,
        "no_proxy": True,
    } | settings
    return WSMan(ip, **settings)


def opened(lab: LabServer, host: str = "HV01", configuration: str = "Microsoft.PowerShell", **settings: Any) -> RunspacePool:
    pool = RunspacePool(wsman(lab, host, **settings), configuration_name=configuration)
    pool.open()
    return pool


def pipeline(pool: RunspacePool, *statements: tuple[str, dict[str, Any]]) -> PowerShell:
    shell = PowerShell(pool)
    for number, (name, parameters) in enumerate(statements):
        if number:
            shell.add_statement()
        shell.add_cmdlet(name)
        for parameter, value in parameters.items():
            shell.add_parameter(parameter, value)
    return shell


def answer(shell: PowerShell) -> Answer:
    streams = shell.streams
    return Answer(
        list(shell.output), streams.error, shell.state, shell.had_errors, [w.message for w in streams.warning], streams.progress
    )


def call(pool: RunspacePool, *statements: tuple[str, dict[str, Any]]) -> Answer:
    shell = pipeline(pool, *statements)
    shell.invoke()
    return answer(shell)


def one(pool: RunspacePool, name: str, **parameters: Any) -> Answer:
    return call(pool, (name, parameters))
