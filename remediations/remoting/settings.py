"""How patient the remoting is, and how long it keeps what it no longer needs."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from remediations.model.base import Frozen


class RemotingSettings(Frozen):
    """All times in seconds."""

    connect: int = Field(default=10, ge=1, description="For a TCP and TLS connection")
    operation: int = Field(default=20, ge=1, description="How long the host may take over a request other than for output")
    poll: int = Field(default=4, ge=1, description="How long the host may hold one request for output before it says 'not yet'")
    slack: int = Field(default=10, ge=1, description="How much longer than that the network may take before it counts as dead")
    stop: int = Field(default=3, ge=1, description="For stopping a command whose deadline passed, and for closing a session")
    in_flight: float = Field(
        default=10, ge=0, description="How long a request whose answer was lost may still be on its way to the host"
    )
    probe: int = Field(default=5, ge=1, description="How long an idle session may take to prove itself alive")
    probe_after: float = Field(default=15, ge=0, description="A session idle for longer is proven alive before it is used")
    tidy_after: float = Field(default=1, ge=0, description="Idle time after which finished commands are cleared on the host")
    close_after: float = Field(default=90, ge=0, description="Idle time after which a session is closed")
    idle_timeout: int = Field(
        default=180, ge=60, description="When the host drops a session that we left behind (Windows takes no less than 60)"
    )
    leftovers: int = Field(default=64, ge=1, description="Finished commands left uncleared on a host, at most")

    @model_validator(mode="after")
    def _closes_first(self) -> Self:
        if self.close_after >= self.idle_timeout:
            raise ValueError("close_after must be less than idle_timeout, or the host drops sessions that we still count on")
        return self
