"""What people write of a move that failed, in plain words: that it failed, and why, in the eight languages whose sentences we know.

Tickets, courses, runbooks and tables of symptoms say it without code, event or one of Hyper-V's own sentences: "Live
migration fails. Cause: …". `plain_words.jsonl` has such reasons, our own, the same ones in every language; each is put after
each way of saying that a machine would not move. So no rule for one message can meet it: words for failing, for things and
for what is said of them must be there in every language.
"""

# ruff: noqa: E501 - sentences stand as people write them, on one line

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from measure import labels, rows

from remediations.diagnosis import ReportedEvent, diagnose
from remediations.model.diagnosis import TextVerdict

REASONS = rows(Path(__file__).parent / "plain_words.jsonl")
LANGUAGES = {
    "en": ("Cause", ["Live migration fails", "The VM cannot be moved to the other host", "The live migration breaks off", "Live migrating the VM was aborted"]),
    "de": ("Ursache", ["Die Livemigration schlägt fehl", "Die Live-Migration bricht ab", "Die VM lässt sich nicht auf den anderen Host verschieben", "Das Verschieben der VM scheitert"]),
    "fr": ("Cause", ["La migration dynamique échoue", "La VM ne peut pas être déplacée vers l'autre hôte", "La migration de la machine virtuelle est interrompue", "Impossible de migrer la VM"]),
    "es": ("Causa", ["La migración en vivo falla", "No se puede mover la VM al otro host", "La migración de la máquina virtual se interrumpe", "Error al migrar la VM"]),
    "pt": ("Causa", ["A migração ao vivo falha", "Não é possível mover a VM para o outro host", "A migração da máquina virtual é interrompida", "Erro ao migrar a VM"]),
    "it": ("Causa", ["La migrazione in tempo reale fallisce", "La Live Migration si interrompe", "Impossibile spostare la VM sull'altro host", "La migrazione della macchina virtuale non riesce"]),
    "ja": ("原因", ["ライブ マイグレーションが失敗します", "仮想マシンを別のホストに移動できません", "ライブ マイグレーションが中断されます", "VM の移行に失敗しました"]),
    "zh": ("原因", ["实时迁移失败", "无法将虚拟机迁移到另一台主机", "虚拟机迁移中断", "热迁移报错"]),
}  # fmt: skip
DRAINS = {
    "en": ["Draining the cluster node failed", "The failover cluster refuses to drain HV01", "The drain of the cluster node timed out", "Unable to drain the cluster roles of HV01"],
    "de": ["Das Entleeren des Clusterknotens schlägt fehl", "Der Clusterknoten lässt sich nicht leeren", "Das Ausgleichen der Clusterrollen wurde abgebrochen"],
    "fr": ["Impossible de vider le nœud du cluster", "Le nœud du cluster ne peut pas être vidé : impossible de drainer le nœud de cluster", "Le drainage du nœud du cluster échoue"],
    "es": ["No se puede vaciar el nodo del clúster", "El drenaje del nodo del clúster falla", "No se pudo drenar los roles de clúster"],
    "pt": ["Não é possível esvaziar o nó do cluster", "A drenagem do nó do cluster falha", "Falha ao drenar as funções de cluster"],
    "it": ["Impossibile svuotare il nodo del cluster", "Lo svuotamento del nodo del cluster fallisce", "Il drenaggio dei ruoli del cluster non riesce"],
    "ja": ["クラスター ノードのドレインに失敗しました", "クラスター ノードをドレインできません", "クラスターの役割のドレインがタイムアウトしました"],
    "zh": ["群集节点排空失败", "无法排空群集节点", "群集角色排空超时"],
}  # fmt: skip
# The move is over and something else does not work, takes its time, or went well: each in the eight languages.
NO_FAILURE = {
    "en": ["The VM has no network after the migration", "After live migration the guest is unreachable", "The live migration is slow", "The migration of VM01 completed successfully"],
    "de": ["Nach der Livemigration hat die VM kein Netzwerk", "Die VM startet nach der Migration nicht", "Die Livemigration ist langsam", "VM01 wurde erfolgreich verschoben"],
    "fr": ["Après la migration la VM n'a plus de réseau", "La migration dynamique est lente", "La machine virtuelle a été migrée avec succès"],
    "es": ["Tras la migración la VM se queda sin red", "La migración es lenta", "La máquina virtual fue migrada correctamente"],
    "pt": ["Após a migração a VM fica sem rede", "A migração está lenta", "A máquina virtual foi movida com êxito"],
    "it": ["Dopo la migrazione la VM è senza rete", "La migrazione è lenta", "La macchina virtuale è stata spostata correttamente"],
    "ja": ["移行後に仮想マシンのネットワーク接続が切断される", "移行が遅い", "仮想マシンの移行が正常に完了しました"],
    "zh": ["迁移后虚拟机网络中断", "迁移速度很慢", "虚拟机迁移成功完成"],
}  # fmt: skip
LISTS = {
    "en": "Live migration fails: authentication, network, switch, processor compatibility or storage issue",
    "de": "Die Livemigration schlägt fehl: Berechtigungen, Netzwerk, Prozessor oder Speicher prüfen",
    "fr": "La migration dynamique échoue : vérifier droits, réseau, processeur, stockage",
    "es": "La migración en vivo falla: comprobar permisos, red, procesador, almacenamiento",
    "pt": "A migração ao vivo falha: verificar permissões, rede, processador, armazenamento",
    "it": "La migrazione in tempo reale fallisce: verificare permessi, rete, processore, archiviazione",
    "ja": "ライブ マイグレーションが失敗します。権限、ネットワーク、プロセッサ、記憶域を確認",
    "zh": "实时迁移失败：检查权限、网络、处理器、存储",
}
JOINED = {"sentences": "{head}. {cause}: {reason}.", "table": "{head}: {reason}", "lines": "{head}\n{cause}: {reason}"}


