"""Settings from the environment, and secrets by reference."""

import sys
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from remediations.ledger import Ledger
from remediations.logs import hide
from remediations.model.site import SecretRef
from remediations.settings import ConfigError, SecretUnavailable, Settings, resolve

RECEIVER = ("ADDRESS", "PORT", "PROXY", "RATE", "CERTIFICATE", "KEY", "TOKEN_ENV", "TOKEN_FILE", "SECRET_ENV", "SECRET_FILE")
VARIABLES = ("CONFIG", "STATE", "LEDGER", *(f"RECEIVER_{each}" for each in RECEIVER))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"REMEDIATE_{name}", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG directories are Linux's")
def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = Settings.load()
    assert found.ledger_url == f"sqlite:///{tmp_path}/hyperv-remediation/ledger.db"
    assert (found.receiver_address, found.receiver_tokens, found.prefect_api_url) == ("127.0.0.1", None, None)


def test_each_variable_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path))
    monkeypatch.setenv("REMEDIATE_RECEIVER_PORT", "0")
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect/api")
    found = Settings.load()
    assert (found.ledger_url, found.receiver_port) == (f"sqlite:///{tmp_path}/ledger.db", 0)
    assert found.prefect_api_url == "http://prefect/api"
    monkeypatch.setenv("REMEDIATE_LEDGER", "postgresql+psycopg://db/ledger")
    assert Settings.load().ledger_url == "postgresql+psycopg://db/ledger"


def test_a_state_directory_that_would_put_the_ledger_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path / "what?"))
    with pytest.raises(ConfigError, match=r"REMEDIATE_STATE: .*what\?: the address of the ledger in it would end at the \?"):
        Settings.load()
    monkeypatch.setenv("REMEDIATE_LEDGER", "postgresql+psycopg://db/ledger")
    assert Settings.load().state == tmp_path / "what?"


@pytest.mark.parametrize("name", ["with space", "Zuständig", "a#b", "a%20b", "a&b;c"])
def test_the_ledger_is_in_the_state_directory_whatever_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path / name))
    found = Settings.load()
    found.make_state()
    Ledger(found.ledger_url).close()
    assert [each.name for each in (tmp_path / name).iterdir()] == ["ledger.db"]


