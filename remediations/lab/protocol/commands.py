"""Runs one pipeline: its statements in order, each bound and given to its handler, with PowerShell's error semantics.

Statement rules follow PowerShell's BatchInvocationWorkItem (source; not captured from Windows): a terminating error of an
earlier statement goes to the error stream and the later ones still run; -ErrorAction Stop ends the pipeline as Failed; so does
a terminating error of the last statement. Not simulated: one command piped into another, host prompts.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psrpcore.types import ErrorRecord, PipelineResultTypes

from remediations.lab.cmdlet import Call, CommandError, Enum, Handler, Object, Surface
from remediations.lab.protocol.bind import Bound, bind, implementation
from remediations.lab.protocol.journal import Entry, Journal
from remediations.lab.protocol.psrp import Pipeline, plain, record
from remediations.lab.protocol.serialize import listed, to_wire
from remediations.model.contract import Contract, Effect, Hop, Parameter, ParameterSet, contracts

_NOT_FOUND = "System.Management.Automation.CommandNotFoundException"
_BUILT_IN_REFERENCE = {
    # The restricted proxy of a JEA endpoint (CommandMetadata.GetRestrictedGetCommand), as far as the lab answers it.
    "Get-Command": Contract(
        name="Get-Command",
        module="Microsoft.PowerShell.Core",
        kind="cmdlet",
        since=2016,
        should_process=False,
        parameters={"Name": Parameter(type="String[]")},
        sets=(ParameterSet(mandatory=frozenset(), optional=frozenset({"Name"})),),
        effect=Effect.READ,
        hop=Hop.LOCAL,
        allowed=frozenset({"Name"}),
        refused={},
    ),
}


@dataclass(frozen=True)
class Sent:
    """One command of a pipeline as the client sent it."""

    name: str
    is_script: bool
    arguments: tuple[tuple[str | None, Any], ...]
    merges: Mapping[str, Any]
    """Stream (`error`, `warning`) → psrpcore's PipelineResultTypes: where it is merged to."""


def statements(pipeline: Any) -> list[list[Sent]]:
    """A pipeline of psrpcore as statements of commands, with plain values."""
    done: list[list[Sent]] = [[]]
    for each in pipeline.commands:
        arguments = tuple((str(name) if name else None, plain(value)) for name, value in each.parameters)
        merges = {stream: getattr(each, f"merge_{stream}") for stream in ("error", "warning")}
        done[-1].append(Sent(str(each.command_text), bool(each.is_script), arguments, merges))
        if each.end_of_statement:
            done.append([])
    return [each for each in done if each]


class _Stop(CommandError):
    """A non-terminating error under -ErrorAction Stop: the only one that skips the later statements."""

    @classmethod
    def of(cls, error: CommandError) -> _Stop:
        return cls(
            error.message, error.error_id, error.category, exception=error.exception, command_type=error.command_type,
            hresult=error.hresult, target=error.target,
        )  # fmt: skip


@dataclass
class Running:
    """One command that runs: the `Call` that its handler gets."""

    name: str
    host: str
    configuration: str
    principal: str
    parameters: Mapping[str, Any]
    _bound: Bound
    _pipeline: Pipeline
    _flush: Callable[[], None]
    _entry: Entry
    _merges: Mapping[str, Any] = field(default_factory=dict)

    def output(self, value: Any) -> None:
        """Send one object down the pipeline."""
        self._send(to_wire(value))

    def error(self, error: CommandError) -> None:
        """Report a non-terminating error; with -ErrorAction Stop it terminates."""
        action = self._bound.error_action
        if action != "Ignore":
            self._entry.errors.append(error.error_id)
        if action == "Stop":
            raise _Stop.of(error)
        if action in ("SilentlyContinue", "Ignore"):
            return
        made = record(error, self.name)
        if not self._merged("error", made):
            self._pipeline.error(made)
            self._flush()

    def warning(self, text: str) -> None:
        """Write to the warning stream."""
        if self._bound.common.get("WarningAction") not in ("SilentlyContinue", "Ignore") and not self._merged("warning", text):
            self._pipeline.warning(text)
            self._flush()

    def progress(self, activity: str, status: str, percent: int) -> None:
        """Write to the progress stream."""
        self._pipeline.progress(activity, status, percent)
        self._flush()

    def _send(self, wire: Any) -> None:
        self._pipeline.output(wire)
        self._flush()

    def _merged(self, stream: str, value: Any) -> bool:
        target = self._merges.get(stream)
        if target == PipelineResultTypes.Output:
            self._send(value)
        return target in (PipelineResultTypes.Output, PipelineResultTypes.Null)


