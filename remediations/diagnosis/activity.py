"""What a text tells of, by its build: an attempt that failed and what was attempted, the command that spoke, the platform.

Hyper-V writes of everything it does in one grammar ("failed to start", "could not create checkpoint", "an error occurred
while attempting to export"), so that the verb tells a start from a move. Other platforms move machines too, and are told
by what only they have: files, paths, schemes and words of their own. Both are asked only of texts that have not said,
in one of Hyper-V's own sentences, that a migration failed.
"""

from __future__ import annotations

import re

_ATTEMPT = re.compile(
    r" (?:failed to|fails to|fail to|could not|can not|unable to|not able to|attempting to|attempted to|trying to|tried to|"
    r"error while|encountered while|occurred while|failed while|problem while|error(?= [a-z]+ing )) "
    r"(?:attempting to |trying to )?(?:be )?(?:successfully )?([a-z]+)(?! (?:live |quick )?(?:move|migration|migrations) )"
)
# Verbs of what is done to machines, hosts and clusters other than moving; those that a move's own steps have are not here.
_OTHERS = """
start started starting bring restart restarted boot booted power powered powering turn turned import imported importing
export exported exporting install installed installing uninstall uninstalled deploy deployed deploying provision
add added adding join joined joining evict evicted attach attached attaching detach detached mount mounted mounting
configure configured configuring modify modified modifying customize enable enabled enabling disable disabled
apply applied applying revert reverted reverting convert converted converting resize resized expand extend
replicate replicated replicating resynchronize resync failover rename renamed upgrade upgraded
pause paused resume resumed snapshot checkpoint backup back clone cloned cloning
download upload compile build activate activated print publish render ping
"""
_OTHER_VERBS = frozenset(_OTHERS.split())
_CMDLET = re.compile(r"\s{0,8}(?:Hyper-V\\)?([A-Z][a-z]{1,14})-([A-Z][A-Za-z]{1,40}) ?: ?")
_CATEGORY = re.compile(
    r"CategoryInfo[^\[\n]{0,120}\[([A-Z][a-z]{1,14})-([A-Z][A-Za-z]{1,40})\]|"
    r"FullyQualifiedErrorId[^\n]{0,160}\.([A-Z][a-z]{1,14})([A-Z][A-Za-z]{1,40})"
)
_OTHER_CMDLETS = """
Start Import Export Checkpoint Restore New Add Install Uninstall Rename Resize Convert Mount Dismount Optimize Save
Resume Measure Copy Enable Disable Set Connect Update Restart Debug Repair Remove
"""
_OTHER_CMDLET_VERBS = frozenset(_OTHER_CMDLETS.split())
_SPEAKS_OF_ACCESS = ("Migration", "Session", "Item", "WSMan", "VMHost", "ClusterOwner", "Kerberos")
_MOVER = re.compile(r"\bmove-(?:vm|clustervirtualmachinerole|scvirtualmachine)\b|movevmcommand", re.IGNORECASE)
# What to look for where a text has the characters before it, which are quick to find.
_FOREIGN = tuple(
    (needle, re.compile(pattern))
    for needle, pattern in (
        ("/", r"(?:^|[\s'\"(=:])/(?:var|dev|usr|etc|home|vmfs|opt|tmp|proc|mnt|root|sys|run|nix)/"),
        ("://", r"\b[a-z]+\+(?:tcp|ssh|tls)://"),
        (".", r"\.(?:qcow2|vmx|vmdk|vdi|ova|raw)\b|\b(?:com|org|io|net)\.[a-z]+\.[a-z]+[.:]"),
        ("Traceback (most", r"Traceback"),
        ("level=", r"\blevel="),
        ("ERROR", r"\bERROR\b[ :\]]"),
        ("WARN", r"\bWARN\b[ :\]]"),
        ("DEBUG", r"\bDEBUG\b[ :\]]"),
        ("INFO", r"\bINFO\b[ :\]]"),
        (" --", r"\s--(?:\s|[a-z])"),
        ("_", r"\b[a-z]+_[a-z0-9_]+\b|[A-Za-z]_Task\b"),
        ("]:", r"\b[a-z][\w-]{0,40}\[\d+\]:"),
        (":", r"(?:^|\n)\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S* [a-z\[]"),
        (":", r"(?:^|\n)(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d "),
        ("::", r"::[A-Z]\w+::"),
        ("(", r"\b[a-z]+\.[a-z]+\(|\b[A-Z][a-z]{1,20}[A-Z][A-Za-z]{1,30}\([A-Z(\[{\"]"),
        ("+ ", r"(?:^|\n)\+ [a-z]"),
        ("{ ", r"\{ [a-z]+: [A-Z]"),
        ("cpu: host", r"\bcpu: host\b"),
        ("", r"\b[A-Z][a-z]{1,20}[A-Z][a-z]{1,20}[A-Z][a-z]{1,20}[A-Z][a-z]{1,20}[A-Z][a-z]"),
    )
)
_FOREIGN_PHRASES = (
    "exit code ",
    "exit status ",
    "got signal",
    "goroutine ",
    "cpuid level",
    "migrate guest",
    "libvirt",
    "virt ",
    " x86 64 v",  # QEMU's processor models
    " 60000 60050 ",  # the ports that Proxmox moves machines over
)
_FOREIGN_NOUNS = """
instance instances domain domains datastore datastores pod pods tenant serial vgpu vif vdi vbd sxm dom0 domu
container containers droplet pvc vmi vmis qemu hypervisors
qmp kvm xen cputype virsh vspc vmware vsphere esx esxi proxmox typeerror valueerror keyerror runtimeerror attributeerror
referenceerror iptables ipset corosync pve ceph xcp hpvmmigrate cutover mongodb postgres postgresql mysql mariadb
"""
_FOREIGN_WORDS = frozenset(_FOREIGN_NOUNS.split())
# With these a domain is a directory's, and not what libvirt calls a machine.
_DIRECTORY_WORDS = frozenset({"spn", "spns", "dc", "dns", "nslookup", "kerberos", "kdc", "credentials", "controller", "ldap"})


