"""3CX's manners in SIP, sans-IO: registrar for extensions, trunks that register with us, and calls that are the same calls as in
Call Control.

``send`` puts a message on its way; ``open_talk`` binds a call's RTP. Only UDP: transports are the product's own tests' concern.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from urllib.parse import unquote

from pbx.address import BadValue, NameAddress, SipUri, Via, parse_address, parse_uri
from pbx.body import UnsupportedBody
from pbx.dialog import Key, dialog_of_called, dialog_of_caller
from pbx.digest import Authentication, Refused
from pbx.digits import digit_of_info, info_of_digit
from pbx.message import AnyMessage, BadMessage, Request, Response, copy_message, respond
from pbx.negotiation import Negotiation
from pbx.sdes import SrtpMode
from pbx.sdp import BadSdp, NoCommonAudio
from pbx.threecx.double.calls import Calls, Change, Digits, LicenceFull, Rejected, Removed
from pbx.threecx.double.directory import DnType
from pbx.threecx.double.legs import Leg, Status
from pbx.threecx.double.records import Records
from pbx.threecx.double.sip_auth import Checkpoint, Refuse
from pbx.threecx.double.sip_call import CallState, SipCall, Talk, with_body
from pbx.threecx.double.sip_registrar import Registrar
from pbx.threecx.double.sip_trunk_line import ALLOW, SRTP, USER_AGENT, TrunkLine, challenges_of
from pbx.transactions import Hop, ServerTransaction, Transactions

STATUS_OF = {"PhoneBusy": 486, "PhoneNotRegistered": 480, "NoAnswer": 480, "NoDestinations": 404}
REASON_OF = {486: "PhoneBusy", 600: "PhoneBusy", 603: "PhoneBusy", 404: "NoDestinations", 480: "NoAnswer", 408: "NoAnswer", 487: "NoAnswer"}


class Sip:
    """``host``/``port``: where we are. ``can_encrypt``: whether RTP here knows SRTP; else no trunk offers it."""

    def __init__(
        self,
        calls: Calls,
        records: Records,
        send: Callable[[AnyMessage, Hop], None],
        open_talk: Callable[[Leg], Talk],
        *,
        random: Random,
        can_encrypt: bool = False,
    ) -> None:
        self.host, self.port = "127.0.0.1", 5060
        self.counts: Counter[str] = Counter()
        self.timers = calls.timers
        self.checkpoint = Checkpoint(random)
        self.registrar = Registrar(calls.directory, records, self.checkpoint, self.timers)
        self.trunks: dict[str, TrunkLine] = {}
        self._calls = calls
        self._records = records
        self._open_talk = open_talk
        self._random = random
        self._can_encrypt = can_encrypt
        self._by_leg: dict[int, SipCall] = {}
        self._by_dialog: dict[Key, SipCall] = {}
        self._source = Hop("udp", "", 0)
        """Where the message comes from that is being handled."""
        self._transactions = Transactions(
            self.timers,
            send=send,
            user=self,
            via=lambda transport: Via("UDP", self.host, self.port),
            new_branch=lambda: self._token(12),
            counts=self.counts,
        )

    def _token(self, octets: int = 8) -> str:
        return self._random.randbytes(octets).hex()

    # -- the world

    def receive(self, message: AnyMessage, source: Hop, now: float) -> None:
        self.timers.advance(now)
        if isinstance(message, Request) and self.checkpoint.blocks(source.host, now):
            self.counts["blocked"] += 1
            if self._calls.manners.blocked_source == "silent":
                return
            self._transactions.refuse_unread(message, source, 403, "Forbidden")
            return
        self._source = source
        try:
            self._transactions.receive(message, source)
        except BadValue:
            self.counts["dropped_unreadable"] += 1

    def receive_bad(self, error: BadMessage, source: Hop, now: float) -> None:
        self.timers.advance(now)
        if error.request is not None:
            self._transactions.refuse_unread(error.request, source, error.status, "Bad Request")

    def follow_trunks(self) -> None:
        """The trunks are configured anew: those with a host are wired, and register where they should."""
        rows = {row["Number"]: row for row in self._records.sets["Trunks"] if row["Gateway"]["Host"]}
        for number in self.trunks.keys() - rows.keys():
            self.trunks.pop(number).close()
        for number, row in rows.items():
            line = self.trunks.get(number)
            if line is None or line.row is not row:
                self.trunks[number] = self._trunk(row)
                self.trunks[number].open()
            elif line.opened_as != line.how():
                self.refresh(number)
            self._calls.directory.dns[number].wired = True

    def refresh(self, number: str) -> None:
        """Register at once."""
        if number in self.trunks:
            self.trunks[number].close()
            self.trunks[number].open()

    def _trunk(self, row: dict[str, object]) -> TrunkLine:
        secrets, number = self._records.trunk_secrets, str(row["Number"])
        return TrunkLine(
            row, lambda: secrets.get(number, ""), lambda: (self.host, self.port), self._transactions, self.timers, self._random
        )

    def restart(self) -> None:
        """Calls are gone without a word, phones have to register anew, and trunks do it at once."""
        for call in list(self._by_leg.values()):
            self._forget(call)
        self.registrar.forget()
        for number in self.trunks:
            self.refresh(number)

    def close(self) -> None:
        """Registrations and calls are forgotten, their RTP ends."""
        for line in self.trunks.values():
            line.close()
        for call in list(self._by_leg.values()):
            self._forget(call)

    # -- what the calls tell

    def changed(self, change: Change) -> None:
        leg = change.leg
        call = self._by_leg.get(leg.id)
        if isinstance(change, Digits):
            return
        if isinstance(change, Removed):
            if call is not None:
                self._leg_ended(call)
        elif call is not None:
            self._follow(call)
        elif leg.wired and leg.status is Status.RINGING:
            self._invite(leg)
        # The other side of this leg may have been waiting for it.
        other = self._by_leg.get(leg.other.id) if leg.other is not None else None
        if other is not None and other.leg.alive:
            self._follow(other)

    def _follow(self, call: SipCall) -> None:
        """What our caller is to hear of: somebody rings, somebody answered."""
        if call.state is not CallState.COMING or not isinstance(call.invite, ServerTransaction):
            return
        other = call.leg.other
        reached = other is not None and other.alive and other.status is Status.CONNECTED and other.me.kind is not DnType.QUEUE
        if reached and call.leg.status is Status.CONNECTED:
            self._answer(call, call.invite)
        elif not call.rang and self._calls.rings_for(call.leg):
            call.rang = True
            self._respond(call.invite, 180, call)

    def _answer(self, call: SipCall, server: ServerTransaction) -> None:
        call.state = CallState.TALKING
        response = respond(server.request, 200, to_tag=self._tag_of(call), headers=self._headers(call))
        asked = server.request.get("Session-Expires")
        if asked and "timer" in server.request.tokens("Supported"):
            response.add("Session-Expires", f"{asked.split(';')[0].strip()};refresher=uac")
            response.add("Require", "timer")
        self._transactions.respond(server, with_body(response, call.answer()))
        self._repeat_ok(call, server, response, 0.5)

    def _repeat_ok(self, call: SipCall, server: ServerTransaction, response: Response, delay_s: float, waited_s: float = 0.0) -> None:
        """A 2xx is repeated until its ACK comes (RFC 3261, section 13.3.1.4)."""
        call.last_ok = response

        def again() -> None:
            if call.last_ok is not response:
                return
            if waited_s + delay_s >= 32:
                self._calls.drop(call.leg)
                return
            self._transactions.respond(server, response)
            self._repeat_ok(call, server, response, min(2 * delay_s, 4.0), waited_s + delay_s)

        self.timers.start(delay_s, again)

    def _leg_ended(self, call: SipCall) -> None:
        leg, state = call.leg, call.state
        self._forget(call)
        if state is CallState.COMING and isinstance(call.invite, ServerTransaction):
            self._respond(call.invite, STATUS_OF.get(leg.reason, 480), call)
        elif state is CallState.GOING and call.invite is not None:
            self._cancel(call.invite.request, call.hop)
        elif state is CallState.TALKING and call.dialog is not None:
            self._transactions.request(call.dialog.request("BYE", call.dialog.next_cseq()), call.hop, lambda response: None)

    def _forget(self, call: SipCall) -> None:
        if call.state is not CallState.OVER:
            call.state, call.last_ok = CallState.OVER, None
            call.talk.end()
            self._by_leg.pop(call.leg.id, None)
            if call.dialog is not None:
                self._by_dialog.pop(call.dialog.key, None)

    # -- our own INVITEs

    def _invite(self, leg: Leg) -> None:
        """Ring the SIP peer behind a leg."""
        trunk = self.trunks.get(leg.dn)
        try:
            uri, hop = self._way_to(leg, trunk)
        except KeyError:
            self.timers.start(0.0, lambda: self._calls.drop(leg, "PhoneNotRegistered"))
            return
        call = SipCall(leg, CallState.GOING, hop, self._negotiation(leg, trunk), self._open_talk(leg), trunk)
        self._by_leg[leg.id] = call
        caller = leg.party
        number = self._shown_caller(leg) if trunk is not None else caller.number
        identity = SipUri(trunk.identity.host if trunk is not None else self.host, number)
        request = Request(method="INVITE", uri=str(uri))
        request.headers = [
            ("Max-Forwards", "70"),
            ("From", str(NameAddress(str(identity), caller.name, {"tag": self._token()}))),
            ("To", f"<{SipUri(uri.host, leg.me.number)}>"),
            ("Call-ID", self._token(16)),
            ("CSeq", "1 INVITE"),
            *self._headers(call),
        ]
        if trunk is not None:
            request.add("P-Asserted-Identity", f"<{identity}>")
        request.add("Content-Type", "application/sdp")
        request.body = call.negotiation.offer(call.ours(call.codecs))
        self._ask(call, request, None)

    def _shown_caller(self, leg: Leg) -> str:
        """The number that the trunk shows: the caller's own where it came from outside, else the main one."""
        trunk = self.trunks[leg.dn]
        return leg.party.number if leg.party.kind is DnType.LINE else str(trunk.row["ExternalNumber"] or leg.party.number)

    def _way_to(self, leg: Leg, trunk: TrunkLine | None) -> tuple[SipUri, Hop]:
        """Request-URI and hop. Raises KeyError where nobody is there."""
        if trunk is not None:
            if not trunk.online or not trunk.row["EnableOutboundCalls"]:
                raise KeyError(leg.dn)
            return SipUri(str(trunk.row["Gateway"]["Host"]), leg.me.number, trunk.hop.port), trunk.hop
        uri = parse_uri(self.registrar.contact(leg.dn))
        return uri, Hop("udp", uri.host, uri.port or 5060)

    def _ask(self, call: SipCall, request: Request, authentication: Authentication | None) -> None:
        call.invite = self._transactions.request(request, call.hop, lambda response: self._invited(call, request, response, authentication))

    def _invited(self, call: SipCall, request: Request, response: Response, authentication: Authentication | None) -> None:
        if 200 <= response.status < 300:
            self._invite_taken(call, request, response)
        elif response.status in (401, 407) and call.trunk is not None and call.state is CallState.GOING:
            self._invite_again(call, request, response, authentication or call.trunk.authentication())
        elif response.status >= 300 and call.state is CallState.GOING:
            self._forget(call)
            self._calls.drop(call.leg, REASON_OF.get(response.status, "PhoneNotRegistered"))

    def _invite_again(self, call: SipCall, request: Request, response: Response, authentication: Authentication) -> None:
        try:
            given = authentication.answers(challenges_of(response), method="INVITE", uri=request.uri, cnonce=self._token())
        except Refused:
            self._forget(call)
            self._calls.drop(call.leg, "NoDestinations")
            return
        again = copy_message(request)
        again.remove("Via")
        again.set("CSeq", f"{request.cseq[0] + 1} INVITE")
        again.headers.extend(given)
        self._ask(call, again, authentication)

    def _invite_taken(self, call: SipCall, request: Request, response: Response) -> None:
        try:
            dialog = call.dialog or dialog_of_caller(request, response)
        except BadValue:
            self.counts["bad_answers"] += 1
            return
        ack = dialog.request("ACK", request.cseq[0])
        self._transactions.send_ack(ack, call.hop)
        if call.state is CallState.GOING and call.answered(response):
            call.dialog, call.state = dialog, CallState.TALKING
            self._by_dialog[dialog.key] = call
            self._calls.answer(call.leg)
        elif call.state is not CallState.TALKING:
            # Cancelled too late, or answered with what we cannot speak: it is over for the peer too.
            self._transactions.request(dialog.request("BYE", dialog.next_cseq()), call.hop, lambda bye: None)
            self._calls.drop(call.leg, "NoAnswer")

    def _cancel(self, invite: Request, hop: Hop) -> None:
        request = Request(method="CANCEL", uri=invite.uri)
        kept = ("Via", "From", "To", "Call-ID", "Max-Forwards")
        request.headers = [(name, value) for name, value in invite.headers if name in kept]
        request.add("CSeq", f"{invite.cseq[0]} CANCEL")
        self._transactions.request(request, hop, lambda response: None)

    def _negotiation(self, leg: Leg, trunk: TrunkLine | None) -> Negotiation:
        srtp = trunk.srtp if trunk is not None else self._srtp_of(leg.dn)
        return Negotiation(self._random.getrandbits(31), srtp if self._can_encrypt else SrtpMode.OFF, draw=self._random.randbytes)

    def _srtp_of(self, number: str) -> SrtpMode:
        row = self._records.find("Users", number)
        return SRTP[row["SRTPMode"]] if row is not None else SrtpMode.OFF

    # -- requests of peers (``pbx.transactions.TransactionUser``)

    def request_arrived(self, request: Request, server: ServerTransaction | None) -> None:
        call = self._by_dialog.get((request.call_id, request.to_address.tag or ""))
        if server is None:
            if call is not None:
                call.last_ok = None
                call.acknowledged(request)
            return
        try:
            if call is not None:
                self._in_dialog(call, request, server)
            elif request.to_address.tag:
                raise Refuse(481)
            else:
                self._out_of_dialog(request, server)
        except Refuse as refuse:
            self._transactions.respond(server, respond(request, refuse.status, to_tag=self._token(), headers=refuse.headers))
        except BadValue:
            self._transactions.respond(server, respond(request, 400, to_tag=self._token()))

    def is_full(self) -> bool:
        return False

    def cancel_arrived(self, cancel: Request, invite: ServerTransaction) -> None:
        call = next((call for call in self._by_leg.values() if call.invite is invite), None)
        if call is not None and call.state is CallState.COMING:
            self._respond(invite, 487, call)
            self._forget(call)
            self._calls.drop(call.leg)

    def _out_of_dialog(self, request: Request, server: ServerTransaction) -> None:
        if request.method == "OPTIONS":
            headers = [("Allow", ALLOW), ("Accept", "application/sdp"), ("Supported", "replaces, timer"), ("User-Agent", USER_AGENT)]
            self._transactions.respond(server, respond(request, 200, to_tag=self._token(), headers=headers))
        elif request.method == "REGISTER":
            headers = self.registrar.register(request, self._source.host)
            self._transactions.respond(server, respond(request, 200, to_tag=self._token(), headers=headers))
        elif request.method == "INVITE":
            self._call_arrived(request, server)
        else:
            raise Refuse(405, ("Allow", ALLOW))

    # -- calls that come

    def _call_arrived(self, request: Request, server: ServerTransaction) -> None:
        if request.get("Replaces"):
            raise Refuse(int(self._calls.manners.replaces_off_code))
        caller = parse_uri(request.from_address.uri)
        called = parse_uri(request.to_address.uri).user
        trunk = self._trunk_of(request)
        if trunk is None and caller.user not in self.registrar:
            trunk = self._trunk_called(called)
        if trunk is not None:
            leg = self._from_trunk(request, trunk, caller, called)
        elif caller.user in self.registrar:
            dn = self.registrar.authenticated(request, caller.user, self._source.host)
            leg = self._begun(
                lambda: self._calls.dial(dn.number, parse_uri(request.uri).user, device_id=dn.devices[0].device_id, by_phone=True)
            )
        elif self._calls.manners.unmatched_invite == "407":
            raise Refuse(407, ("Proxy-Authenticate", self.checkpoint.challenge(self.timers.now)))
        else:
            raise Refuse(404)
        self._coming(leg, request, server, trunk)

    def _from_trunk(self, request: Request, trunk: TrunkLine, caller: SipUri, called: str) -> Leg:
        if not trunk.row["EnableInboundCalls"]:
            raise Refuse(600)
        if len(self._calls.of(trunk.number)) >= trunk.row["SimultaneousCalls"]:
            raise Refuse(503)
        number = str(trunk.row["ExternalNumber"]) if called == trunk.row["AuthID"] else called
        name = request.from_address.display
        return self._begun(lambda: self._calls.arrive(caller.user, number, name=name, wired=True, trunk=trunk.number))

    def _begun(self, begin: Callable[[], Leg]) -> Leg:
        try:
            return begin()
        except LicenceFull:
            raise Refuse(503) from None
        except Rejected as error:
            raise Refuse(STATUS_OF.get(error.reason, 480)) from None

    def _trunk_of(self, request: Request) -> TrunkLine | None:
        """By who calls, in 3CX's order: rinstance, Contact user, source rules; the first that fits any trunk."""
        rules: tuple[Callable[[TrunkLine], bool], ...] = (
            lambda trunk: trunk.has_rinstance(request),
            lambda trunk: trunk.has_contact(request),
            lambda trunk: trunk.has_source(request, self._source),
        )
        return next((trunk for rule in rules for trunk in self.trunks.values() if rule(trunk)), None)

    def _trunk_called(self, called: str) -> TrunkLine | None:
        """By what is called: a DID, else the main number."""
        by_did = (trunk for trunk in self.trunks.values() if trunk.has_did(called))
        by_main = (trunk for trunk in self.trunks.values() if trunk.has_main_number(called))
        return next(by_did, None) or next(by_main, None)

    def _coming(self, leg: Leg, request: Request, server: ServerTransaction, trunk: TrunkLine | None) -> None:
        leg.wired = True
        call = SipCall(leg, CallState.COMING, self._source, self._negotiation(leg, trunk), self._open_talk(leg), trunk, invite=server)
        try:
            call.take_offer(request)
            call.dialog = dialog_of_called(request, self._token())
        except (NoCommonAudio, BadSdp, UnsupportedBody, BadValue) as error:
            call.talk.end()
            self._calls.drop(leg)
            status = {NoCommonAudio: 488, UnsupportedBody: 415}.get(type(error), 400)
            raise Refuse(status) from None
        self._by_leg[leg.id] = call
        self._by_dialog[call.dialog.key] = call
        self._respond(server, 100, call)
        if leg.alive:
            self._follow(call)
        else:
            self._leg_ended(call)

    # -- within a call

    def _in_dialog(self, call: SipCall, request: Request, server: ServerTransaction) -> None:
        dialog = call.dialog
        assert dialog is not None
        if not dialog.takes(request):
            raise Refuse(500)
        match request.method:
            case "BYE":
                self._respond(server, 200, call)
                self._forget(call)
                self._calls.drop(call.leg)
            case "INFO":
                self._info(call, request)
                self._respond(server, 200, call)
            case "INVITE" | "UPDATE":
                self._reinvited(call, request, server)
            case "REFER":
                self._referred(call, request, server)
            case "OPTIONS" | "NOTIFY" | "MESSAGE":
                self._respond(server, 200, call)
            case _:
                raise Refuse(405, ("Allow", ALLOW))

    def _info(self, call: SipCall, request: Request) -> None:
        digit = digit_of_info(request.content_type, request.body)
        if digit is not None:
            self._calls.press(call.leg, digit)

    def _reinvited(self, call: SipCall, request: Request, server: ServerTransaction) -> None:
        if not request.body and request.method == "UPDATE":
            self._respond(server, 200, call)
            return
        if call.trunk is not None and not call.trunk.row["Gateway"]["SupportReinvite"]:
            raise Refuse(int(self._calls.manners.reinvite_off_code))
        try:
            body = call.reagree(request)
        except NoCommonAudio:
            raise Refuse(488) from None
        except (BadSdp, UnsupportedBody):
            raise Refuse(400) from None
        response = respond(request, 200, to_tag=self._tag_of(call), headers=self._headers(call))
        self._transactions.respond(server, with_body(response, body))

    def _referred(self, call: SipCall, request: Request, server: ServerTransaction) -> None:
        if call.trunk is not None and not call.trunk.row["Gateway"]["SupportReplaces"]:
            raise Refuse(int(self._calls.manners.replaces_off_code))
        target = parse_uri(parse_address(request.get("Refer-To") or "").uri)
        consulted = self._consulted(target)
        self._respond(server, 202, call)
        self._notify(call, 100)
        try:
            if consulted is not None:
                self._calls.join(call.leg, consulted.leg)
                self._notify(call, 200)
            else:
                self._calls.route(call.leg, target.user, lambda reason: self._transferred(call, reason), referred_by=call.leg.me)
        except Rejected as error:
            self._notify(call, STATUS_OF.get(error.reason, 480))

    def _transferred(self, call: SipCall, reason: str) -> None:
        """The target took the call, or did not; the transferor's own leg stays until then."""
        self._notify(call, STATUS_OF.get(reason, 480) if reason else 200)
        if not reason:
            self._calls.drop(call.leg)

    def _consulted(self, target: SipUri) -> SipCall | None:
        """The call that a Refer-To's Replaces names; None where it has none. Raises ``Refuse`` where there is no such call."""
        if not target.headers:
            return None
        replaces = str(parse_uri_headers(target.headers).get("replaces", ""))
        call_id, *params = replaces.split(";")
        tag = next((value.partition("=")[2] for value in params if value.startswith("to-tag=")), "")
        call = self._by_dialog.get((call_id, tag))
        if call is None:
            raise Refuse(481)
        return call

    def _notify(self, call: SipCall, status: int) -> None:
        if call.dialog is None:
            return
        request = call.dialog.request("NOTIFY", call.dialog.next_cseq())
        over = "terminated;reason=noresource" if status >= 200 else "active;expires=60"
        request.headers += [
            ("Event", "refer"),
            ("Subscription-State", over),
            ("Content-Type", "message/sipfrag;version=2.0"),
            *self._headers(call),
        ]
        request.body = f"SIP/2.0 {status} {respond(request, status).reason}\r\n".encode()
        self._transactions.request(request, call.hop, lambda response: None)

    def press(self, leg: Leg, digits: str) -> None:
        """Send digits to the SIP peer behind a leg, as the manners say."""
        call = self._by_leg.get(leg.id)
        if call is None or call.state is not CallState.TALKING or call.dialog is None:
            return
        for digit in digits:
            if self._calls.manners.dtmf_out == "rfc4733":
                call.talk.press(digit)
                continue
            request = call.dialog.request("INFO", call.dialog.next_cseq())
            kind, request.body = info_of_digit(digit)
            request.add("Content-Type", kind)
            self._transactions.request(request, call.hop, lambda response: None)

    # -- words

    def _tag_of(self, call: SipCall) -> str:
        return (call.dialog.local.tag or "") if call.dialog is not None else self._token()

    def _headers(self, call: SipCall) -> list[tuple[str, str]]:
        contact = call.trunk.contact_uri if call.trunk is not None else SipUri(self.host, call.leg.party.number or call.leg.dn, self.port)
        return [("Contact", f"<{contact}>"), ("Allow", ALLOW), ("Supported", "replaces, timer"), ("User-Agent", USER_AGENT)]

    def _respond(self, server: ServerTransaction, status: int, call: SipCall) -> None:
        headers = self._headers(call) if 100 < status < 300 else []
        self._transactions.respond(server, respond(server.request, status, to_tag=self._tag_of(call), headers=headers))


def parse_uri_headers(text: str) -> dict[str, str]:
    """The headers of a URI (``?Replaces=...``), names in lower case, decoded."""
    return {name.lower(): unquote(value) for name, _, value in (part.partition("=") for part in text.split("&"))}
