"""What a site is: its hosts and clusters, how to reach them, and what it expects of them (`configs/site.yaml`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from remediations.model.base import Frozen
from remediations.model.maintenance import Maintenance, Spare
from remediations.model.names import ByHost, ClusterName, HostName, full_name, means, same_host, same_name, short_name


class SecretRef(Frozen):
    """Where a secret is kept. Exactly one of the three; the secret itself never stands in a file of ours."""

    env: str | None = Field(default=None, min_length=1, description="Name of an environment variable")
    file: Path | None = Field(default=None, description="File whose first line is the secret; readable only by its owner")
    block: str | None = Field(default=None, min_length=1, description="Name of a Prefect Secret block")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.env, self.file, self.block)) != 1:
            raise ValueError("a secret is named by exactly one of env, file or block")
        return self


class SecondHop(StrEnum):
    """How an endpoint can act on another computer as us."""

    NONE = "none"
    GMSA = "gmsa"
    CREDSSP = "credssp"
    DELEGATED = "delegated"


class Authentication(StrEnum):
    """How we prove to a host who we are."""

    NEGOTIATE = "negotiate"
    NTLM = "ntlm"
    KERBEROS = "kerberos"
    CREDSSP = "credssp"
    CERTIFICATE = "certificate"
    BASIC = "basic"


class Endpoint(Frozen):
    """Where a host's commands go and as whom: WinRM address, session configuration, identity."""

    address: str = Field(
        min_length=1, description="Name or IP address to connect to; the host's own name if left out in the file"
    )
    port: int = Field(default=5986, ge=1, le=65535)
    transport: Literal["https", "http"] = "https"
    path: str = Field(
        default="wsman", pattern=r"^[A-Za-z0-9/_-]+$", description="Path of the listener's URL, without a leading slash"
    )
    authentication: Authentication = Authentication.NEGOTIATE
    username: str | None = None
    password: SecretRef | None = None
    certificate: Path | None = Field(default=None, description="Client certificate (PEM), for authentication: certificate")
    certificate_key: Path | None = Field(default=None, description="Its private key (PEM)")
    authority: Path | None = Field(
        default=None, description="CA certificate (PEM) that signed the host's; the system's store if left out"
    )
    configuration: str = Field(default="Microsoft.PowerShell", min_length=1, description="Session configuration: plain or JEA")
    second_hop: SecondHop = SecondHop.NONE

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.authentication is Authentication.BASIC and self.transport == "http":
            raise ValueError("authentication: basic sends the password in clear over http; use transport: https")
        if self.authentication is Authentication.CERTIFICATE:
            if self.transport == "http":
                raise ValueError("authentication: certificate needs transport: https")
            if self.certificate is None or self.certificate_key is None:
                raise ValueError("authentication: certificate needs certificate and certificate_key")
        elif self.authentication is not Authentication.KERBEROS and (self.username is None or self.password is None):
            raise ValueError(f"authentication: {self.authentication} needs username and password")
        return self

    @property
    def carries_keys(self) -> bool:
        """Whether private keys may travel over it: by HTTPS, or encrypted by Kerberos, beside the session's own key."""
        return self.transport == "https" or self.authentication is Authentication.KERBEROS


CARRIES_KEYS = "transport: https, or authentication: kerberos"
"""What an endpoint needs for `carries_keys`, for people."""

SwitchKind = Literal["External", "Internal", "Private"]


class Expectation(Frozen):
    """What the site wants. Where it is silent, a repair that needs to know asks a person and never guesses."""

    simultaneous_migrations: int | None = Field(default=None, ge=0, le=64, description="Live migrations at a time")
    storage_migrations: int | None = Field(default=None, ge=0, le=64, description="Storage migrations at a time")
    authentication: Literal["Kerberos", "CredSSP"] | None = None
    performance: Literal["TCPIP", "Compression", "SMB"] | None = None
    migration_networks: tuple[str, ...] | None = Field(
        default=None, description="Subnets that a standalone host takes migrations on; a cluster has settings of its own"
    )
    switches: Mapping[str, SwitchKind] | None = Field(default=None, description="Virtual switch names and types")
    possible_owners: tuple[HostName, ...] | None = None


class Host(Frozen):
    """A Hyper-V host or a domain controller that commands can be sent to."""

    name: HostName = Field(description="Its short (NetBIOS) name")
    endpoint: Endpoint = Field(description="Where its commands go, and as whom")
    expect: Expectation = Expectation()


class Cluster(Frozen):
    """A failover cluster and its nodes."""

    name: ClusterName = Field(description="Its name")
    nodes: tuple[HostName, ...] = Field(min_length=1, description="Names of its nodes, each one of the hosts")
    expect: Expectation = Expectation()


class Moment(StrEnum):
    """What people can be told of."""

    APPROVAL = "approval needed"
    MENDED = "mended"
    NEEDS_PERSON = "needs a person"
    FAILED = "failed"


class Notify(Frozen):
    """Somebody who is told, by a notification block of Prefect: a chat, mail, a pager."""

    block: str = Field(
        pattern=r"^[a-z0-9-]+/[a-zA-Z0-9 ._-]{1,100}$",
        description="Kind and name of a block in Prefect, as slack-webhook/ops, ms-teams-webhook/ops, sendgrid-email/ops",
    )
    on: tuple[Moment, ...] = Field(default=tuple(Moment), min_length=1, description="What they are told of; all if left out")


