"""From what Windows wrote to ranked causes: reading reports, signatures, ranking. Pure; reads only its own packaged data."""

from remediations.diagnosis.parse import event_of, parse_reports
from remediations.diagnosis.rank import diagnose, of_files
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.signatures import Knowledge, SignatureError

__all__ = ["Knowledge", "ReportedEvent", "SignatureError", "diagnose", "event_of", "of_files", "parse_reports"]
