"""Who else manages a host's settings, and would set them again: System Center VMM's agent, and Network ATC."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.query import Query, asked_often
from remediations.facts.read import lacks_command, many
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.reply import Reply

_AGENT = "SCVMMAgent"


class Managers(Fact):
    """Who else manages a host; `subject` is the host."""

    vmm: bool
    """Whether the agent of System Center Virtual Machine Manager runs. Its maintenance mode, only the VMM server knows."""
    intents: frozenset[str]
    """Names of Network ATC's intents, which keep adapters, switches and the number of migrations as declared."""

    @property
    def owner(self) -> str:
        """Who keeps virtual switches and migration limits as they are; empty for nobody else."""
        if self.intents:
            return f"Network ATC (intent {', '.join(sorted(self.intents))})"
        return "System Center Virtual Machine Manager" if self.vmm else ""


@asked_often
def managers(host: str) -> Query[Managers]:
    """Reads who else manages a host. No Network ATC there, no intents."""
    agent = command("Get-CimInstance", ClassName="Win32_Service", Filter=f"Name='{_AGENT}'")
    return Query(host, (agent, command("Get-NetIntent")), partial(_managers, host))


def _managers(host: str, replies: Sequence[Reply]) -> Managers:
    agents, intents = replies
    running = any(str(each["State"]) == "Running" for each in many(agents))
    declared = () if lacks_command(intents) else many(intents)
    return Managers(subject=host, vmm=running, intents=frozenset(str(each["IntentName"]) for each in declared))
