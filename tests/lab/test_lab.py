"""The whole lab over real sockets: the site that reaches it, its faults as alerts tell them, and what it refuses."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from remediations.lab.lab import Lab, shipped_module
from remediations.lab.world.faults import FAULTS
from remediations.lab.world.handlers import JEA
from remediations.lab.world.world import World
from remediations.model.command import Command, command
from remediations.model.reply import Reply
from remediations.model.site import SecretRef
from remediations.remoting import CommandFailed, EndpointRefused, Remoting
from remediations.settings.site import load_site


def secret(ref: SecretRef) -> str:
    assert ref.file is not None
    return ref.file.read_text("utf-8").splitlines()[0]


Opened = Callable[..., tuple[Lab, Remoting]]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Starts a lab and connects to it as its site says."""
    with ExitStack() as stack:

        def start(world: World | None = None, **settings: str) -> tuple[Lab, Remoting]:
            lab = stack.enter_context(Lab(world, **settings))
            return lab, stack.enter_context(Remoting(lab.site(), secret))

        yield start


def read(hosts: Remoting, host: str, *commands: Command) -> list[Reply]:
    return hosts.read(host, commands, deadline=20)


def change(hosts: Remoting, host: str, wanted: Command) -> Reply:
    return hosts.change(host, wanted, deadline=20, command_id=uuid4(), before_send=lambda: None)


def test_the_site_file_is_the_site(tmp_path: Path) -> None:
    with Lab() as lab:
        file = lab.write_site(tmp_path / "site.yaml")
        assert load_site(file) == lab.site()
        assert stat.S_IMODE(lab.password_file.stat().st_mode) == 0o600
        assert lab.password not in file.read_text("utf-8")
        kept = lab.password_file
    assert not kept.exists()


def test_a_third_node_is_in_the_site_and_answers(opened: Opened) -> None:
    lab, hosts = opened(World.contoso(module=shipped_module(), nodes=3))
    site = lab.site()
    (cluster,) = site.clusters
    assert cluster.nodes == ("HV01", "HV02", "HV05")
    assert cluster.expect.possible_owners == cluster.nodes
    assert site.host("HV05").endpoint.address not in {each.endpoint.address for each in site.hosts if each.name != "HV05"}
    (nodes,) = read(hosts, "HV05", command("Get-ClusterNode"))
    assert [str(each["Name"]) for each in nodes.objects] == ["HV01", "HV02", "HV05"]


def test_the_site_says_what_the_world_is() -> None:
    with Lab() as lab:
        site = lab.site()
        hops = {host.name: host.endpoint.second_hop for host in site.all_hosts()}
        assert hops == {"HV01": "none", "HV02": "none", "HV03": "delegated", "HV04": "delegated", "DC1": "none", "DC2": "none"}
        assert site.controller == "dc1.contoso.com"
        assert site.expect("HV01").simultaneous_migrations == lab.world.host("HV01").migration.maximum == 4
        assert site.expect("HV03").simultaneous_migrations == lab.world.host("HV03").migration.maximum == 2


