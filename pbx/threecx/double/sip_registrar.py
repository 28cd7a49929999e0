"""Extensions that register with the emulated PBX in SIP: Auth ID and password by 407, one Contact each (RFC 3261, section 10.3)."""

from pbx.address import NameAddress, parse_uri
from pbx.message import Request
from pbx.threecx.double.directory import Device, Directory, Dn, DnType
from pbx.threecx.double.records import Records
from pbx.threecx.double.sip_auth import Checkpoint, Refuse, Verdict
from pbx.timers import Timer, Timers

SHORTEST_S = 60
LONGEST_S = 3600
USUAL_S = 120


class Registrar:
    """What an extension's devices are follows who is registered for it; without anybody they are what they were before."""

    def __init__(self, directory: Directory, records: Records, checkpoint: Checkpoint, timers: Timers) -> None:
        self._directory = directory
        self._records = records
        self._checkpoint = checkpoint
        self._timers = timers
        self._bindings: dict[str, tuple[str, int, Timer]] = {}
        """Extension -> its Contact, the CSeq it came with, and when it ends."""
        self._others: dict[str, list[Device]] = {}
        """Devices that an extension has beside SIP's."""

    def __contains__(self, number: str) -> bool:
        return number in self._bindings

    def contact(self, number: str) -> str:
        """Raises KeyError where nobody is registered."""
        return self._bindings[number][0]

    def register(self, request: Request, source: str) -> list[tuple[str, str]]:
        """Take a REGISTER; headers of its 200. Raises ``Refuse``, ``BadValue``."""
        dn = self.authenticated(request, parse_uri(request.to_address.uri).user, source)
        contact = request.contact()
        known = self._bindings.get(dn.number)
        if known is not None and known[1] >= request.cseq[0] and known[0] == (contact.uri if contact else ""):
            raise Refuse(500)
        expires_s = _expires_s(request, contact)
        self._end(dn)
        if not expires_s or contact is None:
            return []
        timer = self._timers.start(float(expires_s), lambda: self._end(dn))
        self._bindings[dn.number] = (contact.uri, request.cseq[0], timer)
        self._others[dn.number] = dn.devices
        dn.devices = [Device(contact.uri, request.get("User-Agent") or "", controllable=False)]
        dn.wired = True
        self._show(dn)
        return [("Contact", f"<{contact.uri}>;expires={expires_s}")]

    def authenticated(self, request: Request, number: str, source: str) -> Dn:
        """The extension, where the request proves its Auth ID and password. Raises ``Refuse``."""
        dn = self._directory.dns.get(number)
        if dn is None or dn.kind is not DnType.EXTENSION:
            raise Refuse(404)
        password, now = {dn.auth_id: dn.auth_password}, self._timers.now
        match self._checkpoint.verdict(request, source, password.get, now):
            case Verdict.PASSED:
                return dn
            case Verdict.ASK:
                raise Refuse(407, ("Proxy-Authenticate", self._checkpoint.challenge(now)))
            case Verdict.WRONG:
                raise Refuse(403)

    def forget(self) -> None:
        """Everybody has to register anew."""
        for number in list(self._bindings):
            self._end(self._directory.dns[number])

    def _end(self, dn: Dn) -> None:
        former = self._bindings.pop(dn.number, None)
        if former is not None:
            former[2].cancel()
            dn.devices, dn.wired = self._others.pop(dn.number), False
            self._show(dn)

    def _show(self, dn: Dn) -> None:
        row = self._records.find("Users", dn.number)
        if row is not None:
            row["IsRegistered"] = bool(dn.devices)


def _expires_s(request: Request, contact: NameAddress | None) -> int:
    text = (contact.params.get("expires") if contact is not None else None) or request.get("Expires") or ""
    wanted = int(text) if text.isdecimal() and len(text) < 8 else USUAL_S
    if 0 < wanted < SHORTEST_S:
        raise Refuse(423, ("Min-Expires", str(SHORTEST_S)))
    return min(wanted, LONGEST_S)
