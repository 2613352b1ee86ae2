"""Where a report comes from: the families of its provider and its log, and what they say of the text by themselves."""

from __future__ import annotations

from functools import lru_cache

from remediations.diagnosis.signatures import HYPER_V


@lru_cache(maxsize=4096)
def origins_of(provider: str | None, channel: str | None) -> frozenset[str]:
    """The families of a provider and a log; the System log says nothing where the provider is known."""
    speaker, log = _family(provider), _family(channel)
    if speaker and log in _SYSTEM_LOGS:
        log = ""
    tools = [tool for tool, names in _TOOLS.items() if tool and any(name in each for each in (speaker, log) for name in names)]
    return frozenset({*tools, *("system" if each in _SYSTEM_LOGS else each for each in (speaker, log) if each)})


_SYSTEM_LOGS = frozenset({"system", "システム", "系统", "系統", "système", "sistema", "systeem", "시스템", "система"})


def _family(name: str | None) -> str:
    """`hyper-v-vmms` for `Microsoft-Windows-Hyper-V-VMMS-Admin`, `Microsoft-Windows-Hyper-V-VMMS/Admin` and the provider."""
    if not name:
        return ""
    folded = name[:200].strip().casefold().replace("/", "-").removeprefix("microsoft-windows-")
    for tail in ("-admin", "-operational", "-analytic", "-debug", "-diagnostic", "-connectivity", "-security"):
        if folded.endswith(tail) and folded != f"security{tail}":
            return folded.removesuffix(tail)
    return folded


_TOOLS = {
    "move-vm": ("move-vm", "move-clustervirtualmachinerole", "move-scvirtualmachine"),
    "scvmm": ("scvmm", "vmm jobs", "virtualmachinemanager", "virtual machine manager"),
    "": ("hyper-v", "compare-vm"),
}


@lru_cache(maxsize=4096)
def marks_of(origins: frozenset[str]) -> frozenset[str]:
    """Whether Hyper-V or one of its tools spoke, by where it comes from."""
    spoke = any(name in each for each in origins for names in _TOOLS.values() for name in names)
    return frozenset({HYPER_V}) if spoke else frozenset()
