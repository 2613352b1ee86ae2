"""Whose saved state it was: by the machine's id, in any language. A name decides nothing where a memory may be deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from remediations.facts.saved import SaveHistory, save_history
from remediations.model.reply import Record, Reply

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
WEB, WEB_2 = UUID("49fb1d3f-1709-408c-bf32-564099a49401"), UUID("f2726aea-8ce7-4d2e-8898-a2b42e99d48c")

SAVED = "'{name}' was saved. (Virtual machine ID {id})"
UNREADABLE = (
    'Fehler beim Wiederherstellen von "{name}". (ID des virtuellen Computers: {id})\r\n\r\n"{name}": (0xC0370027). ({id})'
)


def event(text: str, minute: int, *, name: str = "", vm: UUID | str = "") -> Record:
    return {"Message": text.format(name=name, id=str(vm).upper()), "TimeCreated": NOW + timedelta(minutes=minute)}


def told(saved: list[Record], failed: list[Record]) -> SaveHistory:
    system = {"LastBootUpTime": NOW - timedelta(days=9)}
    replies = [Reply(objects=(system,)), Reply(objects=tuple(saved)), Reply(objects=tuple(failed)), Reply()]
    found = save_history("HV01").parse(replies)
    assert isinstance(found, SaveHistory)
    return found


def test_another_ones_events_are_not_its_own_whatever_it_is_called() -> None:
    found = told(
        [event(SAVED, 0, name="Web", vm=WEB), event(SAVED, 1, name="Web 2", vm=WEB_2)],
        [event(UNREADABLE, 5, name="Web 2", vm=WEB_2)],
    )
    assert found.saved == {str(WEB): NOW, str(WEB_2): NOW + timedelta(minutes=1)}
    assert found.unreadable == {str(WEB_2): NOW + timedelta(minutes=5)}


def test_a_machine_of_the_same_name_that_is_gone_says_nothing_of_the_new_one() -> None:
    assert str(WEB) not in told([], [event(UNREADABLE, 5, name="Web", vm=WEB_2)]).unreadable


def test_the_newest_counts_in_whichever_order_they_come() -> None:
    found = told([event(SAVED, minute, name="Web", vm=WEB) for minute in (3, 7, 1)], [])
    assert found.saved == {str(WEB): NOW + timedelta(minutes=7)}


@pytest.mark.parametrize("vm", ["", f"{WEB} of {WEB_2}"])
def test_an_event_without_an_id_or_with_several_is_nobodys(vm: str) -> None:
    assert told([event(SAVED, 0, name="Web", vm=vm)], []).saved == {}


@pytest.mark.parametrize(
    "words",
    [
        "Virtual machine migration operation for '{name}' failed at migration destination 'HV02'.",
        'Fehler bei der Livemigration von "{name}" auf dem Migrationsziel "HV02".',
        "No se pudo realizar la migración de la máquina virtual '{name}' en el destino 'HV02'.",
        "Falha na operação de migração da máquina virtual '{name}'.",
        "Operazione di migrazione della macchina virtuale '{name}' non riuscita.",
        "仮想マシン '{name}' の移行操作が移行先 'HV02' で失敗しました。",
        "'{name}' のライブ マイグレーションに失敗しました。",
        "虚拟机“{name}”迁移到目标“HV02”失败。",
        "虛擬機器 '{name}' 的移轉作業失敗。",
        "가상 컴퓨터 '{name}'의 마이그레이션 작업이 실패했습니다.",
        "Сбой операции миграции виртуальной машины '{name}'.",
        "'{name}' sanal makinesinin geçiş işlemi başarısız oldu.",
    ],
)
def test_a_move_that_could_not_read_a_state_is_no_start_in_any_language(words: str) -> None:
    """A state that a start had read since would be deleted for it."""
    move = f"{words} (Virtual machine ID {{id}})\r\n\r\n(0xC0370027)"
    assert told([event(SAVED, 0, name="Web", vm=WEB)], [event(move, 5, name="Web", vm=WEB)]).unreadable == {}
