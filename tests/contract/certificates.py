"""Certificates of an authority of their own, for servers at 127.0.0.1."""

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AUTHORITY, BEARER = (
    x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("test authority", "test bearer")
)


def make_pki(folder: Path) -> dict[str, str]:
    """PEM files in a folder: "ca", and "server_cert", "server_key", "client_cert", "client_key" that it signed."""
    authority = ec.generate_private_key(ec.SECP256R1())
    files = {"ca": _write(folder / "ca.pem", _certificate(authority, authority, is_authority=True))}
    for who in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        files[f"{who}_cert"] = _write(folder / f"{who}.pem", _certificate(key, authority, is_authority=False))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files[f"{who}_key"] = _write(folder / f"{who}.key", pem)
    return files


def _certificate(
    key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(AUTHORITY if is_authority else BEARER).issuer_name(AUTHORITY)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(names, critical=False)
    )  # fmt: skip
    return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)
