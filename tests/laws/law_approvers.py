"""Approvers with real secrets, whose authenticators show codes by the bench's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyotp
from cryptography.fernet import Fernet
from law_bench import Bench

from remediations.codes import Codes
from remediations.engine import Answer, Ask
from remediations.ledger import Ledger


class Approvers:
    """Some people with an authenticator each."""

    def __init__(self, ledger: Ledger, *names: str) -> None:
        key = Fernet.generate_key().decode()
        self.ledger, self.codes = ledger, Codes(lambda: key)
        self.authenticators: dict[str, pyotp.TOTP] = {}
        for name in names:
            self.enrol(name)

    def enrol(self, name: str) -> None:
        """Enrol somebody, again if need be."""
        uri, sealed = self.codes.enrol(name)
        self.ledger.add_approver(name, sealed, by="root")
        self.authenticators[name] = pyotp.parse_uri(uri)  # of ours, always a TOTP

    def code(self, name: str, at: datetime) -> str:
        """What somebody's authenticator shows."""
        return self.authenticators[name].at(at)

    def answer(self, ask: Ask, name: str, at: datetime, **other: object) -> Answer:
        """An approval as it should be, but for what is `other`."""
        right = {
            "decision": "approve",
            "approver": name,
            "digest": ask.digest[:8],
            "code": self.code(name, at),
            "target": ask.needed.typed,
            "at": at,
        }
        return Answer.model_validate(right | other)


STEP = timedelta(seconds=30)


class Two:
    """A gate that is answered by one person after the other, each by their authenticator."""

    def __init__(self, bench: Bench, *names: str, **other: object) -> None:
        self.bench, self.names, self.other = bench, list(names), other
        self.approvers = Approvers(bench.ledger, *dict.fromkeys(names))
        bench.step_of = self.approvers.codes.step

    def __call__(self, ask: Ask) -> Answer:
        """What the next of them says."""
        self.bench.asked.append(ask)
        return self.approvers.answer(ask, self.names.pop(0), self.bench.clock(), **self.other)