class Site(Frozen):
    """The whole inventory."""

    domain: HostName = Field(description="DNS name of the Active Directory domain")
    hosts: tuple[Host, ...] = Field(min_length=1, description="Hyper-V hosts")
    clusters: tuple[Cluster, ...] = ()
    controllers: tuple[Host, ...] = Field(default=(), description="Domain controllers; the first is read and written")
    notify: tuple[Notify, ...] = Field(default=(), description="Who is told of what, by Prefect's notification blocks")
    _maintenance: Maintenance = PrivateAttr(default_factory=Maintenance)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for name, times in Counter(short_name(host.name).casefold() for host in (*self.hosts, *self.controllers)).items():
            if times > 1:
                raise ValueError(f"{name} is listed twice")
        for cluster in self.clusters:
            for node in cluster.nodes:
                host = self.find(node)
                if host is None:
                    raise ValueError(f"node {node} of cluster {cluster.name} is not one of the hosts")
                if full := next((name for name in (node, host.name) if "." in name), None):
                    # Commands and facts of a cluster have no others: by a full one nothing is ever found to have arrived.
                    short = short_name(full)
                    raise ValueError(f"node {full} of cluster {cluster.name} has to be named by its short name, {short}")
        for node, times in Counter(node.casefold() for cluster in self.clusters for node in cluster.nodes).items():
            if times > 1:
                raise ValueError(f"node {node} is in two clusters")
        return self

    def all_hosts(self) -> Iterator[Host]:
        """Every host and controller."""
        yield from self.hosts
        yield from self.controllers

    def find(self, name: str) -> Host | None:
        """The Hyper-V host of this name, short or in full; None if the inventory has none: another domain's is another host."""
        return self._meant(self._found.hosts.get(name), name)

    def host(self, name: str) -> Host:
        """As `find`, also among the controllers; raises `LookupError` that says what the inventory has."""
        host = self._meant(self._found.everything.get(name), name)
        if host is not None:
            return host
        known = ", ".join(host.name for host in self.all_hosts())
        raise LookupError(f"{name} is not in the inventory (site.yaml has {known})")

    def cluster(self, name: str) -> Cluster:
        """The cluster of this name; raises `LookupError` that says what the inventory has."""
        for cluster in self.clusters:
            if same_host(cluster.name, name):
                return cluster
        known = ", ".join(cluster.name for cluster in self.clusters) or "none"
        raise LookupError(f"cluster {name} is not in the inventory (site.yaml has {known})")

    def cluster_of(self, host: str) -> Cluster | None:
        """The cluster that a host is a node of; None for a standalone host."""
        return self._found.nodes.get(host) if self._meant(self._found.hosts.get(host), host) else None

    def fqdn(self, host: str) -> str:
        """The host's fully qualified name, lower case."""
        return full_name(host, self.domain)

    def _meant(self, found: Host | None, name: str) -> Host | None:
        """A host that was found by its first label, unless the name is another computer's in full."""
        if found is not None and (means(name, found.name, self.domain) or same_name(name, found.endpoint.address)):
            return found
        return None

    @property
    def controller(self) -> str | None:
        """The one writable domain controller (fully qualified) that a run reads and writes; None if the site names none."""
        return self.fqdn(self.controllers[0].name) if self.controllers else None

    def held_to(self, maintenance: Maintenance) -> Self:
        """This site, under what policy wants left of its clusters while a node is away; until then the defaults hold."""
        held = self.model_copy()
        held._maintenance = maintenance
        return held

    @property
    def maintenance(self) -> Maintenance:
        """What policy wants left, as `held_to` was given it. No part of the site's own record: it has to be kept beside it."""
        return self._maintenance

    def spare(self, cluster: str) -> Spare:
        """What has to be left of a cluster while one of its nodes is away."""
        return self._maintenance.of(cluster)

    def expect(self, host: str) -> Expectation:
        """What is wanted of a host: its own expectations over its cluster's."""
        known = self.host(host)
        there = self._found.expectations
        if known.name not in there:
            own = known.expect.model_dump(exclude_none=True)
            cluster = self.cluster_of(host)
            theirs = cluster.expect.model_dump(exclude_none=True) if cluster else {}
            there[known.name] = Expectation.model_validate(theirs | own)
        return there[known.name]

    @property
    def _found(self) -> _Lookup:
        """How names are found; made anew where a copy has other hosts or clusters."""
        if not self._lookup.is_of(self):
            del self.__dict__["_lookup"]
        return self._lookup

    @cached_property
    def _lookup(self) -> _Lookup:
        return _Lookup(self)


class _Lookup:
    """The names of a site, each found without looking through all of them."""

    def __init__(self, site: Site) -> None:
        self._of = (site.hosts, site.clusters, site.controllers)
        self.hosts = ByHost((host.name, host) for host in site.hosts)
        self.everything = ByHost((host.name, host) for host in site.all_hosts())
        self.nodes = ByHost((node, cluster) for cluster in site.clusters for node in cluster.nodes)
        self.expectations: dict[str, Expectation] = {}

    def is_of(self, site: Site) -> bool:
        """Whether it was made of these very hosts, clusters and controllers."""
        return all(mine is its for mine, its in zip(self._of, (site.hosts, site.clusters, site.controllers), strict=True))
