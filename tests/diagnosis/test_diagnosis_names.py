"""Whom an incident names, in every language: by quotes, by the words before them, and by clustered resources' names."""

# ruff: noqa: E501 - messages stand as Windows writes them, on one line

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from remediations.diagnosis import ReportedEvent, diagnose
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict
from remediations.model.incident import Incident, What


def told(text: str, **given: Any) -> Incident:
    found = diagnose(ReportedEvent(text=text, **given)).incident
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "vm", "source", "destination"),
    [
        (
            "Live migration of 'Virtual Machine SQL 01' failed.\n\nVirtual machine migration operation for 'SQL 01' failed at "
            "migration source 'HV01'. (Virtual machine ID D46FD5CD-A9CB-40B1-ACFB-5CC8C759E2D5)\nThe Virtual Machine Management "
            "Service failed to establish a connection for a Virtual Machine migration with host 'hv02.contoso.com': refused (0x8007274D)",
            "SQL 01", "HV01", "hv02.contoso.com",
        ),
        ("Virtual machine migration operation for 'VM01' failed at migration destination 'HYP1'.", "VM01", None, "HYP1"),
        ("Live migration of 'SCVMM VM01' failed\nVirtual machine migration operation for 'VM01' failed at migration source 'Node3'.", "VM01", "Node3", None),
        ("Fehler bei der Livemigration von „Virtual Machine VM01“.\nDer Migrationsvorgang für virtuelle Computer „VM01“ ist an der Migrationsquelle „HV01“ fehlgeschlagen.", "VM01", "HV01", None),
        ("Échec de la migration dynamique de « Virtual Machine VM01 ». Échec de l’opération au niveau de la destination de migration.", "VM01", None, None),
        ("「Virtual Machine VM01」のライブ マイグレーションに失敗しました。移行元 「HV01」", "VM01", "HV01", None),
        ("仮想マシン 'VM01' は、物理コンピューター 'HV02' でサポートされていないプロセッサ固有の機能を使用しています。", "VM01", None, "HV02"),
        ("“Virtual Machine VM01”的实时迁移失败。", "VM01", None, None),
        ("'Virtual Machine VM01' failed to live migrate because a virtual switch used by the VM does not exist on the destination node 'NODE2'.", "VM01", None, "NODE2"),
        ("The virtual machine 'HVNew01' is not compatible with physical computer 'HVNEW06'. Could not find Ethernet switch 'ConvergedSwitch2'.", "HVNew01", None, "HVNEW06"),
        ("Live migration of 'Virtual Machine 'VM01'' failed.", "VM01", None, None),
        ("Falha na operação de migração da máquina virtual para 'VM-CONTAB' no destino da migração 'HV-SP02'.", "VM-CONTAB", None, "HV-SP02"),
        ("Errore dell'operazione di migrazione della macchina virtuale per 'SRV-MAG' nell'origine della migrazione 'HV-TO-1'.", "SRV-MAG", "HV-TO-1", None),
        ("Errore dell'operazione di migrazione della macchina virtuale per 'SRV-MAG' nella destinazione della migrazione 'HV-TO-2'.", "SRV-MAG", None, "HV-TO-2"),
        ('Fehler beim Vorgang zur Migration virtueller Computer für "SRV-DMS" an der Migrationsquelle "HV-TRIER1".', "SRV-DMS", "HV-TRIER1", None),
        ("No se pudo inicializar la memoria de 'BD-VENTAS': Recursos insuficientes en el sistema para completar el servicio solicitado. (0x800705AA)", "BD-VENTAS", None, None),
        ('Fehler bei der Livemigration von "Virtueller Computer DATEV01".', "DATEV01", None, None),
        ("“虚拟机 OA-WEB01”的实时迁移失败。", "OA-WEB01", None, None),
        ("'仮想マシン TESTDB' のライブ マイグレーションに失敗しました。", "TESTDB", None, None),
        ("La risorsa cluster 'Virtual Machine SRV-GEST' nel ruolo del cluster 'SRV-GEST' ha rifiutato una richiesta di spostamento nel nodo 'HV-MI-2'.", "SRV-GEST", None, "HV-MI-2"),
        ("Cluster group 'VM01' migration timed out after 600.000s.", "VM01", None, None),
        ("Error (10698)\nThe virtual machine (SHAREPT-WFE2) could not be live migrated to the virtual machine host (hvc7.corp.contoso.com) using this cluster configuration.", "SHAREPT-WFE2", None, "hvc7.corp.contoso.com"),
        ("Error (10698)\nVirtual machine LNX07 could not be live migrated to virtual machine host hvc2n1.example.com using this cluster configuration.", "LNX07", None, "hvc2n1.example.com"),
        ("Error (12700)\nVMM cannot complete the host operation on the hyp-02.fabrikam.local server because of the error: Virtual machine migration operation for 'VM01' failed at migration destination 'HYP-03'.", "VM01", "hyp-02.fabrikam.local", "HYP-03"),
        ("VMM cannot complete the Hyper-V operation on the server (hv7.fabrikam.local) because of the error: Live migration of 'Virtual Machine VM01' failed.", "VM01", "hv7.fabrikam.local", None),
    ],
)  # fmt: skip
def test_names_by_quotes_and_words(text: str, vm: str, source: str | None, destination: str | None) -> None:
    found = told(text)
    assert (found.vm, found.source, found.destination) == (vm, source, destination)