def other_attempt(spaced: str, words: set[str]) -> str | None:
    """The verb of something other than a move that the text says was attempted, None if there is none."""
    if words.isdisjoint(_OTHER_VERBS):
        return None
    for found in _ATTEMPT.finditer(spaced):
        if found[1] in _OTHER_VERBS:
            return found[1]
    return None


def cmdlet(text: str) -> tuple[bool, str | None]:
    """Whether a PowerShell command spoke, and which, where it is one that does something other than moving or connecting."""
    first = found = _CMDLET.match(text)
    if found is None and ("CategoryInfo" in text or "FullyQualifiedErrorId" in text):
        found = _CATEGORY.search(text)
    if found is None:
        return False, None
    verb, noun = [each for each in found.groups() if each]
    if verb not in _OTHER_CMDLET_VERBS or any(word in noun for word in _SPEAKS_OF_ACCESS):
        return first is not None, None
    return first is not None, f"{verb}-{noun}"


def foreign(text: str, spaced: str, words: set[str]) -> bool:
    """Whether another platform's program wrote this: it has files, paths or words that Hyper-V's messages never have."""
    there = words & _FOREIGN_WORDS
    if "instance" in there and ("id" in words or " azure local " in spaced):  # a device's instance ID; Azure Local's own name
        there -= {"instance"}
    if not words.isdisjoint(_DIRECTORY_WORDS):
        there -= {"domain", "domains"}
    return (
        bool(there)
        or any(phrase in spaced for phrase in _FOREIGN_PHRASES)
        or (not text.isupper() and any(needle in text and pattern.search(text) for needle, pattern in _FOREIGN))
    )


def mover(text: str) -> bool:
    """Whether the text names a PowerShell command that moves machines between hosts."""
    return _MOVER.search(text) is not None
