"""Parameter binding as PowerShell does it, against Microsoft's documented cmdlet reference.

The lab knows every documented parameter, set, type and accepted value (`remediations.model.contract` as data), not only what
this program may send, and uses none of the program's own checks: what would fail on Windows fails here, with Windows' error
id. Order of checks, ids, categories and texts follow PowerShell's source; not on record there are the implementing types of
some modules (`implementation`), positions (no positional argument binds here) and default parameter sets (where several could
be meant, the first documented one is).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remediations.lab.cmdlet import CommandError
from remediations.lab.protocol.convert import Unconvertible, convert, full
from remediations.model.contract import Contract, Parameter, ParameterSet

Argument = tuple[str | None, Any]
"""A parameter as sent: its name (None: positional) and its plain value (None: no argument, as for a switch)."""

_PREFERENCES = ("SilentlyContinue", "Stop", "Continue", "Inquire", "Ignore", "Suspend")
_PREFERENCE = Parameter(type="ActionPreference", values=_PREFERENCES)
_SWITCH = Parameter(type="SwitchParameter")
_TEXT = Parameter(type="String")
COMMON: Mapping[str, Parameter] = {
    "Debug": Parameter(type="SwitchParameter", aliases=("db",)),
    "ErrorAction": _PREFERENCE.model_copy(update={"aliases": ("ea",)}),
    "ErrorVariable": _TEXT.model_copy(update={"aliases": ("ev",)}),
    "InformationAction": _PREFERENCE.model_copy(update={"aliases": ("infa",)}),
    "InformationVariable": _TEXT.model_copy(update={"aliases": ("iv",)}),
    "OutBuffer": Parameter(type="Int32", aliases=("ob",)),
    "OutVariable": _TEXT.model_copy(update={"aliases": ("ov",)}),
    "PipelineVariable": _TEXT.model_copy(update={"aliases": ("pv",)}),
    "Verbose": Parameter(type="SwitchParameter", aliases=("vb",)),
    "WarningAction": _PREFERENCE.model_copy(update={"aliases": ("wa",)}),
    "WarningVariable": _TEXT.model_copy(update={"aliases": ("wv",)}),
}
SHOULD_PROCESS: Mapping[str, Parameter] = {
    "WhatIf": Parameter(type="SwitchParameter", aliases=("wi",)),
    "Confirm": Parameter(type="SwitchParameter", aliases=("cf",)),
}

_TYPES = {
    "Hyper-V": "Microsoft.HyperV.PowerShell.Commands.{verb}{noun}",
    "ActiveDirectory": "Microsoft.ActiveDirectory.Management.Commands.{verb}{noun}",
    "CimCmdlets": "Microsoft.Management.Infrastructure.CimCmdlets.{verb}{noun}Command",
    "FailoverClusters": "Microsoft.FailoverClusters.PowerShell.{verb}{noun}Command",
}
_TAKES_NULL = frozenset({("Set-VMDvdDrive", "Path")})
"""Parameters that take $null as an argument: over the wire a name without a dash and Nil is that, not a missing argument."""
_SHORTENED = {"ClusterResource": "Resource", "ClusterVirtualMachineRole": "ClusterVM"}
"""Nouns whose type is named otherwise: Microsoft.FailoverClusters.PowerShell.GetResourceCommand stands in many logs."""


@dataclass(frozen=True)
class Bound:
    """A command's parameters, by their real names and converted."""

    parameters: Mapping[str, Any]
    common: Mapping[str, Any]

    @property
    def error_action(self) -> str:
        """`Continue` where not given."""
        return str(self.common.get("ErrorAction", "Continue"))

    @property
    def what_if(self) -> bool:
        """Whether nothing may be changed."""
        return bool(self.common.get("WhatIf", False))


def implementation(command: Contract) -> str:
    """What stands behind the comma of the command's FullyQualifiedErrorId: the cmdlet's .NET type, or a function's name.

    Seen in logs for Hyper-V, ActiveDirectory and several clustering cmdlets; derived by the same rule for the others, so match
    on the part before the comma.
    """
    if command.kind != "cmdlet":
        return command.name
    verb, _, noun = command.name.partition("-")
    rule = _TYPES.get(command.module, "Microsoft.PowerShell.Commands.{verb}{noun}Command")
    return rule.format(verb=verb, noun=_SHORTENED.get(noun, noun))


def bind(command: Contract, arguments: Sequence[Argument], release: int) -> Bound:
    """Bind what was sent, as a host of this Windows Server release does.

    Raises `CommandError`, a terminating error with Windows' id, if PowerShell would refuse it.
    """
    return _Binder(command, release).bind(arguments)


