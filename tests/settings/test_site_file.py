"""What a good site.yaml becomes, and that every packaged file is good."""

from pathlib import Path

import pytest
import yaml
from policy_examples import judged, subject
from pydantic import BaseModel

from remediations.catalogue import CATALOGUE
from remediations.model.policy import Breaker, Caps, Gates, Policy, Trust, Waits
from remediations.model.site import Authentication, SecondHop
from remediations.model.tier import Tier
from remediations.settings import ConfigError, check, config_directory, load, load_policy, load_site, packaged, this_machine


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "site.yaml").write_text(text)
    return tmp_path / "site.yaml"


def test_an_endpoint_inherits_what_it_leaves_out(tmp_path: Path) -> None:
    site = load_site(
        written(
            tmp_path,
            """
domain: Contoso.com
defaults:
  endpoint: {username: u, password: {file: secrets/all}, authority: ca.pem, second_hop: none}
controllers: [{name: DC1}]
hosts:
  - name: HV01
  - name: HV02
    endpoint: {address: 192.0.2.7, password: {env: OTHER}, authentication: credssp, second_hop: credssp}
  - name: HV03
    endpoint: {transport: http}
  - name: HV04
    endpoint: {transport: http, port: 8080, authority: /etc/ca.pem}
  - name: no
    endpoint:
""",
        )
    )
    one, two, three, four, no = (host.endpoint for host in site.hosts)
    assert (one.address, one.port, one.transport) == ("hv01.contoso.com", 5986, "https")
    assert one.password is not None
    assert one.password.file == tmp_path / "secrets" / "all"
    assert one.authority == tmp_path / "ca.pem"
    assert (two.address, two.username, two.authentication) == ("192.0.2.7", "u", Authentication.CREDSSP)
    assert two.password is not None
    assert (two.password.env, two.password.file) == ("OTHER", None)
    assert two.second_hop is SecondHop.CREDSSP
    assert (three.port, four.port, four.authority) == (5985, 8080, Path("/etc/ca.pem"))
    assert no.address == "no.contoso.com"
    assert site.controllers[0].endpoint.address == "dc1.contoso.com"


def test_a_name_in_full_is_the_hosts_own_only_in_its_domain(tmp_path: Path) -> None:
    text = (
        "domain: contoso.com\ndefaults: {endpoint: {username: u, password: {env: A}}}\n"
        "hosts: [{name: HV01, endpoint: {address: HV01.hosts.contoso.com}}, {name: HV02.branch.contoso.com}]\n"
        "clusters: [{name: C1.contoso.com, nodes: [HV01]}]\n"
    )
    site = load_site(written(tmp_path, text))
    for name in ("hv01", "HV01.Contoso.com", "hv01.hosts.contoso.com"):
        assert site.host(name).name == "HV01"
        assert site.cluster_of(name) is not None
    for name in ("HV02", "hv02.branch.contoso.com"):
        assert site.host(name).name == "HV02.branch.contoso.com"
    for name in ("HV01.fabrikam.com", "HV02.contoso.com"):
        assert site.find(name) is None
        assert site.cluster_of(name) is None
        with pytest.raises(LookupError, match=f"{name} is not in the inventory"):
            site.host(name)
    assert site.cluster("c1") is site.cluster("C1.contoso.com")


def test_a_site_with_a_mistake_is_not_loaded(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "domain: a.b\ndefaults: {endpoint: {username: u, password: {env: A}}}\nhosts: [{name: HV01}, {name: hv01}]\n",
    )
    with pytest.raises(ConfigError, match="'hv01' is listed twice, first in line 3; list each host") as caught:
        load_site(path)
    assert [problem.line for problem in caught.value.problems] == [3]


def test_what_this_machine_lacks_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    text = "domain: contoso.com\ndefaults:\n  endpoint:\n    authentication: kerberos\nhosts: [{name: HV01}, {name: HV02}]\n"
    path = written(tmp_path, text)
    (problem,) = check(
        path,
        packaged("policy.yaml"),
        inspect=lambda endpoint: [
            f"authentication: {endpoint.authentication} is not installed here: pip install 'x[kerberos]'"
        ],
    )
    assert str(problem) == (
        f"{path}:4: defaults.endpoint.authentication: kerberos is not installed here; run pip install 'x[kerberos]'"
    )


@pytest.mark.parametrize("name", ["site.yaml", "policy.yaml"])
def test_every_packaged_file_is_there(name: str) -> None:
    assert packaged(name).is_file()


