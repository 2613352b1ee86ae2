"""What a sentence's build tells: an attempt at something else, a command that moves nothing, another platform's writing."""

from __future__ import annotations

import pytest

from remediations.diagnosis import Knowledge, ReportedEvent, SignatureError, diagnose, of_files
from remediations.diagnosis.activity import cmdlet, foreign, mover, other_attempt
from remediations.diagnosis.signatures import read_signatures
from remediations.diagnosis.text import Words
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict
from remediations.model.incident import Incident


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("'VM01' failed to start.", "start"),
        ("Could not import the virtual machine.", "import"),
        ("An error occurred while attempting to export the virtual machine.", "export"),
        ("Error mounting VHD: the RPC server is unavailable", "mounting"),
        ("Failed to establish a connection with host 'HV02'", None),
        ("Unable to migrate virtual machine VM01", None),
        ("The start of the year was good", None),
    ],
)
def test_the_verb_of_an_attempt_tells_a_start_from_a_move(text: str, verb: str | None) -> None:
    words = Words(text)
    assert other_attempt(words.spaced, words.unique) == verb


@pytest.mark.parametrize(
    ("text", "spoke", "other"),
    [
        ("Start-VM : 'VM01' failed to start.", True, "Start-VM"),
        ("Hyper-V\\Set-VM : 'VM01' failed to modify resources.", True, "Set-VM"),
        ("Move-VM : Virtual machine migration operation failed at migration source.", True, None),
        ("Set-Item : The client cannot connect to the destination specified in the request.", True, None),
        ("broken\n    + CategoryInfo : NotSpecified: (:) [Import-VM], VirtualizationException", False, "Import-VM"),
        ("FullyQualifiedErrorId : AccessDenied,Microsoft.HyperV.PowerShell.Commands.StartVM", False, "Start-VM"),
        ("The cluster moved nothing: see above", False, None),
    ],
)
def test_the_command_that_spoke_is_known(text: str, spoke: bool, other: str | None) -> None:
    assert cmdlet(text) == (spoke, other)


def test_a_moving_command_is_found_wherever_it_stands() -> None:
    assert mover("At line:1 char:1\n+ Move-VM -Name VM01 -DestinationHost HV02")
    assert not mover("Failed to move VM vm01 to datastore ds02")


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("migration failed: /var/lib/libvirt/images/vm01.qcow2 is missing", True),
        ("Jan 31 15:56:51 pve1 qm[77]: migration of VM 101 failed", True),
        ("2026-04-29 22:30:21 migration aborted", True),
        ("Failed to live migrate instance to host", True),
        ("Live migration of VM01 failed: cpu_allocation_ratio", True),
        ("Live migration of VM01 failed. Synthetic SCSI Controller (Instance ID 488C9F6E)", False),
        ("Live migration of 'VM01' failed: C:\\ClusterStorage\\Volume1\\VM01.vhdx cannot be found.", False),
        ("LIVE MIGRATION FAILED WITH ERROR: ACCESS DENIED", False),
    ],
)
def test_another_platforms_writing_is_told(text: str, theirs: bool) -> None:
    words = Words(text)
    assert foreign(text, words.spaced, words.unique) is theirs


@pytest.mark.parametrize(
    ("thing", "cause"),
    [
        ("The processor of the other host is not compatible.", Cause.CPU_INCOMPATIBLE),
        ("Der Prozessor ist nicht kompatibel.", Cause.CPU_INCOMPATIBLE),
        ("The host lacks enough memory; insufficient RAM.", Cause.INSUFFICIENT_MEMORY),
        ("No virtual switch of that name: the switch is missing.", Cause.SWITCH_MISSING),
        ("TCP 6600 is blocked on the way.", Cause.FIREWALL_BLOCKED),
        ("Constrained delegation is missing for the account.", Cause.ACCESS_DENIED_DELEGATION),
    ],
)
def test_a_thing_and_what_is_said_of_it_lead_to_a_cause_in_a_failed_move_only(thing: str, cause: Cause) -> None:
    moved = diagnose(f"The virtual machine could not be migrated. {thing}")
    assert moved.hypotheses[0].cause is cause
    assert diagnose(f"The backup ended. {thing}").verdict is not TextVerdict.CAUSES


def test_words_together_must_stand_in_one_sentence() -> None:
    apart = diagnose("The virtual machine could not be migrated. The processor is fast. Colour printing is not supported.")
    assert apart.verdict is TextVerdict.UNKNOWN


@pytest.mark.parametrize("together", ["[[one]]", "[[one], []]"])
def test_words_together_need_two_groups_with_words_in_each(together: str) -> None:
    with pytest.raises(SignatureError, match="together"):
        read_signatures(f"signatures: [{{id: abc, source: us, says: {{unknown: 0.5}}, together: {together}}}]", "ours.yaml")


def test_an_article_alone_is_no_phrase() -> None:
    ours = read_signatures("signatures: [{id: abc, source: us, says: {unknown: 0.5}, phrases: [the]}]", "ours.yaml")
    with pytest.raises(SignatureError, match="article"):
        Knowledge(ours, ())


