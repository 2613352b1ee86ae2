"""One host's WS-Management service: what each action does to its shells.

Behaviour follows [MS-WSMV], [MS-PSRP] and Windows traffic recorded in pypsrp's tests: the pool opens in two Receives, a
command that has given everything is unknown from then on, a shell belongs to the account that opened it. Not simulated:
quotas, WinRS command shells, host prompts, command metadata.
"""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from remediations.lab.cmdlet import Surface
from remediations.lab.protocol import wsman
from remediations.lab.protocol.commands import Runner
from remediations.lab.protocol.journal import Journal
from remediations.lab.protocol.psrp import command_names
from remediations.lab.protocol.shells import Command, Out, Shell, Turns
from remediations.lab.protocol.wsman import NS, Fault, Malformed, Request

Alive = Callable[[], bool]
"""Whether the client still holds the connection that its answer goes to."""


class Endpoint:
    """The session configurations of one host and the shells that clients have opened there."""

    def __init__(self, host: str, surfaces: Sequence[Surface], journal: Journal, version: str, turns: Turns) -> None:
        self.host = host
        self.shells: dict[str, Shell] = {}
        self._runners = {each.configuration.casefold(): Runner(each, journal) for each in surfaces}
        self._version, self._turns = version, turns

    async def handle(self, request: Request, principal: str, alive: Alive) -> bytes:
        """Carry out one request. Raises `Fault` for what Windows would refuse, `Malformed` for what is no request."""
        actions: Mapping[str, Any] = {
            "Create": self._create,
            "Get": self._get,
            "Command": self._command,
            "Send": self._send,
            "Signal": self._signal,
            "Delete": self._delete,
            "Disconnect": self._disconnect,
            "Reconnect": self._reconnect,
            "Connect": self._connect,
            "Enumerate": self._enumerate,
        }
        if request.action == "Receive":
            return await self._receive(request, principal, alive)
        if request.action not in actions:
            raise Fault(wsman.NOT_SUPPORTED, f"The action {request.action} is not supported.")
        answer: bytes = await actions[request.action](request, principal)
        return answer

    async def close_shells(self, expired_after: float | None = None) -> None:
        """End every shell, or only those that have nothing running and an idle timeout of at most so many seconds."""
        for shell in list(self.shells.values()):
            idle = not any(each.running for each in shell.commands.values())
            if expired_after is None or (idle and wsman.seconds(shell.idle) <= expired_after):
                self.shells.pop(shell.id, None)
                await shell.close()

    def commands(self, request: Request) -> tuple[str, ...]:
        """The commands of the pipeline that a request is about, as sent; empty where there is none."""
        shell = self.shells.get(request.shell_id)
        if request.action == "Command":
            return command_names(_data(request.body.findtext("rsp:CommandLine/rsp:Arguments", "", NS)))
        for path in ("rsp:Receive/rsp:DesiredStream", "rsp:Signal", "rsp:Send/rsp:Stream"):
            found = request.body.find(path, NS)
            if shell is not None and found is not None:
                command = shell.commands.get((found.get("CommandId") or "").upper())
                return command.names if command else ()
        return ()

    async def finish(self, request: Request) -> None:
        """Wait until the pipeline that a Command request started has come to its end."""
        shell = self.shells.get(request.shell_id)
        line = request.body.find("rsp:CommandLine", NS)
        if shell is None or line is None:
            return
        command = shell.commands.get((line.get("CommandId") or "").upper())
        if command is not None and command.task is not None:
            await command.task

    # --- shells ---------------------------------------------------------------------------------------------------------

    def _shell(self, request: Request, principal: str) -> Shell:
        shell = self.shells.get(request.shell_id)
        if shell is not None and self._expired(shell):
            del self.shells[shell.id]
            shell = None
        if shell is None or shell.owner != principal or request.resource not in (shell.resource, wsman.SHELL):
            raise Fault(
                wsman.NOT_FOUND,
                f"The request for the Windows Remote Shell with ShellId {request.shell_id} failed because the shell was not "
                "found on the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on "
                "the server. Provide the correct ShellId or create a new shell and retry the operation.",
            )
        shell.touched = time.monotonic()
        return shell

    @staticmethod
    def _expired(shell: Shell) -> bool:
        busy = any(each.running for each in shell.commands.values())
        return not busy and time.monotonic() - shell.touched > wsman.seconds(shell.idle)

    async def _create(self, request: Request, principal: str) -> bytes:
        configuration = request.resource.removeprefix(wsman.POWERSHELL)
        runner = self._runners.get(configuration.casefold())
        if not request.resource.startswith(wsman.POWERSHELL) or runner is None:
            raise Fault(
                wsman.NO_CONFIGURATION,
                f"The WS-Management service cannot process the request. Cannot find the {configuration} session configuration "
                f"in the WSMan: drive on the {self.host} computer.",
            )
        allowed = runner.surface.allowed
        if allowed is not None and principal.casefold() not in {each.casefold() for each in allowed}:
            raise Fault(wsman.ACCESS_DENIED, "Access is denied.")
        wanted = request.child("rsp:Shell")
        identity = (wanted.get("ShellId") or str(uuid.uuid4())).upper()
        idle = wanted.get("IdleTimeOut") or wanted.findtext("rsp:IdleTimeOut", "", NS) or "PT7200.000S"
        wsman.seconds(idle)
        shell = Shell(
            identity, runner, self._turns, resource=request.resource, owner=principal, idle=idle, version=self._version
        )
        shell.feed(_data(wanted.findtext("p:creationXml", "", NS)))
        self.shells[identity] = shell
        return wsman.answer(
            request,
            f"<x:ResourceCreated><a:Address>https://{self.host}/wsman</a:Address><a:ReferenceParameters>"
            f'<w:ResourceURI>{escape(shell.resource)}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{identity}'
            f"</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>{_described(shell)}",
            NS["x"],
        )

    async def _get(self, request: Request, principal: str) -> bytes:
        return wsman.answer(request, _described(self._shell(request, principal)), NS["x"])

    async def _delete(self, request: Request, principal: str) -> bytes:
        shell = self.shells.pop(self._shell(request, principal).id)
        await shell.close()
        return wsman.answer(request, "", NS["x"])

    async def _disconnect(self, request: Request, principal: str) -> bytes:
        shell = self._shell(request, principal)
        shell.state = "Disconnected"
        shell.pool.disconnect()
        return wsman.answer(request, "<rsp:DisconnectResponse/>")

    async def _reconnect(self, request: Request, principal: str) -> bytes:
        shell = self._shell(request, principal)
        shell.state = "Connected"
        shell.pool.reconnect()
        return wsman.answer(request, "<rsp:ReconnectResponse/>")

    async def _connect(self, request: Request, principal: str) -> bytes:
        shell, wanted = self._shell(request, principal), request.child("rsp:Connect")
        if wanted.get("CommandId"):
            self._find(shell, wanted.get("CommandId"))
            return wsman.answer(request, "<rsp:ConnectResponse/>")
        if shell.state != "Disconnected":
            raise Fault(wsman.CONNECTED_ELSEWHERE, "The session is already connected to another client.")
        shell.out = Out()
        shell.pool.connect()
        shell.feed(_data(wanted.findtext("p:connectXml", "", NS)))
        shell.state = "Connected"
        # The answer brings capability and initial data; the first Receive afterwards no pool state yet (captured).
        brought = b"".join(shell.out.take(2))
        shell.batch = 1
        return wsman.answer(
            request,
            f'<rsp:ConnectResponse><connectResponseXml xmlns="{NS["p"]}">{_base64(brought)}</connectResponseXml>'
            "</rsp:ConnectResponse>",
        )

    async def _enumerate(self, request: Request, principal: str) -> bytes:
        if request.resource.endswith("/shell/Command"):
            shell = self.shells.get(request.body.findtext(".//w:Selector", "", NS).upper())
            found = shell.commands if shell is not None and shell.owner == principal else {}
            items = "".join(f"<rsp:Command><rsp:CommandId>{each}</rsp:CommandId></rsp:Command>" for each in found)
        else:
            items = "".join(_described(each) for each in self.shells.values() if each.owner == principal)
        body = f"<n:EnumerateResponse><w:Items>{items}</w:Items><n:EnumerationContext/></n:EnumerateResponse>"
        return wsman.answer(request, body, NS["n"])

    # --- commands -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _find(shell: Shell, command_id: str | None) -> Command:
        command = shell.commands.get((command_id or "").upper())
        if command is None:
            raise Fault(
                wsman.NOT_FOUND,
                "The Windows Remote Shell received a request to perform an operation on a command identifier that does not "
                "exist. Either the command has completed execution or the client specified an invalid command identifier.",
            )
        return command

    async def _command(self, request: Request, principal: str) -> bytes:
        shell, line = self._shell(request, principal), request.child("rsp:CommandLine")
        identity = (line.get("CommandId") or str(uuid.uuid4())).upper()
        if identity in shell.commands:
            raise Fault(wsman.NOT_FOUND, f"The command identifier {identity} already exists.")
        data = _data(line.findtext("rsp:Arguments", "", NS))
        command = Command(identity, shell.pool.pipeline(uuid.UUID(identity)), command_names(data))
        shell.commands[identity] = command
        try:
            shell.feed(data, command)
        except Fault:
            del shell.commands[identity]
            raise
        return wsman.answer(request, f"<rsp:CommandResponse><rsp:CommandId>{identity}</rsp:CommandId></rsp:CommandResponse>")

    async def _send(self, request: Request, principal: str) -> bytes:
        shell = self._shell(request, principal)
        for stream in request.body.iterfind("rsp:Send/rsp:Stream", NS):
            identity = stream.get("CommandId")
            shell.feed(_data(stream.text or ""), self._find(shell, identity) if identity else None)
        return wsman.answer(request, "<rsp:SendResponse/>")

    async def _receive(self, request: Request, principal: str, alive: Alive) -> bytes:
        shell = self._shell(request, principal)
        identity = request.child("rsp:Receive/rsp:DesiredStream").get("CommandId")
        command = self._find(shell, identity) if identity else None
        out = command.out if command else shell.out
        if command is not None and command.ended:
            self._find(shell, "")
        if not await out.ready(request.timeout):
            raise Fault(
                wsman.TIMED_OUT,
                "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
            )
        if not alive():
            # The client has hung up: what waits is for its next Receive.
            raise Fault(wsman.TIMED_OUT, "The client has left.")
        fragments = out.take(None if command else shell.batch)
        if request.shell_id not in self.shells or (command is None and out.finished and not fragments):
            self._shell(request, principal)
        mark = f' CommandId="{identity}"' if identity else ""
        body = "".join(f'<rsp:Stream Name="stdout"{mark}>{_base64(each)}</rsp:Stream>' for each in fragments)
        if command is not None:
            command.ended = out.finished and out.empty
            state = "Done" if command.ended else "Running"
            body += f'<rsp:CommandState{mark} State="{wsman.SHELL}/CommandState/{state}"/>'
        return wsman.answer(request, f"<rsp:ReceiveResponse>{body}</rsp:ReceiveResponse>")

    async def _signal(self, request: Request, principal: str) -> bytes:
        shell, signal = self._shell(request, principal), request.child("rsp:Signal")
        command = self._find(shell, signal.get("CommandId"))
        await command.stop()
        if signal.findtext("rsp:Code", "", NS).casefold().endswith("terminate"):
            shell.commands.pop(command.id, None)
            command.pipeline.discard()
        return wsman.answer(request, "<rsp:SignalResponse/>")


def _described(shell: Shell) -> str:
    return (
        f"<rsp:Shell><rsp:ShellId>{shell.id}</rsp:ShellId><rsp:ResourceUri>{escape(shell.resource)}</rsp:ResourceUri>"
        f"<rsp:Owner>{escape(shell.owner)}</rsp:Owner><rsp:ClientIP>127.0.0.1</rsp:ClientIP>"
        f"<rsp:IdleTimeOut>{shell.idle}</rsp:IdleTimeOut><rsp:InputStreams>stdin pr</rsp:InputStreams>"
        f"<rsp:OutputStreams>stdout</rsp:OutputStreams><rsp:MaxIdleTimeOut>PT2147483.647S</rsp:MaxIdleTimeOut>"
        f"<rsp:State>{shell.state}</rsp:State>"
        f"<rsp:ShellRunTime>P0DT0H0M{int(time.monotonic() - shell.created)}S</rsp:ShellRunTime></rsp:Shell>"
    )


def _data(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise Malformed(f"no base64: {error}") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
