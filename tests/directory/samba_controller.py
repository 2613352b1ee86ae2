"""A real Active Directory domain controller for the tests: Samba, on a loopback address of its own, thrown away at the end."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DOMAIN, REALM, BASE = "contoso.com", "CONTOSO.COM", "DC=contoso,DC=com"
PASSWORD = "Passw0rd!Lab"
HOSTS = ("HV01", "HV02", "HV03", "HV04")
PERSON, SENSITIVE = "anna", "chief"
"""Whom a host acts for, and one who must not be acted for."""

PROGRAMS = ("samba", "samba-tool", "samba_spnupdate", "ldbsearch", "ldbmodify", "kinit", "kvno", "gcc")
PACKAGES = "samba samba-dsdb-modules samba-ad-provision krb5-user ldb-tools gcc libc6-dev"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_HERE = Path(__file__).parent

_PROVISION = """
import runpy, sys
import samba.provision
# The files of sysvol are not served here, and only their permissions need root and extended attributes.
samba.provision.setsysvolacl = samba.provision.checksysvolacl = lambda *a, **k: None
sys.argv[0] = "samba-tool"
runpy.run_path("/usr/bin/samba-tool", run_name="__main__")
"""


def why_not() -> str:
    """Why it cannot run here; nothing if it can."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=_PATH)]
    if missing or not Path("/usr/share/samba/setup/ad-schema").is_dir():
        return f"no {', '.join(missing) or 'schema of Active Directory'}: apt-get install --no-install-recommends {PACKAGES}"
    if os.geteuid() != 0 and int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 88:
        return "ports 88 and 389 need root here"
    return ""


