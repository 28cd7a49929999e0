"""A call that comes to us: INVITE answered or refused, CANCEL, and the 200 repeated until its ACK (RFC 3261, sections 9 and 13)."""

import re

from pbx.address import BadValue, parse_address, parse_uri
from pbx.dialog import dialog_of_called
from pbx.legs import Legs
from pbx.line import ALLOW, Line
from pbx.message import Request, respond
from pbx.sdp import NoCommonAudio
from pbx.sip_leg import LegState, SipLeg, give_body
from pbx.transactions import ServerTransaction
from pbx.trunk import Arrived, HungUp
from rooms.audio import RtpEndpoint
from rooms.causes import Cause, EndReason, sip_of_cause


class IncomingLeg(SipLeg):
    """Opened once its INVITE has passed every check. Raises ``BadValue``, ``BadSdp`` and ``NoCommonAudio`` where it has not."""

    def __init__(self, line: Line, leg_id: str, legs: Legs, server: ServerTransaction, replaces: str = "") -> None:
        dialog = dialog_of_called(server.request, line.token())
        super().__init__(line, leg_id, legs, dialog.key, owns_call_id=False)
        self.invite = server
        self._request = server.request
        self._replaces = replaces
        self.dialog = dialog
        self.peer_allows = {method.upper() for method in self._request.tokens("Allow")}
        self.remote = self.negotiation.take_offer(self._request.body) if self._request.body else None

    def announce(self) -> None:
        """Tell that the call arrived."""
        caller, name = caller_of(self._request)
        called = called_of(self._request, self.line.settings.extension)
        self.line.emit(Arrived(self.leg_id, self.line.settings.name, caller, name, called, self.remote, replaces=self._replaces))
        self._restart("ringing", self._patience_s(), self._rang_too_long)

    def _patience_s(self) -> float:
        """How long the caller waits at most: its own Expires, or our bound (section 13.3.1)."""
        longest_s = self.line.settings.ring_longest_s
        value = self._request.get("Expires") or ""
        return min(float(value), longest_s) if re.fullmatch(r"[1-9][0-9]{0,6}", value) else longest_s

    def _rang_too_long(self) -> None:
        cause = Cause(EndReason.NO_ANSWER, 480, "Nobody took the call in time.")
        self.refuse(cause)
        self.line.emit(HungUp(self.leg_id, cause))

    def ring(self) -> None:
        if self.state is LegState.ARRIVED:
            self.respond(self.invite, 180, [("Contact", self.line.contact), ("Allow", ALLOW)])

    def progress(self, early: RtpEndpoint) -> None:
        """183 with our answer. A call without offer cannot have it: its answer would have to come in a PRACK."""
        if self.state is not LegState.ARRIVED or self.remote is None:
            return
        body = self._description(early)
        if body is None:
            return
        response = respond(self._request, 183, to_tag=self.key[1], headers=[("Contact", self.line.contact), ("Allow", ALLOW)])
        give_body(response, body)
        self.line.transactions.respond(self.invite, response)

    def _description(self, ours: RtpEndpoint) -> bytes | None:
        """Our answer, or our offer where the INVITE had none; None where there is no common codec, and the call was refused."""
        try:
            return self.negotiation.offer(ours) if self.remote is None else self.negotiation.answer(ours)
        except NoCommonAudio as error:
            cause = Cause(EndReason.INCOMPATIBLE, 488, str(error))
            self.refuse(cause)
            self.line.emit(HungUp(self.leg_id, cause))
            return None

    def answer(self, ours: RtpEndpoint) -> None:
        """200 with our answer, or with our offer where the INVITE had none."""
        if self.state is not LegState.ARRIVED:
            return
        body = self._description(ours)
        if body is None:
            return
        headers = self._session_headers(self._request, self.invite)
        if headers is None:
            # 422 is the answer: the caller comes again with a longer interval.
            self._peer_left(Cause(EndReason.FAILED, 422, "The caller's session interval is too short."))
            return
        self._timers.pop("ringing").cancel()
        self._late_offer = self.remote is None
        self.state = LegState.ANSWERED
        self._accept(self.invite, body, headers)

    def refuse(self, cause: Cause) -> None:
        """A final refusal, without an event: whoever asks for it knows."""
        status = sip_of_cause(cause)
        headers = [("Retry-After", "10")] if status == 503 else []
        self.respond(self.invite, status if status >= 300 else 480, headers)
        self.end()

    def cancelled(self) -> None:
        """A CANCEL; after our final response it has no effect (section 9.2)."""
        if self.state is LegState.ARRIVED:
            self._peer_left(Cause(EndReason.GAVE_UP, 487, "The caller gave up."))

    def _peer_left(self, cause: Cause) -> None:
        if self.state is LegState.ARRIVED:
            self.respond(self.invite, 487)
        super()._peer_left(cause)


def caller_of(request: Request) -> tuple[str, str]:
    """Number and name of the caller: P-Asserted-Identity, then Remote-Party-ID, then From. ``Privacy: id`` hides both from people.

    The headers come from the PBX, which we trust to have checked them (RFC 3325, section 5).
    """
    if "id" in {value.strip().lower() for line in request.lines("Privacy") for value in line.split(";")}:
        return "anonymous", ""
    for header in ("P-Asserted-Identity", "Remote-Party-ID", "From"):
        try:
            for value in request.values(header):
                address = parse_address(value)
                if header == "Remote-Party-ID" and (address.params.get("party") or "calling") != "calling":
                    continue
                return _user_of(address.uri), _clean(address.display)
        except BadValue:
            continue
    return "anonymous", ""


def called_of(request: Request, extension: str) -> str:
    """The number that was dialled: the Request-URI, or To where the Request-URI is only our own registered contact."""
    dialled = _user_of(request.uri)
    try:
        meant = _user_of(request.to_address.uri)
    except BadValue:
        return dialled
    return meant if dialled in ("", extension) and meant else dialled


def _user_of(uri: str) -> str:
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        return _clean(rest.split(";")[0])
    try:
        return _clean(parse_uri(uri).user)
    except BadValue:
        return ""


def _clean(text: str) -> str:
    """Printable and short: it is shown to people and written into records."""
    return "".join(character for character in text if character.isprintable()).strip()[:128]
