"""Alerts come in here: the web receiver, and one small adapter for each sender's format."""

from remediations.alerts.edge import Limits
from remediations.alerts.receiver import Accepted, receiver
from remediations.alerts.report import BadAlert, known_to

__all__ = ["Accepted", "BadAlert", "Limits", "known_to", "receiver"]