@dataclass
class Controller:
    """A running domain controller. `directory` holds everything that is its own."""

    directory: Path
    address: str
    env: dict[str, str] = field(default_factory=dict)
    tried: int = 0

    def search(self, condition: str, *attributes: str, base: str = BASE, scope: str = "sub") -> list[dict[str, list[str]]]:
        """Every object under `base` that meets an LDAP filter: attribute (as it is spelled there) → values."""
        found = self._ldb("ldbsearch", "-b", base, "-s", scope, condition, *attributes)
        if found.returncode != 0:
            raise AssertionError(f"ldbsearch {condition}: {found.stdout}{found.stderr}")
        return [each for block in re.split(r"\n\s*\n", found.stdout) if (each := _record(block))]

    def modify(self, ldif: str) -> str:
        """Carry out LDIF. Nothing if the directory took it, else its words; `(19)` and the like are LDAP's result codes."""
        done = self._ldb("ldbmodify", given=ldif)
        return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"

    def ticket(self, host: str, service: str, *, acting_for: str = "") -> str:
        """Ask the KDC as `host` for a service's ticket, for itself or acting for somebody; nothing if it gave one, else why."""
        self.tried += 1
        # A ticket of before a change would go on failing: each attempt begins with none.
        env = {**self.env, "KRB5CCNAME": f"FILE:{self.directory / f'tickets{self.tried}'}"}
        keytab = str(self.directory / f"{host}.keytab")
        began = _run(["kinit", "-k", "-t", keytab, f"{host}$"], env)
        if began.returncode != 0:
            raise AssertionError(f"kinit {host}$: {began.stderr}")
        acting = ["-I", acting_for, "-P"] if acting_for else []
        asked = _run(["kvno", *acting, service], env)
        return "" if asked.returncode == 0 else asked.stderr.strip() or asked.stdout.strip()

    def dn(self, host: str) -> str:
        """A host's distinguished name."""
        return f"CN={host},CN=Computers,{BASE}"

    def _ldb(self, program: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        where = ["-H", f"ldap://{self.address}", "-U", f"Administrator%{PASSWORD}", f"--configfile={self.directory}/smb.conf"]
        return _run([program, *where, *arguments], self.env, given)


@contextlib.contextmanager
def controller(directory: Path) -> Iterator[Controller]:
    """A domain with the hosts' accounts, each with the names that Windows gives it, and two people."""
    address = _free_address()
    it = Controller(directory, address, {**os.environ, "PATH": _PATH, "KRB5_CONFIG": str(directory / "krb5.conf")})
    _provision(it)
    _configure(it)
    shim = directory / "spaces.so"
    _must(["gcc", "-O2", "-shared", "-fPIC", "-o", str(shim), str(_HERE / "spaces.c"), "-ldl"], it.env)
    with (directory / "samba.out").open("wb") as output:
        process = subprocess.Popen(
            ["samba", "-F", "-M", "single", "--no-process-group", "-l", str(directory), "-s", str(directory / "smb.conf")],
            env={**it.env, "LD_PRELOAD": str(shim)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _until_open(it, process)
        _people_and_hosts(it)
        yield it
    finally:
        process.kill()  # nothing in it is kept
        process.wait(10)


def _provision(it: Controller) -> None:
    where, address = it.directory / "dc", it.address
    asked = ["--server-role=dc", "--dns-backend=NONE", f"--realm={REALM}", "--domain=CONTOSO", "--host-name=dc1"]
    asked += [f"--targetdir={where}", f"--host-ip={address}", f"--adminpass={PASSWORD}", "-s", "/dev/null"]
    asked += [f"--option=interfaces={address}/8", "--option=bind interfaces only=yes"]
    _must(["/usr/bin/python3", "-c", _PROVISION, "domain", "provision", *asked], it.env)
    for name in ("run", "cache"):
        (where / name).mkdir(exist_ok=True)


def _configure(it: Controller) -> None:
    directory, where = it.directory, it.directory / "dc"
    (directory / "smb.conf").write_text(
        f"""[global]
 netbios name = DC1
 realm = {REALM}
 workgroup = CONTOSO
 server role = active directory domain controller
 server services = ldap, cldap, kdc
 interfaces = {it.address}/8
 bind interfaces only = yes
 disable netbios = yes
 load printers = no
 private dir = {where}/private
 lock directory = {where}
 state directory = {where}/state
 cache directory = {where}/cache
 binddns dir = {where}/bind-dns
 pid directory = {where}/run
 ncalrpc dir = {where}/ncalrpc
 winbindd socket directory = {where}/winbindd
 ntp signd socket directory = {where}/ntp_signd
 log file = {directory}/samba.log
 log level = 1
"""
    )
    (directory / "krb5.conf").write_text(
        f"""[libdefaults]
 default_realm = {REALM}
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
 forwardable = true
 udp_preference_limit = 1
[realms]
 {REALM} = {{
  kdc = {it.address}:88
 }}
[domain_realm]
 .{DOMAIN} = {REALM}
"""
    )
    _must(["samba_spnupdate", "-s", str(directory / "smb.conf")], it.env)
    _must(["ldbmodify", "-H", f"{where}/private/sam.ldb", f"--configfile={directory}/smb.conf"], it.env, _own_name(it.address))


def _own_name(address: str) -> str:
    """So that the controller can be asked by its bare address."""
    account = f"CN=DC1,OU=Domain Controllers,{BASE}"
    return f"dn: {account}\nchangetype: modify\nadd: servicePrincipalName\nservicePrincipalName: ldap/{address}\n"


def _people_and_hosts(it: Controller) -> None:
    for number, host in enumerate(HOSTS, 1):
        full = f"{host.lower()}.{DOMAIN}"
        names = "".join(
            f"servicePrincipalName: {kind}/{name}\n" for kind in ("HOST", "RestrictedKrbHost") for name in (host, full)
        )
        _take(
            it,
            f"dn: {it.dn(host)}\nchangetype: add\nobjectClass: computer\nsAMAccountName: {host}$\nuserAccountControl: 4096\n"
            f"dNSHostName: {full}\nunicodePwd:: {_password(f'Host-Passw0rd!{number}')}\n"
            f"msDS-SupportedEncryptionTypes: 24\n{names}",
        )
        keytab = str(it.directory / f"{host}.keytab")
        config = f"--configfile={it.directory}/smb.conf"
        _must(["samba-tool", "domain", "exportkeytab", keytab, f"--principal={host}$", config], it.env)
    for name, control in ((PERSON, 512), (SENSITIVE, 512 | 0x100000)):
        _take(
            it,
            f"dn: CN={name},CN=Users,{BASE}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\n"
            f"userPrincipalName: {name}@{DOMAIN}\nuserAccountControl: {control}\nunicodePwd:: {_password('User-Passw0rd!1')}\n",
        )


def _take(it: Controller, ldif: str) -> None:
    if refused := it.modify(ldif):
        raise AssertionError(f"{ldif}\n{refused}")


def _password(text: str) -> str:
    return base64.b64encode(f'"{text}"'.encode("utf-16-le")).decode()


def _free_address() -> str:
    """A loopback address where nobody has LDAP's port."""
    for number in range(1, 250):
        address = f"127.77.{number}.10"
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((address, 389))
            return address
    raise AssertionError("no address of 127.77.0.0/16 is free")


def _until_open(it: Controller, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    for port in (88, 389):
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError((it.directory / "samba.out").read_text(errors="replace")[-3000:])
            with contextlib.suppress(OSError), socket.create_connection((it.address, port), timeout=1):
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"nothing listens on {it.address}:{port}")


def _record(block: str) -> dict[str, list[str]]:
    """One object of LDIF; what is none (comments, referrals) is empty."""
    found: dict[str, list[str]] = {}
    for line in block.replace("\n ", "").splitlines():
        name, mark, value = line.partition(":")
        if not mark or line.startswith("#") or name == "ref":
            continue
        text = base64.b64decode(value[1:].strip()).decode("utf-8", "replace") if value.startswith(":") else value.strip()
        found.setdefault(name, []).append(text)
    return found if "dn" in found else {}


def _run(command: Sequence[str], env: dict[str, str], given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, input=given, capture_output=True, text=True, timeout=120, check=False)


def _must(command: Sequence[str], env: dict[str, str], given: str | None = None) -> None:
    done = _run(command, env, given)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