def _said(row: dict[str, Any], joined: str) -> list[str]:
    cause, heads = LANGUAGES[row["language"]]
    return [JOINED[joined].format(head=head, cause=cause, reason=row["text"]) for head in heads]


@pytest.mark.parametrize("joined", JOINED)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_reason_is_found_in_plain_words(language: str, joined: str) -> None:
    mine = [row for row in REASONS if row["language"] == language]
    said = {text: (labels(diagnose(ReportedEvent(text=text)))[0], row) for row in mine for text in _said(row, joined)}
    wrong = [(text, first) for text, (first, row) in said.items() if first not in {row["label"], *row.get("also", ())}]
    assert not wrong


@pytest.mark.parametrize("language", DRAINS)
def test_a_drain_that_failed_is_found_in_plain_words(language: str) -> None:
    said = {text: labels(diagnose(ReportedEvent(text=text))) for text in DRAINS[language]}
    assert not {text: answer for text, answer in said.items() if answer[0] != "node_drain_failed"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_that_it_failed_says_no_cause_by_itself(language: str) -> None:
    for head in LANGUAGES[language][1]:
        answer = diagnose(ReportedEvent(text=f"{head}."))
        assert answer.verdict is TextVerdict.UNKNOWN, (head, labels(answer))


@pytest.mark.parametrize("language", NO_FAILURE)
def test_what_goes_wrong_after_a_move_or_is_slow_is_no_failure_of_it(language: str) -> None:
    said = {text: diagnose(ReportedEvent(text=text)).verdict for text in NO_FAILURE[language]}
    assert not {text: verdict for text, verdict in said.items() if verdict is not TextVerdict.NOT_A_MIGRATION_FAILURE}


@pytest.mark.parametrize("language", LISTS)
def test_a_list_of_all_causes_is_none(language: str) -> None:
    answer = diagnose(ReportedEvent(text=LISTS[language]))
    assert answer.verdict is TextVerdict.UNKNOWN, labels(answer)


def test_every_reason_is_there_in_every_language() -> None:
    for language in LANGUAGES:
        mine = [row["label"] for row in REASONS if row["language"] == language]
        assert mine == [row["label"] for row in REASONS if row["language"] == "en"], language
