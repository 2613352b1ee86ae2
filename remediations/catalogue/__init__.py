"""The remediations: one file each, with the request, the facts it needs and `plan()`. No IO, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediations.catalogue.add_possible_owner import AddPossibleOwner
from remediations.catalogue.bypass_proxy import BypassProxy
from remediations.catalogue.configure_delegation import ConfigureDelegation
from remediations.catalogue.configure_migration_networks import ConfigureMigrationNetworks
from remediations.catalogue.configure_winrm import ConfigureWinRm
from remediations.catalogue.delete_saved_state import DeleteSavedState
from remediations.catalogue.drain_node import DrainNode
from remediations.catalogue.eject_media import EjectMedia
from remediations.catalogue.enable_live_migration import EnableLiveMigration
from remediations.catalogue.enable_processor_compatibility import EnableProcessorCompatibility
from remediations.catalogue.explain_attached_disks import ExplainAttachedDisks
from remediations.catalogue.explain_broken_policy import ExplainBrokenPolicy
from remediations.catalogue.explain_cluster_health import ExplainClusterHealth
from remediations.catalogue.explain_integration_services import ExplainIntegrationServices
from remediations.catalogue.explain_leftover import ExplainLeftover
from remediations.catalogue.explain_logon_right import ExplainLogonRight
from remediations.catalogue.explain_machine_account import ExplainMachineAccount
from remediations.catalogue.explain_memory import ExplainMemory
from remediations.catalogue.explain_patch_level import ExplainPatchLevel
from remediations.catalogue.explain_share_permissions import ExplainSharePermissions
from remediations.catalogue.explain_shared_role import ExplainSharedRole
from remediations.catalogue.explain_speculation_control import ExplainSpeculationControl
from remediations.catalogue.explain_storage import ExplainStorage
from remediations.catalogue.explain_stuck_stopping import ExplainStuckStopping
from remediations.catalogue.explain_switch_mismatch import ExplainSwitchMismatch
from remediations.catalogue.explain_time_skew import ExplainTimeSkew
from remediations.catalogue.explain_version_mismatch import ExplainVersionMismatch
from remediations.catalogue.inspect_network_path import InspectNetworkPath
from remediations.catalogue.match_virtual_switches import MatchVirtualSwitches
from remediations.catalogue.merge_checkpoints import MergeCheckpoints
from remediations.catalogue.move_vm import MoveVm
from remediations.catalogue.open_firewall import OpenFirewall
from remediations.catalogue.purge_kerberos_tickets import PurgeKerberosTickets
from remediations.catalogue.register_spns import RegisterSpns
from remediations.catalogue.release_backing_up import ReleaseBackingUp
from remediations.catalogue.remediation import Remediation, Repair
from remediations.catalogue.repair_name_resolution import RepairNameResolution
from remediations.catalogue.resume_node import ResumeNode
from remediations.catalogue.retry_drain import RetryDrain
from remediations.catalogue.set_migration_limits import SetMigrationLimits
from remediations.catalogue.set_performance_option import SetPerformanceOption
from remediations.catalogue.share_key_protectors import ShareKeyProtectors
from remediations.catalogue.start_saved_roles import StartSavedRoles
from remediations.catalogue.trust_hosts import TrustHosts
from remediations.catalogue.upgrade_vm_version import UpgradeVmVersion
from remediations.catalogue.use_kerberos_authentication import UseKerberosAuthentication
from remediations.catalogue.wait_until_free import WaitUntilFree
from remediations.model.causes import Cause

CATALOGUE: Mapping[str, type[Remediation]] = MappingProxyType(
    {
        each.id: each
        for each in (
            ExplainTimeSkew,
            ExplainMachineAccount,
            RegisterSpns,
            ConfigureDelegation,
            PurgeKerberosTickets,
            UseKerberosAuthentication,
            ExplainLogonRight,
            ExplainBrokenPolicy,
            ExplainSharePermissions,
            EnableLiveMigration,
            RepairNameResolution,
            OpenFirewall,
            ConfigureMigrationNetworks,
            SetPerformanceOption,
            ConfigureWinRm,
            TrustHosts,
            BypassProxy,
            InspectNetworkPath,
            SetMigrationLimits,
            EjectMedia,
            MatchVirtualSwitches,
            ExplainSwitchMismatch,
            ExplainClusterHealth,
            AddPossibleOwner,
            ShareKeyProtectors,
            ExplainStorage,
            ExplainLeftover,
            ExplainSharedRole,
            ExplainMemory,
            ExplainPatchLevel,
            EnableProcessorCompatibility,
            ExplainSpeculationControl,
            ExplainVersionMismatch,
            DeleteSavedState,
            StartSavedRoles,
            MergeCheckpoints,
            ExplainAttachedDisks,
            ExplainStuckStopping,
            ExplainIntegrationServices,
            ReleaseBackingUp,
            WaitUntilFree,
            RetryDrain,
            DrainNode,
            ResumeNode,
            UpgradeVmVersion,
            MoveVm,
        )
    }
)
"""Every remediation by its id; repairs in the order in which they are combined: directory, tickets, host, virtual machine."""


def repairs_for(cause: Cause) -> tuple[type[Repair], ...]:
    """The repairs that can prove this cause and mend it, in the catalogue's order; none where only guidance exists."""
    return tuple(each for each in CATALOGUE.values() if issubclass(each, Repair) and cause in each.causes)
