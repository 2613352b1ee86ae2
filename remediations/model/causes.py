"""The one closed list of causes: why a virtual machine would not move."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """A reason why a live migration fails. The value is the id that people, files and the command line use."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Cause:
        """Build a member from its id and its meaning ("the virtual machine would not move because …")."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    ACCESS_DENIED_DELEGATION = "access_denied_delegation", "Kerberos delegation for the peer is missing or refused"
    BACKING_UP_STUCK = "backing_up_stuck", "a backup holds the virtual machine beyond its time"
    CHECKPOINT_PROBLEM = "checkpoint_problem", "a checkpoint or its disk chain is broken, merging or locked"
    CLUSTER_GROUP_MULTI_VM = "cluster_group_multi_vm", "the clustered role holds more than one virtual machine"
    CONFIG_VERSION_MISMATCH = "config_version_mismatch", "the destination does not support the configuration version"
    CPU_INCOMPATIBLE = "cpu_incompatible", "the destination's processor lacks features in use, compatibility is off"
    CREDENTIAL_GUARD_BLOCKS_CREDSSP = "credential_guard_blocks_credssp", "Credential Guard keeps CredSSP from delegating"
    CREDSSP_NO_CREDENTIALS = "credssp_no_credentials", "CredSSP is used and the move was not started on the source host"
    CREDSSP_PROTOCOL_MISMATCH = "credssp_protocol_mismatch", "the two hosts do not agree on CredSSP or TLS"
    DUPLICATE_VM = "duplicate_vm", "a virtual machine or registration with this id is already at the destination"
    DVD_OR_ISO_ATTACHED = "dvd_or_iso_attached", "attached media cannot be opened at the destination"
    FIREWALL_BLOCKED = "firewall_blocked", "a firewall drops or refuses the migration's ports"
    GPO_REGISTRY_POL_CORRUPT = "gpo_registry_pol_corrupt", "a corrupt Registry.pol keeps the host from reading its policy"
    INSUFFICIENT_MEMORY = "insufficient_memory", "the destination cannot give the memory"
    INTEGRATION_SERVICES_OUTDATED = "integration_services_outdated", "guest integration services are too old"
    KERBEROS_TICKETS_STALE = "kerberos_tickets_stale", "cached Kerberos tickets predate the change that would let them work"
    MACHINE_ACCOUNT = "machine_account", "the domain does not take a host's machine password"
    MIGRATION_LIMIT_REACHED = "migration_limit_reached", "as many migrations as allowed are running"
    MIGRATION_NETWORK_MISSING = "migration_network_missing", "no network is selected, common or present for migration"
    MIGRATION_NOT_ENABLED = "migration_not_enabled", "live migration is off, or nothing listens, at the destination"
    NAME_RESOLUTION = "name_resolution", "a host's name resolves wrongly or not at all from the other"
    NETWORK_UNREACHABLE = "network_unreachable", "the data path between the hosts fails"
    NODE_DRAIN_FAILED = "node_drain_failed", "a drain of the node ended failed"
    PASS_THROUGH_DISK = "pass_through_disk", "a physical disk is attached to the virtual machine"
    PATCH_OR_FIRMWARE_MISMATCH = "patch_or_firmware_mismatch", "builds, firmware or microcode differ"
    POSSIBLE_OWNER_EXCLUDED = "possible_owner_excluded", "the destination is not a possible owner of the role"
    QUORUM_OR_CLUSTER_HEALTH = "quorum_or_cluster_health", "node, quorum or cluster service trouble"
    SAVED_STATE_CORRUPT = "saved_state_corrupt", "the saved state cannot be read"
    SHARED_DISK_UNSUPPORTED = "shared_disk_unsupported", "a shared VHDX or VHD set cannot move this way"
    SMB_PERMISSIONS = "smb_permissions", "host computer accounts lack share or file rights"
    SPECULATION_CONTROL_MISMATCH = "speculation_control_mismatch", "compatibility is on, but speculation control differs"
    SPN_MISSING = "spn_missing", "a needed service principal name is missing, doubled or on another account"
    STORAGE_UNREACHABLE = "storage_unreachable", "the virtual machine's files cannot be reached from the destination"
    STUCK_STOPPING = "stuck_stopping", "the virtual machine hangs in Stopping, or a leftover of it remains"
    SWITCH_MISMATCH = "switch_mismatch", "the switch is there but differs, is disconnected, or is bound to one node"
    SWITCH_MISSING = "switch_missing", "the switch does not exist at the destination"
    TIME_SKEW = "time_skew", "the clocks of the hosts differ by more than Kerberos tolerates"
    TRUSTED_HOSTS = "trusted_hosts", "WinRM refuses a peer that is not trusted"
    USER_RIGHTS_LOGON_AS_SERVICE = "user_rights_logon_as_service", "the virtual machines' account lacks log on as a service"
    VM_IN_USE_OR_BUSY = "vm_in_use_or_busy", "another operation holds the virtual machine, or its state cannot move"
    VTPM_KEY_PROTECTOR = "vtpm_key_protector", "the key protector cannot be unwrapped at the destination"
    WINRM_MISCONFIGURED = "winrm_misconfigured", "the management channel (listener, proxy, configuration) fails"