class _Binder:
    def __init__(self, command: Contract, release: int) -> None:
        self._command = command
        self._common = {**COMMON, **(SHOULD_PROCESS if command.should_process else {})}
        own = {name: each for name, each in command.parameters.items() if (each.since or 0) <= release}
        self._known: dict[str, Parameter] = {**self._common, **own}

    def bind(self, arguments: Sequence[Argument]) -> Bound:
        named: dict[str, Any] = {}
        for name, value in arguments:
            if name is None:
                raise self._refused(
                    f"A positional parameter cannot be found that accepts argument '{value}'.", "PositionalParameterNotFound"
                )
            real = self._resolve(name.lstrip("-").rstrip(":"))
            if real in named:
                raise self._refused(
                    f"Cannot bind parameter because parameter '{real}' is specified more than once. To provide multiple values "
                    'to parameters that can accept multiple values, use the array syntax. For example, "-parameter '
                    'value1,value2,value3".',
                    "ParameterAlreadyBound",
                )
            named[real] = value
        converted = {name: self._convert(name, value) for name, value in named.items()}
        own = {name: value for name, value in converted.items() if name not in self._common}
        group = self._set(set(own))
        for name in sorted(group.mandatory):
            self._check_mandatory(name, own[name])
        return Bound(own, {name: value for name, value in converted.items() if name in self._common})

    def _resolve(self, given: str) -> str:
        folded = given.casefold()
        spellings = {spelling.casefold(): name for name, known in self._known.items() for spelling in (name, *known.aliases)}
        if folded in spellings:
            return spellings[folded]
        matches = sorted({name for spelling, name in spellings.items() if folded and spelling.startswith(folded)})
        if not matches:
            raise self._refused(f"A parameter cannot be found that matches parameter name '{given}'.", "NamedParameterNotFound")
        if len(matches) > 1:
            possible = " ".join(f"-{name}" for name in matches)
            raise self._refused(
                f"Parameter cannot be processed because the parameter name '{given}' is ambiguous. Possible matches include: "
                f"{possible}.",
                "AmbiguousParameter",
            )
        return matches[0]

    def _convert(self, name: str, value: Any) -> Any:
        known = self._known[name]
        if value is None:
            if known.type == "SwitchParameter":
                return True
            if (self._command.name, name) in _TAKES_NULL:
                return None
            raise self._refused(
                f"Missing an argument for parameter '{name}'. Specify a parameter of type '{full(known.type)}' and try again.",
                "MissingArgument",
            )
        try:
            converted = convert(value, known.type, known.values)
        except Unconvertible as error:
            raise self._refused_value(name, error) from error
        if known.values and known.type.removesuffix("[]") == "String":
            return self._in_set(name, converted, known.values)
        return converted

    def _in_set(self, name: str, value: Any, values: tuple[str, ...]) -> Any:
        for each in value if isinstance(value, list) else [value]:
            if str(each).casefold() not in {known.casefold() for known in values}:
                listed = ",".join(values)
                raise self._refused(
                    f"Cannot validate argument on parameter '{name}'. The argument \"{each}\" does not belong to the set "
                    f'"{listed}" specified by the ValidateSet attribute. Supply an argument that is in the set and then try '
                    "the command again.",
                    "ParameterArgumentValidationError",
                    "InvalidData",
                    "ParameterBindingValidationException",
                )
        return value

    def _set(self, own: set[str]) -> ParameterSet:
        fitting = [each for each in self._command.sets if own <= each.mandatory | each.optional]
        if not fitting:
            raise self._refused(
                "Parameter set cannot be resolved using the specified named parameters.", "AmbiguousParameterSet"
            )
        for each in fitting:
            if each.mandatory <= own:
                return each
        missing = " ".join(sorted(fitting[0].mandatory - own))
        raise self._refused(
            f"Cannot process command because of one or more missing mandatory parameters: {missing}.",
            "MissingMandatoryParameter",
        )

    def _check_mandatory(self, name: str, value: Any) -> None:
        if value == "":
            what, suffix = "it is an empty string", "EmptyStringNotAllowed"
        elif value == []:
            what, suffix = "it is an empty array", "EmptyArrayNotAllowed"
        else:
            return
        raise self._refused(
            f"Cannot bind argument to parameter '{name}' because {what}.",
            f"ParameterArgumentValidationError{suffix}",
            "InvalidData",
            "ParameterBindingValidationException",
        )

    def _refused_value(self, name: str, error: Unconvertible) -> CommandError:
        if self._command.kind != "cmdlet":
            return self._refused(
                f"Cannot process argument transformation on parameter '{name}'. {error.text}",
                "ParameterArgumentTransformationError",
                "InvalidData",
                "ParameterBindingArgumentTransformationException",
            )
        identity = "CannotConvertArgument" if error.collection else "CannotConvertArgumentNoMessage"
        return self._refused(f"Cannot bind parameter '{name}'. {error.text}", identity)

    def _refused(
        self, message: str, identity: str, category: str = "InvalidArgument", exception: str = "ParameterBindingException"
    ) -> CommandError:
        return CommandError(
            message,
            identity,
            category,
            exception=f"System.Management.Automation.{exception}",
            command_type=implementation(self._command),
        )
