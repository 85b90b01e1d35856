"""An authority of one's own and the certificates that it signs: one for every service, one for those who call.

`cryptography` makes them. A certificate that has most of its life before it is left as it is, so the same command may
run every day; services read a renewed one by themselves.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from defectory.errors import FailedPrecondition, InvalidInput
from defectory.storage.whole_file import whole_file

AUTHORITY = "ca"
AUTHORITY_DAYS = 3650
RENEW_SHARE = 1 / 3  # of a certificate's life that is left when it is made anew
CLOCKS = timedelta(hours=1)  # that machines may differ by
ROLES = {"classifier": ("serving", "work")}  # the Services of its two lives, in Kubernetes
NAMESPACE = "defectory"  # of the manifests in deploy/kubernetes


@dataclass(frozen=True)
class Holder:
    """Whom a certificate is for.

    Attributes:
        name: of its files.
        hosts: names and addresses by which it is called; none of one who only calls.
    """

    name: str
    hosts: tuple[str, ...] = ()


def service(name: str, more: Iterable[str] = ()) -> Holder:
    """A service by the names that compose and Kubernetes give it, and those of this machine."""
    names = [name, *(f"{name}-{role}" for role in ROLES.get(name, ()))]
    inside = [f"{one}{rest}" for one in names for rest in ("", f".{NAMESPACE}", f".{NAMESPACE}.svc")]
    return Holder(name, (*inside, "localhost", "127.0.0.1", "::1", *more))


def make(folder: Path, holders: Sequence[Holder], days: int, *, renew: bool = False, mode: int = 0o600) -> list[str]:
    """Write `NAME.pem` and `NAME.key` of the authority ("ca") and of every holder into a folder.

    Args:
        days: that a holder's certificate is valid.
        renew: make every holder's anew; the authority stays, whom callers know.
        mode: of the holders' keys. The authority's is its owner's alone.

    Returns:
        names of those that were made.

    Raises:
        FailedPrecondition: the authority's key or certificate is missing beside the other, or cannot be read.
        InvalidInput: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        written, authority = _authority(folder)
        for holder in holders:
            if renew or _is_due(folder / f"{holder.name}.pem", authority[0], holder):
                _write_pair(folder, holder.name, _signed(holder, authority, days), mode)
                written.append(holder.name)
    except OSError as error:
        raise InvalidInput(f"{folder}: {error.strerror}; name a folder that can be written") from error
    return written


Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority(folder: Path) -> tuple[list[str], Pair]:
    """(["ca"] where it was made now, the authority)."""
    certificate, key = folder / f"{AUTHORITY}.pem", folder / f"{AUTHORITY}.key"
    if not certificate.exists() and not key.exists():
        pair = _self_signed()
        _write_pair(folder, AUTHORITY, pair, 0o600)
        return [AUTHORITY], pair
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        public = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        right = "put both back, or remove both to begin with a new authority"
        raise FailedPrecondition(f"{certificate} and {key.name} do not make an authority: {right}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != public.public_key():
        raise FailedPrecondition(f"{key} is not the key of {certificate.name}: remove both for a new authority")
    return [], (public, private)


def _is_due(path: Path, authority: x509.Certificate, holder: Holder) -> bool:
    """Whether a certificate is missing, of another authority, for other names, or near its end."""
    try:
        now = x509.load_pem_x509_certificate(path.read_bytes())
        now.verify_directly_issued_by(authority)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return True
    life = now.not_valid_after_utc - now.not_valid_before_utc
    names = [n for e in now.extensions if isinstance(e.value, x509.SubjectAlternativeName) for n in e.value]
    return now.not_valid_after_utc - datetime.now(UTC) < life * RENEW_SHARE or set(names) != set(_names(holder))


def _self_signed() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Defectory's authority")
    builder = _builder(name, name, key, AUTHORITY_DAYS).add_extension(x509.BasicConstraints(True, 0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def _signed(holder: Holder, authority: Pair, days: int) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, issuers_key = authority
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if holder.hosts:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)  # and a client of other services
    builder = (
        _builder(_name(holder.name), issuer.subject, key, days)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers_key.public_key()), critical=False
        )
    )  # fmt: skip
    if names := list(_names(holder)):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuers_key, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS).not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )  # fmt: skip


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _names(holder: Holder) -> Iterator[x509.GeneralName]:
    for host in dict.fromkeys(holder.hosts):
        try:
            yield x509.IPAddress(ip_address(host))
        except ValueError:
            yield x509.DNSName(host)


def _write_pair(folder: Path, name: str, pair: Pair, mode: int) -> None:
    """The key goes first: who reads meanwhile meets a pair that does not fit, and keeps the one that he has."""
    certificate, key = pair
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    _write(folder / f"{name}.key", key.private_bytes(pem, form, serialization.NoEncryption()), mode)
    _write(folder / f"{name}.pem", certificate.public_bytes(pem), 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    """All or nothing, and never readable by more than the mode says."""
    with whole_file(path, 0o600) as file:
        os.fchmod(file.fileno(), mode)  # until then its owner's alone
        file.write(data)
