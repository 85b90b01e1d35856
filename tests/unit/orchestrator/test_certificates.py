"""Certificates as OpenSSL sees them, and as Python's ssl and gRPC take them."""

import datetime
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from defectory.errors import FailedPrecondition
from defectory.serving.channel import open_channel
from defectory.serving.scopes import Scope
from defectory.serving.tokens import Tokens
from orchestrator.certificates import Holder, make, service
from orchestrator.cli.main import app
from tests.contract.running import Service
from tests.contract.test_security import listed

HOLDERS = [service("filter"), service("classifier", ["line4.factory", "10.0.0.7"]), Holder("client")]


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def openssl(*arguments: str) -> str:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_openssl_takes_each_for_what_it_is(tmp_path: Path) -> None:
    assert make(tmp_path, HOLDERS, 90) == ["ca", "filter", "classifier", "client"]
    verify = ("verify", "-x509_strict", "-CAfile", f"{tmp_path}/ca.pem", "-purpose")
    assert openssl(*verify, "sslserver", "-verify_hostname", "filter.defectory.svc", f"{tmp_path}/filter.pem").endswith(
        "OK\n"
    )
    assert openssl(*verify, "sslserver", "-verify_ip", "10.0.0.7", f"{tmp_path}/classifier.pem").endswith("OK\n")
    assert openssl(*verify, "sslclient", f"{tmp_path}/filter.pem").endswith("OK\n")  # it calls the classifier
    assert openssl(*verify, "sslclient", f"{tmp_path}/client.pem").endswith("OK\n")
    assert "unsuitable certificate purpose" in openssl(*verify, "sslserver", f"{tmp_path}/client.pem")
    assert "hostname mismatch" in openssl(
        *verify, "sslserver", "-verify_hostname", "classifier", f"{tmp_path}/filter.pem"
    )


def test_keys_are_their_owners_alone_unless_others_are_let_in(tmp_path: Path) -> None:
    make(tmp_path / "a", HOLDERS, 90)
    make(tmp_path / "b", HOLDERS, 90, mode=0o644)
    modes = {
        str(p.relative_to(tmp_path)): stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*.key")
    }  # fmt: skip
    assert {modes["a/ca.key"], modes["a/filter.key"], modes["b/ca.key"]} == {0o600}
    assert modes["b/filter.key"] == 0o644
    assert not list(tmp_path.rglob("*.begun"))


def test_what_has_most_of_its_life_before_it_stays(tmp_path: Path) -> None:
    make(tmp_path, HOLDERS, 90)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert make(tmp_path, HOLDERS, 90) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "filter.pem").write_text("broken")
    assert make(tmp_path, HOLDERS, 90) == ["filter"]
    more = [service("filter", ["new.factory"]), *HOLDERS[1:]]
    assert make(tmp_path, more, 90) == ["filter"]
    assert make(tmp_path, more, 90, renew=True) == ["filter", "classifier", "client"]
    assert (tmp_path / "ca.pem").read_bytes() == before["ca.pem"]


def test_what_is_near_its_end_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, HOLDERS, 90)
    late = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=61)

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return late

    monkeypatch.setattr("orchestrator.certificates.datetime", Clock)
    assert make(tmp_path, HOLDERS, 90) == ["filter", "classifier", "client"]
    assert certificate(tmp_path / "filter.pem").not_valid_after_utc > late + datetime.timedelta(days=89)


@pytest.mark.parametrize("lost", ["ca.key", "ca.pem"])
def test_half_an_authority_is_none(lost: str, tmp_path: Path) -> None:
    make(tmp_path, HOLDERS, 90)
    (tmp_path / lost).unlink()
    with pytest.raises(FailedPrecondition, match=r"ca.pem and ca.key do not make an authority"):
        make(tmp_path, HOLDERS, 90)


def test_a_service_and_its_caller_know_each_other_by_them(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["certs", str(tmp_path), "--days", "30"])
    assert done.exit_code == 0, done.output
    pem = {name: f"{tmp_path}/{name}" for name in ("ca.pem", "filter.pem", "filter.key", "client.pem", "client.key")}
    flags = ("--tls-cert", pem["filter.pem"], "--tls-key", pem["filter.key"], "--tls-client-ca", pem["ca.pem"])
    printed = CliRunner().invoke(app, ["token", "ops", "--scope", "read", "--tokens", f"{tmp_path}/tokens"])
    assert printed.exit_code == 0, printed.output
    with Service(
        "tests.contract.sample_service", f"file://{tmp_path}/store", *flags, "--tokens", f"{tmp_path}/tokens"
    ) as service:
        client = {"tls_ca": pem["ca.pem"], "tls_cert": pem["client.pem"], "tls_key": pem["client.key"]}
        with open_channel(service.address, token=printed.output.strip(), **client) as channel:
            listed(channel)


def test_a_token_is_printed_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tokens"
    command = ["token", "line-4", "--scope", "read", "--scope", "classify", "--tokens", str(path)]
    printed = CliRunner().invoke(app, command).output.strip()
    assert len(printed) >= 43  # 256 bits in base 64
    assert printed not in path.read_text()
    Tokens(path=str(path)).check("/inference.GRPCInferenceService/ModelInfer", f"Bearer {printed}")
    again = CliRunner().invoke(app, command)
    assert "line-4 has a token already" in str(again.exception)
    other = CliRunner().invoke(app, ["token", "x", "--scope", "admin", "--tokens", str(path)])
    assert f"use {', '.join(Scope)}" in str(other.exception)
    assert len(path.read_text().splitlines()) == 1
