"""An S3 server is found by the variables that other S3 clients read, and by its certificate."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from defectory.errors import InvalidInput
from defectory.storage import open_store
from defectory.storage.s3_settings import S3Settings
from tests.contract.certificates import make_pki
from tests.s3_servers import CREDENTIALS, moto

OURS, S3_ONLY, ALL = "DEFECTORY_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({}, "s3.amazonaws.com"),
        ({ALL: "http://all:1"}, "all:1"),
        ({ALL: "http://all:1", S3_ONLY: "http://special:2"}, "special:2"),
        ({ALL: "http://all:1", S3_ONLY: "http://special:2", OURS: "http://ours:3"}, "ours:3"),
        ({ALL: "http://all:1", S3_ONLY: "", OURS: ""}, "all:1"),
    ],
)
def test_the_more_special_endpoint_counts(environ: Mapping[str, str], endpoint: str) -> None:
    assert S3Settings.from_environment({**CREDENTIALS, **environ}).endpoint == endpoint


@pytest.mark.parametrize("variable", [OURS, S3_ONLY, ALL])
def test_a_malformed_endpoint_is_named_by_its_variable(variable: str) -> None:
    with pytest.raises(InvalidInput, match=variable) as caught:
        S3Settings.from_environment({variable: "localhost:9000"})
    assert list(caught.value.fields) == [variable]


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-central-1"}, "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": ""}, "eu-west-1"),
    ],
)
def test_the_region(environ: Mapping[str, str], region: str) -> None:
    assert S3Settings.from_environment(environ).region == region


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def secure(pki: dict[str, str]) -> Iterator[dict[str, str]]:
    """An S3 server with a certificate of an authority that no machine knows."""
    with moto("--ssl", "--ssl-cert", pki["server_cert"], "--ssl-key", pki["server_key"]) as port:
        yield {**CREDENTIALS, OURS: f"https://127.0.0.1:{port}"}


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_of_an_own_authority(variable: str, secure: dict[str, str], pki: dict[str, str]) -> None:
    store = open_store("s3://bucket/line", {**secure, variable: pki["ca"]})
    store.put(variable, b"1")
    assert store.get(variable) == b"1"


def test_an_unknown_certificate_names_its_option(secure: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=r"certificate of 127\.0\.0\.1.* is not trusted") as caught:
        open_store("s3://bucket", secure)
    assert list(caught.value.fields) == ["AWS_CA_BUNDLE"]
    assert "PEM file" in str(caught.value)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_authorities_that_cannot_be_read_are_named(variable: str, tmp_path: Path) -> None:
    for content in (None, b"no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InvalidInput, match=variable):
            S3Settings.from_environment({OURS: "https://host", variable: str(path)})