def test_the_computer_that_logged_it_is_the_side_that_the_text_says() -> None:
    at_source = told("Virtual machine migration operation for 'VM01' failed at migration source.", computer="HV01.contoso.com")
    assert (at_source.source, at_source.destination) == ("HV01.contoso.com", None)
    at_other = told("Virtual machine migration operation for 'VM01' failed at migration destination.", computer="HV02")
    assert (at_other.source, at_other.destination) == (None, "HV02")


def test_a_failed_drain_is_about_its_node() -> None:
    found = told(
        "Node drain failed on Cluster node NODE1.",
        event_id=1677,
        channel="System",
        provider="Microsoft-Windows-FailoverClustering",
    )
    assert (found.what, found.source, found.vm) == (What.DRAIN, "NODE1", None)


def test_names_that_are_none_are_left_out() -> None:
    found = told(
        "Live migration of 'Virtual Machine VM01' failed.\nFailed to establish a connection with host '*': refused (0x8007274D)"
    )
    assert found.vm == "VM01"
    assert found.destination is None
    assert diagnose("Live migration of 'Virtual Machine *' failed.").incident is None


def test_unrendered_events_name_it_in_their_data() -> None:
    found = told(
        "", event_id=21024, channel="Microsoft-Windows-Hyper-V-VMMS-Admin", data={"VmName": "VM01", "ErrorCode": "%%2148074254"}
    )
    assert found.vm == "VM01"


def test_an_incident_keeps_what_it_was_given_and_gains_what_its_text_names() -> None:
    given = Incident(
        vm="VM01",
        destination="HV09",
        message="Virtual machine migration operation for 'OTHER' failed at migration source 'HV01'.",
    )
    found = diagnose(given).incident
    assert found is not None
    assert (found.vm, found.source, found.destination) == ("VM01", "HV01", "HV09")


def test_an_incident_that_is_a_drain_points_to_the_drain() -> None:
    answer = diagnose(Incident(what=What.DRAIN, source="NODE1", message="moving the roles took too long"))
    assert answer.verdict is TextVerdict.CAUSES
    assert answer.hypotheses[0].cause is Cause.NODE_DRAIN_FAILED


def test_time_and_origin_are_carried() -> None:
    at = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    found = told("Live migration of 'Virtual Machine VM01' failed.", event_id=21111, channel="c", provider="p", time=at)
    assert (found.event_id, found.channel, found.provider, found.occurred_at) == (21111, "c", "p", at)


def test_events_beside_it_name_the_cause() -> None:
    beside = ReportedEvent(
        text="'VM01' failed to create partition: Insufficient system resources exist to complete the requested service. (0x800705AA)"
    )
    bare = ReportedEvent(text="Live migration of 'Virtual Machine VM01' failed.", event_id=21111)
    assert diagnose(bare).verdict is TextVerdict.UNKNOWN
    answer = diagnose(bare.model_copy(update={"related": (beside,)}))
    assert answer.hypotheses[0].cause is Cause.INSUFFICIENT_MEMORY
    assert "beside it" in answer.hypotheses[0].evidence[0]


def test_a_message_is_kept_short() -> None:
    found = told("Live migration of 'Virtual Machine VM01' failed. " + "x" * 100_000)
    assert len(found.message) == 20_000


def test_a_sentence_about_nodes_names_none() -> None:
    found = told("Live migration of 'Virtual Machine VM1' failed. The specified cluster node isn't the owner of the group.")
    assert found.destination is None
