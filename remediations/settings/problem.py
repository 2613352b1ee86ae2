"""What is wrong with a file that a person wrote: every mistake at once, each with its place and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from remediations.model.base import Frozen


class Problem(Frozen):
    """One mistake in a configuration file, or in an environment variable (then `file` is `environment` and `line` is 0)."""

    file: str
    line: int
    """From 1; 0 where there is no line."""
    column: int
    """From 1; 0 where there is no column."""
    where: str
    """The entry, as `hosts[2].endpoint.port`."""
    wrong: str
    right: str
    """What to write instead, or what to do."""

    @classmethod
    def of_variable(cls, name: str, wrong: str, right: str) -> Self:
        """One of an environment variable."""
        return cls(file="environment", line=0, column=0, where=name, wrong=wrong, right=right)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {f'{self.where}: ' if self.where else ''}{self.wrong}; {self.right}"


class ConfigError(Exception):
    """A configuration that nothing may run on. Holds every problem that was found, in the files' order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
