"""Alerts come in here: the web receiver, and one small adapter for each sender's format."""

from remediations.alerts.approvals import Heard, Said, approvals
from remediations.alerts.edge import Limits
from remediations.alerts.receiver import receiver
from remediations.alerts.report import BadAlert, Ended, Report, known_to
from remediations.alerts.taking import Accepted

__all__ = ["Accepted", "BadAlert", "Ended", "Heard", "Limits", "Report", "Said", "approvals", "known_to", "receiver"]
