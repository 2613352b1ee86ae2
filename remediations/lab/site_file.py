"""The lab's inventory as the commented YAML file that a person would keep."""

from __future__ import annotations

from typing import Any

import yaml

from remediations.model.site import Expectation, Host, Site

_HEAD = """\
# The lab's hosts: simulated, on loopback, gone when the lab ends. The form is that of any site file.

# DNS name of the Active Directory domain; a host's full name is its name and this.
domain: {domain}

# What all endpoints have in common: HTTPS, one account, the lab's own certificate authority.
"""


def site_text(site: Site) -> str:
    """The file's text. Every host must have the same account, authority and session configuration."""
    first = site.hosts[0].endpoint
    password = {"file": str(first.password.file)} if first.password is not None else None
    common = {
        "transport": first.transport,
        "authentication": first.authentication.value,
        "username": first.username,
        "password": password,
        "authority": str(first.authority),
        "configuration": first.configuration,
    }
    parts = [
        _HEAD.format(domain=site.domain),
        _yaml({"defaults": {"endpoint": common}}),
        "\n# Domain controllers: the first is read and written.\n",
        _yaml({"controllers": [_host(host) for host in site.controllers]}),
        "\n# Clusters, and what is wanted of their nodes.\n",
        _yaml({"clusters": [{"name": c.name, "nodes": list(c.nodes), "expect": _expect(c.expect)} for c in site.clusters]}),
        "\n# Hyper-V hosts. second_hop: whether an endpoint can act on another computer as us.\n",
        _yaml({"hosts": [_host(host) for host in site.hosts]}),
    ]
    return "".join(parts)


def _host(host: Host) -> dict[str, Any]:
    endpoint = {"address": host.endpoint.address, "port": host.endpoint.port, "second_hop": host.endpoint.second_hop.value}
    expect = _expect(host.expect)
    return {"name": host.name, "endpoint": endpoint, **({"expect": expect} if expect else {})}


def _expect(expectation: Expectation) -> dict[str, Any]:
    return expectation.model_dump(mode="json", exclude_none=True)


def _yaml(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
