"""Who an incident is about: names by the quotes around them and the words before them, in the languages of the signatures.

The name of a clustered virtual machine's resource, `Virtual Machine NAME`, is the same in every language of Windows and
counts first. What does not validate as a name of that kind is left out; nothing is ever repaired or guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.text import words_of
from remediations.model.incident import Incident, Told, What
from remediations.model.names import same_host

_CONSIDERED = 16_384  # characters in which names are looked for
_MESSAGE = 20_000  # characters that an incident keeps

_PLAIN = re.compile(r"'([^'\n]{1,120})'(?![A-Za-z0-9])")
_FANCY = re.compile(
    '‘([^‘’\n]{1,120})’|“([^“”„\n]{1,120})”|„([^„“”\n]{1,120})[“”]|«\\s?([^«»\n]{1,120}?)\\s?»|「([^「」\n]{1,120})」|"([^"\n]{1,120})"'
)
_NODE = re.compile(r"(?:on|[Cc]luster) node '?(?=[a-z-]{0,62}[A-Z0-9])([A-Za-z0-9][A-Za-z0-9-]{0,62})")
_PEER = re.compile(r" ?([A-Za-z0-9][A-Za-z0-9.-]{1,62})")
_PEER_WORDS = (
    "with host ", "with the host ", "mit Host ", "mit dem Host ", "mit Hostcomputer ", "mit dem Hostcomputer ", "avec l’hôte ",
    "avec l'hôte ", "con el host ", "com o host ", "con l'host ", "con l’host ", "ホスト", "主机", "主機",
)  # fmt: skip

# The last one or two words before a name, as `words_of` gives them.
_VM, _SOURCE, _DESTINATION, _CLUSTER, _ROLE = "vm", "source", "destination", "cluster", "role"
_BEFORE = {
    words: role
    for role, listed in {
        _VM: "migration of|operation for|virtual machine|machine virtuelle|ordinateur virtuel|maquina virtual|"
        "macchina virtuale|"
        "virtuellen computer|virtueller computer|virtuelle computer|virtuellen computers|virtual machines|migration von|"
        "migration de|migracion de|migracao de|migrazione di|livemigration von|vm|computer fur|virtuel pour|virtuelle pour|"
        "virtual para|virtuale per|memoire de|memoria de|memoria di|виртуальнои машины",
        _SOURCE: "migration source|source host|source node|from node|quellhost|quellknoten|migrationsquelle|"
        "der migrationsquelle|"
        "source de|la source|origen de|host de origen|current node",
        _DESTINATION: "migration destination|destination host|destination node|destination computer|target host|target node|"
        "physical computer|with host|on host|to node|cluster node|migrationsziel|zielhost|zielknoten|physischen computer|"
        "ordinateur physique|equipo fisico|computador fisico|computer fisico|hostcomputer|host|hote|new node|"
        "dem knoten|den knoten|le nœud|au nœud|el nodo|al nodo|nel nodo|ao no|no no|к узлу|с узлом",
        _CLUSTER: "failover cluster|cluster name|cluster named|failovercluster",
        _ROLE: "clustered role|cluster role|the role|cluster group",
    }.items()
    for words in listed.split("|")
}
_BEFORE_EAST = (
    (_VM, ("仮想マシン", "虚拟机", "虛擬機器", "가상 머신", "가상 컴퓨터")),
    (_SOURCE, ("移行元", "迁移源", "移轉來源", "마이그레이션 원본", "移行元のホスト")),
    (
        _DESTINATION,
        (
            "移行先",
            "宛先",
            "迁移目标",
            "目标",
            "移轉目的地",
            "物理コンピューター",
            "物理计算机",
            "ホスト",
            "主机",
            "主機",
            "节点",
            "ノード",
        ),
    ),
)
# "en el origen de la migración", "no destino da migração": which side it is stands before.
_OF_THE_MIGRATION = {"la migracion", "da migracao", "della migrazione"}
_SOURCES = frozenset({"origen", "origem", "origine", "source", "quelle"})
_DATA = {
    "vmname": _VM, "virtualmachinename": _VM, "vm": _VM, "source": _SOURCE, "sourcehost": _SOURCE, "sourcenode": _SOURCE,
    "destination": _DESTINATION, "destinationhost": _DESTINATION, "destinationnode": _DESTINATION, "targethost": _DESTINATION,
    "cluster": _CLUSTER, "clustername": _CLUSTER,
}  # fmt: skip
# What VMM's own job errors name (10698, 12700 and their kin): without quotes, or in parentheses. It does a move on its source.
_OF_VMM = tuple(
    (role, re.compile(pattern))
    for role, pattern in (
        (_VM, r"irtual machine \(?([^\s()']{1,100}?)\)? could not be (?:live )?migrated"),
        (_DESTINATION, r"virtual machine host \(?([A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,5})"),
        (_SOURCE, r"operation on the (?:server \()?([A-Za-z0-9][A-Za-z0-9.-]{0,99})\)?(?: server)? because"),
    )
)
# What a clustered machine's resource is called before the machine's name: in English on any Windows, or as the wizard of a
# translated one names it.
_RESOURCES = (
    "Virtual Machine Configuration ", "Virtual Machine ", "SCVMM ", "Virtueller Computer ", "Ordinateur virtuel ",
    "Máquina virtual ", "Macchina virtuale ", "仮想マシン ", "虚拟机 ", "虛擬機器 ", "가상 컴퓨터 ", "가상 머신 ",
)  # fmt: skip


def incident_of(event: ReportedEvent, *, drained: bool) -> Incident | None:
    """The incident that an event tells of; None where it names neither a virtual machine nor, if `drained`, a node."""
    told = told_by(event, drained=drained)
    return told if isinstance(told, Incident) else None


def told_by(event: ReportedEvent, *, drained: bool = False) -> Told:
    """What an event tells of who would not move: an `Incident` where that is enough for one, else a host or nobody."""
    names = _names(event, drained=drained)
    return _validated(
        {
            "what": What.DRAIN if drained and _SOURCE in names else What.MIGRATION,
            "vm": names.get(_VM) or names.get(_ROLE),
            "source": names.get(_SOURCE),
            "destination": names.get(_DESTINATION),
            "cluster": names.get(_CLUSTER),
            "event_id": event.event_id if event.event_id is not None and event.event_id <= 0xFFFF else None,
            "channel": (event.channel or "")[:200] or None,
            "provider": (event.provider or "")[:200] or None,
            "message": event.text[:_MESSAGE],
            "occurred_at": event.time,
        }
    )


def _names(event: ReportedEvent, *, drained: bool) -> dict[str, str]:
    """Each role's name; what counts more comes first."""
    names: dict[str, str] = {}
    for source in (event, *event.related):
        for role, name in _named(source):
            names.setdefault(role, name)
    if event.computer:
        at_source, at_destination = _where(event.text)
        short = event.computer.strip()
        if (at_source or drained) and not same_host(short, names.get(_DESTINATION, "")):
            names.setdefault(_SOURCE, short)
        elif at_destination:
            names.setdefault(_DESTINATION, short)
    return names