def test_a_file_that_did_not_come_with_the_program() -> None:
    with pytest.raises(FileNotFoundError, match=r"no configuration file sight.yaml .* there is .*policy.yaml.*site.yaml"):
        packaged("sight.yaml")


def test_the_packaged_configuration_is_good_and_fits_the_catalogue() -> None:
    tiers = {each.id: each.tier for each in CATALOGUE.values()}
    assert check(packaged("site.yaml"), packaged("policy.yaml"), tiers) == []
    assert load(packaged("site.yaml").parent, tiers).site.cluster("CLUSTER1").nodes == ("HV01", "HV02")


@pytest.mark.parametrize("text", ["pause: perhaps\n", "pause: true\npause: false\n", "", "pause: true\n---\npause: false\n"])
def test_a_policy_that_has_a_mistake_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load_policy(tmp_path / "policy.yaml")


def test_the_packaged_policy_writes_out_the_defaults() -> None:
    shipped, default = load_policy(packaged("policy.yaml")), Policy()
    assert shipped.model_copy(update={"gates": default.gates}) == default
    for tier in Tier:
        assert judged(shipped, subject(tier)).gate is judged(default, subject(tier)).gate


@pytest.mark.parametrize(
    ("model", "path"),
    [(Policy, ()), (Gates, ("gates",)), (Caps, ("caps",)), (Trust, ("trust",)), (Breaker, ("breaker",)), (Waits, ("waits",))],
)
def test_the_packaged_policy_shows_every_entry(model: type[BaseModel], path: tuple[str, ...]) -> None:
    shown = yaml.safe_load(packaged("policy.yaml").read_text())
    for part in path:
        shown = shown[part]
    assert set(shown) == set(model.model_fields)


def test_what_the_packaged_comments_offer_can_be_switched_on(tmp_path: Path) -> None:
    """Every commented-out entry of policy.yaml is valid once its # is taken out and the entry above it makes room."""
    text = packaged("policy.yaml").read_text()
    for old, new in (
        ("  remediations: {}\n  #   purge-kerberos-tickets: auto", "  remediations:\n     purge-kerberos-tickets: auto"),
        ("  clusters: {}\n  #   CLUSTER1: propose", "  clusters:\n     CLUSTER1: propose"),
        ("  hosts: {}\n  #   HV04: never", "  hosts:\n     HV04: never"),
        ("  #   - {days", "    - {days"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "policy.yaml").write_text(text)
    assert check(packaged("site.yaml"), tmp_path / "policy.yaml", {"purge-kerberos-tickets": Tier.LOCAL}) == []
    assert len(load_policy(tmp_path / "policy.yaml").windows[Tier.WORKLOAD]) == 2


def test_where_the_files_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMEDIATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert config_directory() == packaged("site.yaml").parent
    (tmp_path / "configs").mkdir()
    assert config_directory() == packaged("site.yaml").parent, "a directory of that name without a site is not ours"
    written(tmp_path / "configs", "domain: x\n")
    assert config_directory().resolve() == tmp_path / "configs"
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("REMEDIATE_CONFIG", str(tmp_path / "other"))
    assert config_directory() == tmp_path / "other"
    assert config_directory(tmp_path) == tmp_path


def test_the_example_is_nobodys_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMEDIATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"REMEDIATE_CONFIG: this is not set, and .*/site\.yaml is the example"):
        this_machine()
    monkeypatch.setenv("REMEDIATE_CONFIG", str(packaged("site.yaml").parent))
    assert this_machine().site.domain == "contoso.com", "named outright, as for the lab, it is meant"
    monkeypatch.delenv("REMEDIATE_CONFIG")
    (tmp_path / "configs").mkdir()
    own = packaged("site.yaml").read_text().replace("domain: contoso.com", "domain: fabrikam.test")
    (tmp_path / "configs" / "site.yaml").write_text(own)
    assert this_machine().site.domain == "fabrikam.test"


def test_a_directory_that_was_named_and_is_none_is_never_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMEDIATE_CONFIG", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="REMEDIATE_CONFIG: this is no directory; give REMEDIATE_CONFIG a directory"):
        config_directory()
    with pytest.raises(ConfigError, match="--config: this is no directory"):
        config_directory(tmp_path / "gone")


def test_a_directory_without_a_policy_has_the_packaged_one(tmp_path: Path) -> None:
    written(tmp_path, "domain: a.b\nhosts: [{name: HV01, endpoint: {username: u, password: {env: A}}}]\n")
    assert load(tmp_path).policy == load_policy(packaged("policy.yaml"))
