"""From what Windows wrote to ranked causes: reading reports, signatures, ranking. Pure; reads only its own packaged data."""

from remediations.diagnosis.parse import parse_reports
from remediations.diagnosis.rank import diagnose
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.signatures import Knowledge, SignatureError

__all__ = ["Knowledge", "ReportedEvent", "SignatureError", "diagnose", "parse_reports"]
