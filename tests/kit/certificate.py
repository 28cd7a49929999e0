"""Certificates for tests: an authority, what it signs for whom, and one that is signed by itself."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

DAY = timedelta(days=1)


class Authority:
    """Signs certificates. ``file``: its own, for whoever trusts it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("a test's authority")
        signed = _unsigned(self._name, self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file = directory / "authority.pem"
        self.file.write_bytes(signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def sign(self, *names: str, file: str = "cert", expired: bool = False) -> tuple[Path, Path]:
        """A certificate and its key. Names may be DNS names, addresses or ``sip:`` URIs."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _unsigned(_named(file), self._name, key, expired=expired)
        made = made.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        return _written(self._directory, file, made.sign(self._key, hashes.SHA256()), key)


def self_signed(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("127.0.0.1")
    made = _unsigned(name, name, key).add_extension(x509.SubjectAlternativeName([_general("127.0.0.1")]), critical=False)
    return _written(directory, "cert", made.sign(key, hashes.SHA256()), key, key_file="key")


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    if name.startswith(("sip:", "sips:")):
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _unsigned(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool = False) -> x509.CertificateBuilder:
    today = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - 3 * DAY)
        .not_valid_after(today - DAY if expired else today + DAY)
    )


def _written(
    directory: Path, file: str, signed: x509.Certificate, key: ec.EllipticCurvePrivateKey, *, key_file: str = ""
) -> tuple[Path, Path]:
    files = directory / f"{file}.pem", directory / f"{key_file or file + '_key'}.pem"
    files[0].write_bytes(signed.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