@dataclass
class Runner:
    """Runs the pipelines of one session configuration of one host."""

    surface: Surface
    journal: Journal

    async def run(
        self, pipeline: Pipeline, sent: Sequence[Sequence[Sent]], principal: str, command_id: str, flush: Callable[[], None]
    ) -> ErrorRecord | None:
        """Run every statement; the record that the pipeline fails with, or None if it completes."""
        for number, statement in enumerate(sent, 1):
            try:
                await self._statement(pipeline, statement, principal, command_id, flush)
            except CommandError as error:
                made = record(error, statement[-1].name)
                if isinstance(error, _Stop) or number == len(sent):
                    return made
                pipeline.error(made)
                flush()
        return None

    async def _statement(
        self, pipeline: Pipeline, statement: Sequence[Sent], principal: str, command_id: str, flush: Callable[[], None]
    ) -> None:
        sent = statement[0]
        entry = Entry(self.surface.host, self.surface.configuration, principal, sent.name, {}, {}, command_id)
        try:
            known, handler, bound = self._resolve(statement)
        except CommandError as error:
            entry.outcome = "refused"
            entry.errors.append(error.error_id)
            self.journal.add(entry)
            raise
        entry.name, entry.parameters, entry.common = known.name, dict(bound.parameters), dict(bound.common)
        self.journal.add(entry)
        if bound.what_if:
            entry.outcome = "whatif"
            return
        call = Running(
            known.name, self.surface.host, self.surface.configuration, principal, bound.parameters,
            bound, pipeline, flush, entry, sent.merges,
        )  # fmt: skip
        try:
            await handler(call)
        except CommandError as error:
            entry.outcome = "failed"
            if not isinstance(error, _Stop):
                entry.errors.append(error.error_id)
            raise
        except Exception as error:
            entry.outcome = "failed"
            entry.errors.append("LabDefect")
            raise CommandError(f"The lab's {known.name} has a defect: {error!r}", "LabDefect", target=known.name) from error
        except BaseException:
            entry.outcome = "stopped"
            raise
        entry.outcome = "completed"

    def _resolve(self, statement: Sequence[Sent]) -> tuple[Contract, Handler, Bound]:
        sent = statement[0]
        if any(each.is_script for each in statement):
            raise self._no_script()
        found = self._find(sent.name)
        if len(statement) > 1:
            raise CommandError("The lab does not pipe one command into another.", "LabUnsupported", "NotImplemented")
        if found is None:
            raise CommandError(
                f"The term '{sent.name}' is not recognized as the name of a cmdlet, function, script file, or operable "
                "program. Check the spelling of the name, or if a path was included, verify that the path is correct and try "
                "again.",
                "CommandNotFoundException",
                "ObjectNotFound",
                exception=_NOT_FOUND,
                target=sent.name,
            )
        known, handler = found
        return known, handler, bind(known, sent.arguments, self.surface.release)

    def _no_script(self) -> CommandError:
        if self.surface.visible is None and not self.surface.no_language:
            return CommandError("The lab interprets no script.", "LabUnsupported", "NotImplemented")
        return CommandError(
            "The syntax is not supported by this runspace. This can occur if the runspace is in no-language mode.",
            "ScriptsNotAllowed",
            "ParserError",
            exception="System.Management.Automation.ParseException",
        )

    def _find(self, name: str) -> tuple[Contract, Handler] | None:
        folded = name.rpartition("\\")[2].casefold()
        aliases = {alias.casefold(): real.casefold() for alias, real in self.surface.aliases.items()}
        for known, handler in self._offered().values():
            spellings = {known.name.casefold()} | (
                {each.casefold() for each in known.aliases} if self.surface.visible is None else set()
            )
            if folded in spellings or aliases.get(folded) == known.name.casefold():
                return known, handler
        return None

    def _offered(self) -> dict[str, tuple[Contract, Handler]]:
        reference = {**_BUILT_IN_REFERENCE, **contracts()}
        handlers: dict[str, Handler] = {"Write-Output": _write_output, "Get-Command": self._get_command}
        visible = None if self.surface.visible is None else {each.casefold() for each in self.surface.visible}
        handlers |= {
            name: handler for name, handler in self.surface.handlers.items() if visible is None or name.casefold() in visible
        }
        return {name: (reference[name], handler) for name, handler in handlers.items()}

    async def _get_command(self, call: Call) -> None:
        patterns = call.parameters.get("Name", ["*"])
        offered = {name: known for name, (known, _) in self._offered().items()}
        for pattern in patterns:
            matches = [known for name, known in sorted(offered.items()) if _like(name, pattern)]
            for known in matches:
                call.output(_command_info(known))
            if not matches and not set("*?[") & set(pattern):
                call.error(
                    CommandError(
                        f"The term '{pattern}' is not recognized as the name of a cmdlet, function, script file, or operable "
                        "program.",
                        "CommandNotFoundException",
                        "ObjectNotFound",
                        exception=_NOT_FOUND,
                        command_type=implementation(_BUILT_IN_REFERENCE["Get-Command"]),
                        target=pattern,
                    )
                )


def check(surface: Surface) -> None:
    """Raise `ValueError` if a surface offers a command that the reference does not document."""
    unknown = sorted(set(surface.handlers) - set(contracts()))
    if unknown:
        raise ValueError(
            f"{surface.host} ({surface.configuration}): no reference documents {', '.join(unknown)}; add it to commands.yaml"
        )


def _like(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name.casefold(), pattern.casefold())


async def _write_output(call: Call) -> None:
    for each in listed(call.parameters["InputObject"]):
        call.output(each)


def _command_info(known: Contract) -> Object:
    kind, number = ("Cmdlet", 8) if known.kind == "cmdlet" else ("Function", 2)
    return Object(
        (f"System.Management.Automation.{kind}Info", "System.Management.Automation.CommandInfo", "System.Object"),
        {
            "Name": known.name,
            "CommandType": Enum("System.Management.Automation.CommandTypes", kind, number),
            "ModuleName": known.module,
            "Source": known.module,
            "Parameters": list(known.parameters),
        },
        text=known.name,
    )
