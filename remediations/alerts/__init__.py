"""Alerts come in here: the web receiver, and one small adapter for each sender's format."""

from remediations.alerts.edge import Limits
from remediations.alerts.receiver import receiver
from remediations.alerts.report import BadAlert, Ended, Report, known_to
from remediations.alerts.taking import Accepted

__all__ = ["Accepted", "BadAlert", "Ended", "Limits", "Report", "known_to", "receiver"]