def test_the_same_sentences_in_another_order_are_answered_by_themselves() -> None:
    """What is kept of texts with the same phrases never answers for a text whose sentences differ."""
    together = "The virtual machine could not be migrated. The processor is not supported."
    apart = "The virtual machine could not be migrated. The processor. Printing is not supported."
    answers = [diagnose(ReportedEvent(text=text)).verdict for text in (together, apart, together)]
    assert answers == [TextVerdict.CAUSES, TextVerdict.UNKNOWN, TextVerdict.CAUSES]


@pytest.mark.parametrize(
    ("named", "cause"),
    [
        ("Kerberos", Cause.ACCESS_DENIED_DELEGATION),
        ("CredSSP", Cause.CREDSSP_NO_CREDENTIALS),
        ("the processors", Cause.CPU_INCOMPATIBLE),
        ("a vTPM", Cause.VTPM_KEY_PROTECTOR),
        ("ISO", Cause.DVD_OR_ISO_ATTACHED),
        ("Prozessor", Cause.CPU_INCOMPATIBLE),
    ],
)
def test_what_a_failed_move_names_is_a_hint_where_nothing_else_is_said(named: str, cause: Cause) -> None:
    header = "Live migration of 'Virtual Machine VM01' failed."
    assert diagnose(header).verdict is TextVerdict.UNKNOWN
    hinted = diagnose(f"{header} It has to do with {named}")
    assert hinted.hypotheses[0].cause is cause
    assert hinted.hypotheses[0].score < 0.5
    said = diagnose(f"{header} Could not find Ethernet switch 'X'. It has to do with {named}")
    assert said.hypotheses[0].cause is Cause.SWITCH_MISSING
    assert cause not in [each.cause for each in said.hypotheses]
    assert diagnose(f"Hyper-V works. It has to do with {named}").verdict is not TextVerdict.CAUSES


def test_the_beginning_of_a_word_stands_for_all_words_that_begin_so() -> None:
    ours = read_signatures("signatures: [{id: abc, source: us, says: {unknown: 0.5}, phrases: ['misconfig*']}]", "ours.yaml")
    index = Knowledge(ours, ()).index
    assert index.within(Words("a Misconfigured host"))
    assert index.within(Words("misconfiguration"))
    assert not index.within(Words("unmisconfigured"))


@pytest.mark.parametrize("phrase", ["err*", "two words*", "*", "移行*"])
def test_too_short_a_beginning_is_refused(phrase: str) -> None:
    ours = read_signatures(f"signatures: [{{id: abc, source: us, says: {{unknown: 0.5}}, phrases: ['{phrase}']}}]", "ours.yaml")
    with pytest.raises(SignatureError, match="first 4 letters"):
        Knowledge(ours, ())


@pytest.mark.parametrize(
    "text", ["Event ID 5120 again and again", "event 5120 was logged on HV01", "Ereignis-ID: 5120", "事件 ID 5120 重复出现"]
)
def test_an_event_that_a_text_names_counts_as_if_it_were_reported(text: str) -> None:
    assert diagnose(text).hypotheses[0].cause is Cause.STORAGE_UNREACHABLE
    assert diagnose(ReportedEvent(text=text, event_id=20415)).verdict is not TextVerdict.CAUSES


def test_who_reports_an_incident_is_believed_that_a_move_failed() -> None:
    text = "The machine is on its way to the other host of this site"
    assert diagnose(text).verdict is TextVerdict.NOT_A_MIGRATION_FAILURE
    assert diagnose(Incident(vm="VM01", message=text)).verdict is TextVerdict.UNKNOWN


def test_of_a_storage_migration_the_cause_is_told_but_no_machine_was_to_move() -> None:
    said = "Storage migration for virtual machine 'VM01' failed with error 'General access denied error' (0x80070005)."
    answer = diagnose(ReportedEvent(text=said, computer="HV01"))
    assert answer.verdict is TextVerdict.CAUSES
    assert answer.incident is None
    assert of_files(Incident(vm="VM01", source="HV01", message=said))


def test_a_move_that_takes_the_storage_along_is_one_of_the_machine() -> None:
    said = (
        "Virtual machine migration operation for 'VM01' failed at migration source 'HV01'. Storage migration is not supported."
    )
    answer = diagnose(said)
    assert answer.incident is not None
    assert answer.incident.vm == "VM01"
    assert not of_files(answer.incident)


@pytest.mark.parametrize(
    "name", ["docker-01", "VEEAM-PROXY", "openstack-db2", "backup-2", "SCCM-01"], ids=lambda name: f"named {name}"
)
def test_a_name_in_quotes_makes_a_move_no_other_programs(name: str) -> None:
    said = "The action 'Quick Migration' did not complete. An error occurred while moving the virtual machine '{}'."
    assert diagnose(said.format(name)).verdict is diagnose(said.format("WEB")).verdict is TextVerdict.UNKNOWN