TOLD = {
    "spn_missing": (20406, "VM51", "", "0x8009030E"),
    "kerberos_tickets_stale": (20406, "VM51", "", "0x8009030E"),
    "access_denied_delegation": (20406, "VM51", "", "0x8009030E"),
    "credssp_no_credentials": (20406, "VM51", "", "0x8009030E"),
    "credential_guard_blocks_credssp": (20406, "VM52", "", "Im Sicherheitspaket sind keine Anmeldeinformationen"),
    "credssp_protocol_mismatch": (20406, "VM51", "", "0x80090331"),
    "time_skew": (20406, "VM51", "", "0x80090324"),
    "machine_account": (20406, "VM51", "", "0x8009030C"),
    "user_rights_logon_as_service": (21502, "VM42", "CLUSTER1", "0x80070569"),
    "gpo_registry_pol_corrupt": (20406, "VM51", "", "0x8007274C"),
    "smb_permissions": (21024, "VM51", "", "failed at migration source 'HV03'"),
    "migration_limit_reached": (21501, "VM42", "CLUSTER1", "migration limit '1' was reached"),
    "possible_owner_excluded": (21502, "VM42", "CLUSTER1", "0x80071398"),
    "insufficient_memory": (21502, "VM42", "CLUSTER1", "could not initialize memory"),
    "quorum_or_cluster_health": (21502, "VM42", "CLUSTER1", "0x8007138D"),
    "cluster_group_multi_vm": (21502, "VM42", "CLUSTER1", "more than one VM resources in a group"),
    "duplicate_vm": (21502, "VM42", "CLUSTER1", "0x80071392"),
    "storage_unreachable": (21502, "VM42", "CLUSTER1", "is not accessible by"),
    "vtpm_key_protector": (21502, "VM42", "CLUSTER1", "could not be unwrapped"),
    "switch_missing": (21502, "VM42", "CLUSTER1", "does not exist on the destination node 'HV02'"),
    "switch_mismatch": (21502, "VM42", "CLUSTER1", "is disconnected on the destination node 'HV02'"),
    "cpu_incompatible": (21502, "VM42", "CLUSTER1", "processor-specific features"),
    "patch_or_firmware_mismatch": (21502, "VM42", "CLUSTER1", "processor-specific features"),
    "speculation_control_mismatch": (21502, "VM42", "CLUSTER1", "processor-specific features"),
    "firewall_blocked": (20406, "VM51", "", "0x8007274C"),
    "name_resolution": (20406, "VM51", "", "0x80072AF9"),
    "network_unreachable": (21502, "VM42", "CLUSTER1", "0x800705B4"),
    "winrm_misconfigured": (20406, "VM51", "", "0x80338012"),
    "trusted_hosts": (20406, "VM51", "", "TrustedHosts configuration setting"),
    "migration_not_enabled": (20406, "VM51", "", "0x8007274D"),
    "migration_network_missing": (20406, "VM51", "", "0x8007274D"),
    "dvd_or_iso_attached": (21502, "VM44", "CLUSTER1", "SW_DVD9_SQL_Svr_2019.ISO' failed to open"),
    "config_version_mismatch": (21502, "VM42", "CLUSTER1", "its configuration version 5.0 is not supported"),
    "vm_in_use_or_busy": (21502, "VM44", "CLUSTER1", "in its current state"),
    "saved_state_corrupt": (21502, "VM44", "CLUSTER1", "in its current state"),
    "shared_disk_unsupported": (21502, "VM44", "CLUSTER1", "is a shared virtual disk"),
    "pass_through_disk": (21502, "VM44", "CLUSTER1", "a pass-through disk"),
    "stuck_stopping": (21502, "VM44", "CLUSTER1", "in its current state"),
    "integration_services_outdated": (21502, "VM44", "CLUSTER1", "incompatible with virtualization stack"),
    "backing_up_stuck": (21502, "VM44", "CLUSTER1", "0x800700AA"),
    "checkpoint_problem": (21502, "VM44", "CLUSTER1", "VM44_1.avhdx' failed to open"),
    "node_drain_failed": (1677, "", "CLUSTER1", "Node drain failed on cluster node HV01"),
}


@pytest.mark.parametrize("cause", FAULTS)
def test_a_failure_carries_what_an_alert_would(cause: str) -> None:
    with Lab() as lab:
        failure = lab.fail(cause)
        event, vm, cluster, words = TOLD[cause]
        assert (failure.event_id, failure.vm, failure.cluster) == (event, vm, cluster)
        assert words in failure.message
        assert failure.source == FAULTS[cause].source
        assert failure.node == ("" if vm else failure.source)


def test_what_the_lab_cannot_break() -> None:
    with Lab() as lab, pytest.raises(LookupError, match="it has spn_missing, "):
        lab.inject("gremlins")