@pytest.mark.parametrize("name", ["STATE", "KEY_FILE", "RECEIVER_TOKEN_FILE"])
def test_a_path_is_what_a_shell_would_have_made_of_it(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for given in ("~/it", "it", "./it"):
        monkeypatch.setenv(f"REMEDIATE_{name}", given)
        assert getattr(Settings.load(), name.lower()) == tmp_path / "it"
    for given, words in (('"/var/lib/it"', "leave the quotes out"), ("~nobody.of-this.name/it", "no such home is known")):
        monkeypatch.setenv(f"REMEDIATE_{name}", given)
        with pytest.raises(ConfigError, match=f"REMEDIATE_{name}: .*{words}"):
            Settings.load()


@pytest.mark.parametrize("name", ["REMEDIATE_STATE", "REMEDIATE_LEDGER", "PREFECT_API_URL"])
def test_the_line_ends_of_windows_make_no_other_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file of variables has them that was saved there, and a container engine does not take them away."""
    monkeypatch.setenv(name, "postgresql://remediate:s3cret@db/ledger\r")
    with pytest.raises(ConfigError, match=f"environment: {name}: this holds a control character; save the file") as caught:
        Settings.load()
    assert "s3cret" not in str(caught.value)


def test_wrong_variables_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMEDIATE_RECEIVER_PORT", "http")
    monkeypatch.setenv("REMEDIATE_RECEIVER_TOKEN_ENV", "A")
    monkeypatch.setenv("REMEDIATE_RECEIVER_TOKEN_FILE", "b")
    with pytest.raises(ConfigError) as caught:
        Settings.load()
    assert [problem.where for problem in caught.value.problems] == ["REMEDIATE_RECEIVER_PORT"]
    monkeypatch.setenv("REMEDIATE_RECEIVER_PORT", "1")
    with pytest.raises(
        ConfigError,
        match="environment: REMEDIATE_RECEIVER_TOKEN_ENV: both this and REMEDIATE_RECEIVER_TOKEN_FILE are set; keep one",
    ):
        Settings.load()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (("SECRET_ENV", "SECRET_FILE"), "REMEDIATE_RECEIVER_SECRET_ENV: both this and REMEDIATE_RECEIVER_SECRET_FILE are set"),
        (("KEY",), "REMEDIATE_RECEIVER_KEY: this is set without REMEDIATE_RECEIVER_CERTIFICATE; set both"),
        (("CERTIFICATE",), "REMEDIATE_RECEIVER_CERTIFICATE: this is set without REMEDIATE_RECEIVER_KEY; set both"),
    ],
)
def test_variables_that_do_not_fit_together(variables: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables:
        monkeypatch.setenv(f"REMEDIATE_RECEIVER_{name}", "x")
    with pytest.raises(ConfigError, match=words):
        Settings.load()


def test_a_new_token_counts_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-token\n")
    file.chmod(0o600)
    monkeypatch.setenv("REMEDIATE_RECEIVER_TOKEN_FILE", str(file))
    tokens = Settings.load().receiver_tokens
    assert tokens is not None
    assert tokens() == ("first-token",)
    file.write_text("second-token\nfirst-token\n")
    assert tokens() == ("second-token", "first-token")
    file.write_text("second-token\n")
    assert tokens() == ("second-token",)


CHANGING: list[tuple[bytes, tuple[str, ...] | str]] = [
    (b"new-token", ("new-token",)),
    (b"new-token\r\nold-token\r\n", ("new-token", "old-token")),
    ("\ufeffneues-Wort-\u00e4\n\n  \nold-token".encode(), ("neues-Wort-\u00e4", "old-token")),
    (b"\n \n", "is empty; write the secret there"),
    (b"one-token\ntwo-token\n\nthree-token\n", "has 3 lines; keep two at most, the new secret and the old one"),
    (b"new-token\n#old\n", "its line 2 has fewer than 8 characters; take a longer secret"),
    (b"  short  \n", "its line 1 has fewer than 8 characters"),
]


@pytest.mark.parametrize("what", ["TOKEN", "SECRET"])
@pytest.mark.parametrize(("content", "counts"), CHANGING)
def test_what_senders_know_is_one_value_or_while_it_is_changed_two(
    content: bytes, counts: tuple[str, ...] | str, what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    file.write_bytes(content)
    file.chmod(0o600)
    monkeypatch.setenv(f"REMEDIATE_RECEIVER_{what}_FILE", str(file))
    in_file = getattr(Settings.load(), f"receiver_{what.lower()}s")
    monkeypatch.delenv(f"REMEDIATE_RECEIVER_{what}_FILE")
    monkeypatch.setenv(f"REMEDIATE_RECEIVER_{what}_ENV", "KEPT")
    monkeypatch.setenv("KEPT", content.decode("utf-8-sig"))
    in_variable = getattr(Settings.load(), f"receiver_{what.lower()}s")
    for kept, where in ((in_file, str(file)), (in_variable, "KEPT")):
        if isinstance(counts, tuple):
            assert kept() == counts
            assert [hide(f"was {each}") for each in counts] == ["was ***"] * len(counts)
        else:
            with pytest.raises(SecretUnavailable, match=counts) as caught:
                kept()
            assert where in str(caught.value)
            assert not [each for each in ("token", "old", "short") if each in str(caught.value).replace("the old one", "")]


def test_a_secret_from_the_environment_is_hidden_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HV_PASSWORD", "s3cret-of-env")
    assert hide("was s3cret-of-env") == "was s3cret-of-env"
    assert resolve(SecretRef(env="HV_PASSWORD")) == "s3cret-of-env"
    assert hide("was s3cret-of-env") == "was ***"


@pytest.mark.parametrize(
    ("content", "secret"), [(b"one\r\ntwo\n", "one"), ("\ufeffpäss ".encode(), "päss "), (b"x" * 100, "x" * 100)]
)
def test_a_secret_is_its_file_s_first_line(content: bytes, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    file.chmod(0o400)
    assert resolve(SecretRef(file=file)) == secret


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such bits")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_secret_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret-of-all")
    file.chmod(mode)
    with pytest.raises(SecretUnavailable) as caught:
        resolve(SecretRef(file=file))
    assert str(caught.value) == f"secret file {file} can be read by others: run chmod 600 '{file}'"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        (b"", "its first line is empty; write the secret there"),
        (b"\nsecond line", "its first line is empty"),
        (b"s3cret-\xff\xfe", "its first line is not UTF-8"),
    ],
)
def test_a_file_without_a_secret(content: bytes | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    with pytest.raises(SecretUnavailable, match=words) as caught:
        resolve(SecretRef(file=file))
    assert str(file) in str(caught.value)
    assert "s3cret" not in repr(caught.value)
    assert not isinstance(caught.value.__context__, UnicodeError), "it would carry the bytes"


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_without_a_secret(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HV_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("HV_PASSWORD", value)
    with pytest.raises(SecretUnavailable, match="environment variable HV_PASSWORD is not set or empty"):
        resolve(SecretRef(env="HV_PASSWORD"))


class _Block:
    def __init__(self, value: object) -> None:
        self._value = value

    def get(self) -> object:
        return self._value


def test_a_secret_from_a_prefect_block(mocker: MockerFixture) -> None:
    """Prefect's server is an edge that cannot be real here: starting one takes longer than all of these tests."""
    load = mocker.patch("prefect.blocks.system.Secret.load", return_value=_Block("s3cret-of-block"))
    assert resolve(SecretRef(block="hv")) == "s3cret-of-block"
    assert hide("s3cret-of-block") == "***"
    load.assert_called_once_with("hv", _sync=True)
    load.return_value = _Block({"a": "b"})
    with pytest.raises(SecretUnavailable, match="Prefect Secret block hv holds no text"):
        resolve(SecretRef(block="hv"))
    load.side_effect = ValueError("s3cret-of-server")
    with pytest.raises(SecretUnavailable, match=r"Prefect Secret block hv \(ValueError\): create it") as caught:
        resolve(SecretRef(block="hv"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["foo", "prefect:4200/api", "ftp://prefect/api", "http://", "http://prefect:port/api"])
def test_an_address_of_no_prefect_keeps_nothing_from_working_that_asks_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    found = Settings.load()
    with pytest.raises(ConfigError, match="PREFECT_API_URL: this is no address of a Prefect API; write it as http://SERVER"):
        _ = found.prefect_api
