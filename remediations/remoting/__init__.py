"""PowerShell Remoting to the hosts: sessions, the wire's types, and a closed list of errors. Knows only the model."""

from remediations.remoting.check import check_endpoint
from remediations.remoting.errors import (
    AnswerLost,
    CommandFailed,
    CredentialsRefused,
    DeadlinePassed,
    EndpointRefused,
    RemotingError,
    StoppedAtDeadline,
    Unreachable,
)
from remediations.remoting.remoting import Remoting
from remediations.remoting.settings import RemotingSettings

__all__ = [
    "AnswerLost",
    "CommandFailed",
    "CredentialsRefused",
    "DeadlinePassed",
    "EndpointRefused",
    "Remoting",
    "RemotingError",
    "RemotingSettings",
    "StoppedAtDeadline",
    "Unreachable",
    "check_endpoint",
]