def test_a_host_shows_the_module_that_this_package_ships(opened: Opened) -> None:
    _, hosts = opened()
    (reply,) = read(hosts, "HV01", command("Get-RemediationModule"))
    assert dict(reply.objects[0]) == {"Version": shipped_module().version, "Hash": shipped_module().hash}


def test_a_host_without_the_module_does_not_know_its_functions(opened: Opened) -> None:
    _, hosts = opened(World.contoso(module=shipped_module(), modules={"HV02": None}))
    (reply,) = read(hosts, "HV02", command("Get-RemediationTicket"))
    assert [error.error_id for error in reply.errors] == ["CommandNotFoundException"]


@pytest.mark.parametrize("configuration", ["Microsoft.PowerShell", JEA])
def test_a_name_is_given_back_and_the_machine_moves(opened: Opened, configuration: str) -> None:
    lab, hosts = opened(configuration=configuration)
    lab.fail("spn_missing")
    spn = "Microsoft Virtual System Migration Service/hv04.contoso.com"
    add = command("Set-ADComputer", Identity="HV04", ServicePrincipalNames={"Add": spn}, Server="dc1.contoso.com")
    assert change(hosts, "DC1", add).ok
    assert change(hosts, "HV03", command("Move-VM", Name="VM51", DestinationHost="HV04")).ok
    replies = read(hosts, "HV04", command("Get-VM", Name="VM51"))
    assert [str(record["Name"]) for reply in replies for record in reply.objects] == ["VM51"]
    with pytest.raises(CommandFailed, match="ActiveDirectoryServer:8323"):
        change(hosts, "DC1", add)
    assert [
        (entry.host, entry.name, entry.outcome) for entry in lab.journal if entry.name in ("Set-ADComputer", "Move-VM")
    ] == [
        ("DC1", "Set-ADComputer", "completed"),
        ("HV03", "Move-VM", "completed"),
        ("DC1", "Set-ADComputer", "failed"),
    ]


def test_without_a_second_hop_a_host_does_not_speak_for_us(opened: Opened) -> None:
    world = World.contoso()
    world.second_hops.clear()
    lab, hosts = opened(world)
    before = lab.world.state_hash()
    with pytest.raises(CommandFailed) as refused:
        change(hosts, "HV03", command("Move-VM", Name="VM51", DestinationHost="HV04"))
    assert refused.value.error.error_id == "AccessDenied"
    (reply,) = read(hosts, "DC1", command("Get-ADComputer", Identity="HV03", Server="dc2.contoso.com"))
    assert reply.errors[0].category == "SecurityError"
    assert lab.world.state_hash() == before


def test_the_german_host_refuses_in_german(opened: Opened) -> None:
    lab, hosts = opened()
    lab.world.host("HV03").migration.enabled = False
    with pytest.raises(CommandFailed, match="Fehler beim Migrationsvorgang") as refused:
        change(hosts, "HV04", command("Move-VM", Name="VM52", DestinationHost="HV03"))
    assert refused.value.error.code == "0x8007274D"


def test_a_standalone_host_has_no_cluster_commands(opened: Opened) -> None:
    _, hosts = opened()
    with pytest.raises(EndpointRefused):
        change(hosts, "HV03", command("Suspend-ClusterNode", Name="HV03", Drain=True))


def test_every_read_answers_on_every_host_it_belongs_to(opened: Opened) -> None:
    lab, hosts = opened()
    before = lab.world.state_hash()
    reads = ("Get-VM", "Get-VMHost", "Get-Cluster", "Get-ClusterNode", "Get-ClusterGroup", "Get-ClusterResource")
    more = ("Get-ClusterSharedVolume", "Get-ClusterQuorum", "Get-CauRun", "Get-StorageJob", "Get-RemediationTicket")
    replies = read(hosts, "HV01", *(command(name) for name in (*reads, *more)))
    assert [reply.errors for reply in replies] == [()] * len(replies)
    assert all(reply.objects for name, reply in zip((*reads, *more), replies, strict=True) if name != "Get-StorageJob")
    assert lab.world.state_hash() == before