def _validated(values: dict[str, Any]) -> Told:
    """What these values tell, without those that are no names: each round leaves out at least one."""
    while True:
        whole = values.get("source" if values["what"] is What.DRAIN else "vm")
        try:
            return Incident(**values) if whole else Told(**values)
        except ValidationError as wrong:
            for name in {str(each["loc"][0]) for each in wrong.errors()}:
                del values[name]


def _named(event: ReportedEvent) -> Iterator[tuple[str, str]]:
    for key, value in event.data.items():
        role = _DATA.get(key.casefold().replace("_", ""))
        if role:
            yield role, _bare(value)
    text = event.text[:_CONSIDERED]
    first = None
    others: list[tuple[str, str]] = []
    for start, end, name in sorted(_quoted(text)):
        if name.startswith(_RESOURCES):
            yield _VM, _bare(name).strip("'\" ")
            continue
        role = _role(text[max(0, start - 40) : start])
        if role is None and text[end : end + 5].lstrip().startswith("host"):
            role = _DESTINATION
        if role:
            others.append((role, name))
        elif first is None and _begins(text, start):
            first = name
    yield from others
    if first and first != "Virtual Machine":
        yield _VM, first
    if " node " in text and (node := _NODE.search(text)):
        yield (_SOURCE if "drain" in text else _DESTINATION), node[1]
    if "VMM" in text or "virtual machine host" in text:
        for role, pattern in _OF_VMM:
            if spoken_of := pattern.search(text):
                yield role, spoken_of[1]
    for spoken in _PEER_WORDS if not text.isascii() or "ost " in text else ():
        place = text.find(spoken)
        if place >= 0 and (peer := _PEER.match(text, place + len(spoken))):
            yield _DESTINATION, peer[1].rstrip(".-")
            break


def _quoted(text: str) -> Iterator[tuple[int, int, str]]:
    """Every quoted name with its place; an apostrophe within a word opens and closes nothing."""
    for found in _PLAIN.finditer(text):
        before = text[found.start() - 1 : found.start()]
        if not (before.isascii() and before.isalnum()) and found[1].strip():
            yield found.start(), found.end(), found[1].strip()
    if '"' in text or not text.isascii():
        for found in _FANCY.finditer(text):
            name = next(group for group in found.groups() if group is not None).strip(" '\u00a0")
            if name:
                yield found.start(), found.end(), name


def _role(before: str) -> str | None:
    words = before.lower().replace("'", " ").rsplit(None, 2)[-2:] if before.isascii() else words_of(before)
    if words:
        two = " ".join(words[-2:])
        if two in _OF_THE_MIGRATION:
            return _DESTINATION if _SOURCES.isdisjoint(words_of(before)) else _SOURCE
        if role := _BEFORE.get(two) or _BEFORE.get(words[-1]):
            return role
    if not before.isascii():
        tail = before.rstrip()[-14:]
        for role, listed in _BEFORE_EAST:
            if tail.endswith(listed):
                return role
    return None


def _begins(text: str, start: int) -> bool:
    before = text[max(0, start - 2) : start]
    return not before.strip(" ") or before.endswith("\n")


def _bare(name: str) -> str:
    for resource in _RESOURCES:
        if name.startswith(resource):
            return name.removeprefix(resource)
    return name.strip()


def _where(text: str) -> tuple[bool, bool]:
    words = f" {' '.join(words_of(text[:2000]))} "
    source = (
        any(each in words for each in (" migration source ", " migrationsquelle ", " source host "))
        or "移行元" in text
        or "迁移源" in text
    )
    destination = (
        any(each in words for each in (" migration destination ", " migrationsziel ")) or "移行先" in text or "迁移目标" in text
    )
    return source, destination
