"""TLS towards a PBX: what we show, whom we believe, and what a failed handshake means in words (RFC 3261 section 26, RFC 5922).

Certificates are checked against the system's authorities or a given file of them, versions below TLS 1.2 are refused. Files that are
renewed are read again at the next connection; while a new pair cannot be used, the old one stays.
"""

import re
import ssl
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from pbx.address import is_same_host
from pbx.sip_settings import SipTlsSettings

log = structlog.get_logger()

_SIP_URI = re.compile(r"sip:([^@:;?]+|\[[0-9a-f:.]+\])(?::[0-9]+)?", re.IGNORECASE)

# OpenSSL's reasons, and what they mean for whoever installs the line.
_REASONS = {
    "WRONG_VERSION_NUMBER": "what answers there speaks no TLS: check port (5061 is usual) and transport",
    "HTTP_REQUEST": "what answers there speaks no TLS: check port (5061 is usual) and transport",
    "UNSUPPORTED_PROTOCOL": "it offers neither TLS 1.2 nor TLS 1.3, and older versions are not safe: update the PBX",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it offers neither TLS 1.2 nor TLS 1.3, and older versions are not safe: update the PBX",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust our certificate: let the PBX trust its authority, or give another tls_certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our certificate: give another tls_certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired: renew tls_certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it demands a certificate of ours: give tls_certificate and tls_key",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it shares no cipher with us, or demands a certificate of ours (tls_certificate, tls_key)",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate though tls_demand_certificate is on",
}
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


class TlsUnusable(Exception):
    """Configured files that make no TLS identity. The message says which."""


class WrongCertificate(ConnectionError):
    """A certificate that is genuine and somebody else's. The message names both."""


class TlsContexts:
    """The two sides of TLS for one line. Opening it raises ``TlsUnusable``."""

    def __init__(self, settings: SipTlsSettings, counts: Counter[str]) -> None:
        self._settings = settings
        self._counts = counts
        self._stamps = self._look()
        self._outgoing, self._incoming = self._load()

    def outgoing(self) -> ssl.SSLContext:
        self._follow_files()
        return self._outgoing

    def incoming(self) -> ssl.SSLContext:
        """Raises ``TlsUnusable`` where no certificate is configured that we could show."""
        self._follow_files()
        if self._incoming is None:
            raise TlsUnusable("Without tls_certificate and tls_key no TLS connection can be taken.")
        return self._incoming

    def check(self, certificate: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
        """Is this certificate (as ``getpeercert`` gives it) for one of these names? Raises ``WrongCertificate``."""
        if self._settings.accept_any_certificate:
            return
        names = identities(certificate)
        if not any(is_same_name(name, meant) for name in names for meant in wanted):
            shown = ", ".join(name[:60] for name in names[:3]) or "no name at all"
            raise WrongCertificate(
                f"the PBX's certificate is for {shown}, not {' or '.join(dict.fromkeys(wanted))}: write the name that it is for as server "
                "or domain, or give the PBX one for that name (wildcards are not allowed in SIP)"
            )

    def _follow_files(self) -> None:
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._outgoing, self._incoming = self._load()
        except TlsUnusable as error:
            self._counts["tls_renewals_failed"] += 1
            log.warning("sip_tls_renewal_failed", reason=str(error))
        else:
            self._counts["tls_renewals"] += 1

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._settings.ca_file, self._settings.certificate, self._settings.key))

    def _load(self) -> tuple[ssl.SSLContext, ssl.SSLContext | None]:
        outgoing = self._context(ssl.PROTOCOL_TLS_CLIENT)
        outgoing.check_hostname = False  # RFC 5922 has rules of its own: see check.
        outgoing.verify_mode = ssl.CERT_NONE if self._settings.accept_any_certificate else ssl.CERT_REQUIRED
        if self._settings.certificate is None:
            return outgoing, None
        incoming = self._context(ssl.PROTOCOL_TLS_SERVER)
        incoming.verify_mode = ssl.CERT_REQUIRED if self._settings.demand_certificate else ssl.CERT_NONE
        return outgoing, incoming

    def _context(self, protocol: int) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if settings.ca_file is not None:
                context.load_verify_locations(settings.ca_file)
            else:
                context.load_default_certs()
        except (ssl.SSLError, OSError) as error:
            raise TlsUnusable(f"The certificates of authorities {settings.ca_file} cannot be used: {_plain(error)}.") from None
        try:
            if settings.certificate is not None:
                context.load_cert_chain(settings.certificate, settings.key)
        except (ssl.SSLError, OSError) as error:
            raise TlsUnusable(f"The SIP certificate {settings.certificate} cannot be used with its key: {_plain(error)}.") from None
        return context


def identities(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """Whom a certificate stands for (RFC 5922, section 7.1): SIP URIs; DNS names where it has none; addresses; the common name where it has
    no alternative names at all.
    """
    entries = certificate.get("subjectAltName", ())
    domains = [found.group(1) for kind, value in entries if kind == "URI" and (found := _SIP_URI.fullmatch(value))]
    if not domains:
        domains = [value for kind, value in entries if kind == "DNS"]
    if not entries:
        domains = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return (*domains, *(value for kind, value in entries if kind == "IP Address"))


def is_same_name(identity: str, wanted: str) -> bool:
    """Whole names without case; a wildcard stands for nothing but itself (section 7.2). Addresses by value."""
    return "*" not in identity and is_same_host(identity.rstrip("."), wanted.rstrip("."))


def words_of(error: Exception) -> str:
    """What a failed handshake with the PBX means, for whoever installs the line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _EXPIRED:
            return "the PBX's certificate has expired: renew it there"
        return (
            f"the PBX's certificate is not trusted ({error.verify_message}): give the certificate of the authority that signed it as "
            "tls_ca_file; for a self-signed one, that certificate itself"
        )
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return "the TLS handshake failed: " + (_REASONS.get(reason) or f"{reason.replace('_', ' ').lower() or 'no reason given'}")
    if isinstance(error, WrongCertificate):
        return str(error)
    if isinstance(error, ConnectionAbortedError | TimeoutError):
        return "the TLS handshake took too long: check port (5061 is usual) and transport"
    return "the connection was closed during the TLS handshake: check port (5061 is usual) and transport"


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        seen = path.stat() if path is not None else None
    except OSError:
        return None
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino) if seen is not None else None


def _plain(error: OSError) -> str:
    return (error.strerror or getattr(error, "reason", "") or str(error)).replace("_", " ").lower()
