"""What an evidence bundle holds beyond what a diagnosis reads: the guide's data collection list, from both nodes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Reads, Repair
from remediations.engine.bundle import Bundle
from remediations.engine.gather import gather, queries_of, reads_of
from remediations.engine.ports import Reading
from remediations.engine.propose import Proposal, propose
from remediations.engine.recording import Recording
from remediations.engine.symptom import nodes_of
from remediations.model.command import Command, command
from remediations.model.diagnosis import Sighting
from remediations.model.incident import Incident
from remediations.model.reply import Reply
from remediations.model.site import Site
from remediations.remoting import RemotingError

CHANNELS = (
    "Microsoft-Windows-Hyper-V-VMMS-Admin",
    "Microsoft-Windows-Hyper-V-VMMS-Operational",
    "Microsoft-Windows-Hyper-V-Worker-Admin",
    "Microsoft-Windows-Hyper-V-Worker-Operational",
    "Microsoft-Windows-Hyper-V-High-Availability-Admin",
    "Microsoft-Windows-Hyper-V-Config-Admin",
    "Microsoft-Windows-Hyper-V-VmSwitch-Operational",
    "Microsoft-Windows-FailoverClustering/Operational",
    "Microsoft-Windows-SMBClient/Connectivity",
    "System",
)
"""Event logs that know of migrations; Hyper-V's have a dash before Admin, failover clustering a slash (FIELD-FACTS)."""

MOST_EVENTS = 500
"""Events of one channel at most, the newest."""

LOG_MEGABYTES = 8
"""MiB of one node's cluster log at most, its newest end."""

DEADLINE = 120.0
"""Seconds that one host may take for what is read beyond the diagnosis, and for its cluster log."""


def collect(
    hosts: Reading,
    site: Site,
    incident: Incident,
    *,
    now: datetime,
    sightings: Sequence[Sighting] = (),
    hours: float = 24,
    cluster_logs: bool = True,
) -> Bundle:
    """Read everything of an incident, `hours` back, and say what the rules find. Sends nothing that changes a setting.

    With `cluster_logs` each node writes its cluster log into a directory of its own and removes it again (evidence).
    """
    recording = Recording(hosts)
    proposal = propose(recording, site, incident, now=now, sightings=sightings, tried=frozenset())
    return completed(recording, site, proposal, incident, now=now, sightings=sightings, hours=hours, cluster_logs=cluster_logs)


def completed(
    recording: Recording,
    site: Site,
    proposal: Proposal,
    reported: Incident,
    *,
    now: datetime,
    sightings: Sequence[Sighting] = (),
    hours: float = 24,
    cluster_logs: bool = True,
) -> Bundle:
    """The bundle of a diagnosis that was recorded, with the rest of the list read as well."""
    incident = proposal.incident
    nodes = nodes_of(incident, site)
    since = (incident.occurred_at or now) - timedelta(hours=hours)
    # Before the further reads: a bundle holds what every repair would look at, so that tomorrow's rules find it there.
    everything = [
        each for entry in CATALOGUE.values() if issubclass(entry, Repair) for each in entry.for_incident(incident, site)
    ]
    wanted = [reads_of(each, site, proposal.evidence) for each in everything]
    gather(recording, site, queries_of(each for each in wanted if isinstance(each, Reads)))
    asked = [recording.submit(node, commands_for(incident, since), deadline=DEADLINE) for node in nodes]
    for each in asked:
        each.exception(DEADLINE + 30)
    logs = _cluster_logs(recording, [node for node in nodes if site.cluster_of(node)], hours) if cluster_logs else {}
    said = {host: tuple(spoken) for host, spoken in recording.heard().items()}
    return Bundle(
        incident=reported,
        now=now,
        site=site,
        said=said,
        identities={host: recording.identity(host) for host in said},
        sightings=tuple(sightings),
        logs=logs,
    ).with_findings(proposal)


def commands_for(incident: Incident, since: datetime) -> list[Command]:
    """The guide's data collection list (section Data collection), as reads of one host."""
    found = [
        command("Get-WinEvent", FilterHashtable={"LogName": channel, "StartTime": since}, MaxEvents=MOST_EVENTS)
        for channel in CHANNELS
    ]
    found += [
        command("Get-RemediationModule"),
        command("Get-VM"),
        command("Get-VMHost"),
        command("Get-VMSwitch"),
        command("Get-VMHostSupportedVersion"),
        command("Get-NetAdapter"),
        command("Get-NetIPAddress"),
        command("Get-RemediationWinRM"),
        command("Get-RemediationTicket"),
    ]
    if incident.vm is not None:
        found += [
            command("Get-VMProcessor", VMName=incident.vm),
            command("Get-VMSnapshot", VMName=incident.vm),
            command("Get-VMHardDiskDrive", VMName=incident.vm),
            command("Get-RemediationDiskChain", Name=incident.vm),
        ]
    return found


def _cluster_logs(hosts: Reading, nodes: Iterable[str], hours: float) -> dict[str, str]:
    """Each node's cluster log by file name; why there is none, where it could not be had."""
    minutes = max(1, min(1440, round(hours * 60)))
    wanted = command("Get-RemediationClusterLog", Minutes=minutes, Megabytes=LOG_MEGABYTES)
    asked = {node: hosts.collect(node, wanted, deadline=DEADLINE) for node in nodes}
    logs = {}
    for node, answer in asked.items():
        try:
            (reply,) = answer.result(DEADLINE + 30)
            logs[f"{node}-cluster.log"] = _log(reply)
        except (RemotingError, TimeoutError, ValueError, KeyError, OSError, EOFError, zlib.error) as error:
            logs[f"{node}-cluster.log"] = f"The cluster log of {node} could not be had: {error}\n"
    return logs


def _log(reply: Reply) -> str:
    """The log's text, under what became of the file that it was in."""
    if reply.errors or len(reply.objects) != 1:
        raise ValueError(reply.errors[0].message if reply.errors else f"one log was expected, {len(reply.objects)} came")
    log = reply.objects[0]
    removed = "the file was removed from the host" if log["Removed"] else f"THE FILE IS STILL THERE: remove {log['Path']}"
    size = f"{log['Length']} bytes" + (f", its last {LOG_MEGABYTES} MiB here" if log["Cut"] else "")
    return f"{log['Path']}: {size}; {removed}\n\n{gzip.decompress(log['Content']).decode(errors='replace')}"
