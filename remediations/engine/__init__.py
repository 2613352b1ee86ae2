"""The engine: gather facts, propose a plan, apply it once, verify it, undo it, recover what was left."""

from remediations.engine.ports import Answer, Ask, Considered, Gate, Observe, Report
from remediations.engine.recover import Fate, Left, Over, Recovered, Unseen
from remediations.engine.runbook import Engine

__all__ = ["Answer", "Ask", "Considered", "Engine", "Fate", "Gate", "Left", "Observe", "Over", "Recovered", "Report", "Unseen"]
