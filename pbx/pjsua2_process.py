"""The process that runs pjsua2: ``python -m pbx.pjsua2_process``, started by ``pbx.pjsua2_trunk`` alone. Commands on standard input, events
on standard output, one JSON object per line.

pjsua2 can abort its process (an assertion, a callback of a thread it does not know), so it never runs in the server's. It signals only: its
media transport is a loop inside of it that opens no socket, and every session description is replaced by the one that the trunk wrote.
Everything happens in one thread, which asks pjsua2 for events and looks for commands in turn.

No build says how many calls it carries: the number is compiled in, and a larger ``maxCalls`` is cut without a word (the packaged wheel
carries 4). So calls to nobody are begun until one is refused, before the line opens.
"""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pjsua2 as pj

from pbx import pjsua2_messages as told
from pbx.message import BadMessage, Response, parse_message

POLL_MS = 10
GOODBYE_ROUNDS = 150
NOBODY = "sip:nobody@127.0.0.1:9"
"""The discard port: what is sent there during the count reaches no one."""
MOST_COUNTED = 4096
"""Nobody counts further."""
_TRANSPORT = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP}


_TO_TRUNK = os.dup(1)
"""pjsua2 writes into standard output before it can be told not to; that goes to standard error."""


def emit(event: told.Event) -> None:
    """Tell the trunk, which always reads; where it has gone, so do we."""
    os.write(_TO_TRUNK, told.line_of(event))


class Account(pj.Account):  # type: ignore[misc]  # no types in the wrapper
    def __init__(self, agent: "Agent") -> None:
        super().__init__()
        self._agent = agent

    def onIncomingCall(self, prm: Any) -> None:
        self._agent.invited(prm.callId, prm.rdata)

    def onRegState(self, prm: Any) -> None:
        emit(told.Registered(prm.code, prm.reason, prm.expiration if 200 <= prm.code < 300 else 0))


class Call(pj.Call):  # type: ignore[misc]  # no types in the wrapper
    """``written``: the description that stands for pjsua2's own at the next occasion."""

    def __init__(self, agent: "Agent", account: Account, leg_id: str, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self._agent = agent
        self.leg_id = leg_id
        self.written = ""
        self.talking = False
        self.offering = False
        self.described = False
        self._confirmed = False
        self._accepted = call_id != pj.PJSUA_INVALID_ID
        self._answer = ""
        self._rang = ""
        self._peer: told.PeerSeen | None = None

    def onCallSdpCreated(self, prm: Any) -> None:
        if self.written:
            prm.sdp.wholeSdp = self.written

    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self._confirmed = True
            self._talk()
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            emit(told.Ended(self.leg_id, info.lastStatusCode, info.lastReason))
            self._agent.forget(self.leg_id)

    def onCallTsxState(self, prm: Any) -> None:
        event = prm.e
        if event.type != pj.PJSIP_EVENT_TSX_STATE or event.body.tsxState.type != pj.PJSIP_EVENT_RX_MSG:
            return
        received = event.body.tsxState.src.rdata
        try:
            message = parse_message(received.wholeMsg.encode())
        except BadMessage:
            return
        peer = told.PeerSeen(self.leg_id, _host_of(received), tuple(sorted(method.upper() for method in message.tokens("Allow"))))
        if peer.methods and peer != self._peer:
            self._peer = peer
            emit(peer)
        if isinstance(message, Response) and message.cseq[1] == "INVITE":
            self._answered(message)

    def _answered(self, response: Response) -> None:
        sdp = response.body.decode("utf-8", "replace") if response.content_type == "application/sdp" else ""
        if self.offering and response.status >= 200:
            self.offering = False
            emit(told.Agreed(self.leg_id, response.status, sdp))
        elif not self.talking:
            self._answer = sdp or self._answer
            if 200 <= response.status < 300:
                self._accepted = True
                self._talk()
            if 101 <= response.status < 200 and (not self._rang or self._rang != self._answer):
                self._rang = self._answer or "-"
                emit(told.Ringing(self.leg_id, sdp))

    def _talk(self) -> None:
        """Answered, with the answer at hand: the two are told in no certain order."""
        if self._confirmed and self._accepted and not self.talking:
            self.talking, self.described = True, False
            emit(told.Talking(self.leg_id, self._answer))

    def onCallRxReinvite(self, prm: Any) -> None:
        prm.isAsync = True
        emit(told.Offered(self.leg_id, prm.offer.wholeSdp))

    def onDtmfDigit(self, prm: Any) -> None:
        emit(told.Pressed(self.leg_id, prm.digit))

    def onCallTransferRequest(self, prm: Any) -> None:
        # Accepted, pjsua2 would dial by itself, past the rules for dialling.
        prm.statusCode = pj.PJSIP_SC_FORBIDDEN

    def onCallReplaceRequest(self, prm: Any) -> None:
        prm.statusCode = pj.PJSIP_SC_FORBIDDEN

    def onCallTransferStatus(self, prm: Any) -> None:
        emit(told.Transferred(self.leg_id, int(prm.statusCode)))
        prm.cont = not prm.finalNotify


class Agent:
    """The endpoint, its one account and its calls."""

    def __init__(self) -> None:
        self._endpoint: Any = None
        self._account: Account | None = None
        self._calls: dict[str, Call] = {}
        self._gone: list[Call] = []
        self._numbered = 0

    def open(self, command: told.Open) -> None:
        """Start pjsua2, open the port and the account."""
        most_calls = calls_carried(command)
        self._endpoint = pj.Endpoint()  # there may be one in a process
        opened = start(self._endpoint, command, _TRANSPORT[command.transport], command.port)
        self._account = Account(self)
        self._account.create(_account(command))
        port = int(self._endpoint.transportGetInfo(opened).localName.rpartition(":")[2])
        emit(told.Opened(port, most_calls, self._endpoint.libVersion().full))

    def perform(self, command: told.Command) -> None:
        match command:
            case told.Open():
                self.open(command)
            case told.Close():
                self.close()
            case told.Dial(leg_id=leg_id):
                self._dial(command)
            case told.Respond(leg_id=leg_id):
                self._with(leg_id, lambda call: self._respond(call, command.status, command.sdp))
            case told.End(leg_id=leg_id):
                self._with(leg_id, lambda call: call.hangup(_saying(command.status)))
            case told.Offer(leg_id=leg_id):
                self._with(leg_id, lambda call: self._offer(call, command.sdp))
            case told.Press(leg_id=leg_id):
                self._with(leg_id, lambda call: call.sendDtmf(_digit(command.digit)))
            case told.Refer(leg_id=leg_id):
                self._with(leg_id, lambda call: self._refer(call, command))

    def _with(self, leg_id: str, do: Callable[[Call], None]) -> None:
        """What pjsua2 refuses of a call is that the call has just changed: its own event says how."""
        call = self._calls.get(leg_id)
        if call is not None:
            with suppress(pj.Error):
                do(call)

    def _dial(self, command: told.Dial) -> None:
        assert self._account is not None
        call = self._calls[command.leg_id] = Call(self, self._account, command.leg_id)
        call.written = command.sdp
        how = pj.CallOpParam(True)
        how.txOption.localUri = command.caller
        for name, value in command.headers.items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            how.txOption.headers.append(header)
        try:
            call.makeCall(command.uri, how)
        except pj.Error as error:
            emit(told.Ended(command.leg_id, 503, error.reason))
            self.forget(command.leg_id)

    def _respond(self, call: Call, status: int, sdp: str) -> None:
        how = _saying(status)
        if sdp and not call.described:
            call.written = how.sdp.wholeSdp = sdp
            call.described = not call.talking  # an INVITE is answered once, though its first answer was provisional
        call.answer(how)

    def _offer(self, call: Call, sdp: str) -> None:
        call.written = sdp
        call.offering = True
        call.reinvite(pj.CallOpParam(True))

    def _refer(self, call: Call, command: told.Refer) -> None:
        other = self._calls.get(command.replaces)
        if other is None:
            call.xfer(command.target, pj.CallOpParam(True))
        else:
            call.xferReplaces(other, pj.CallOpParam(True))

    def invited(self, call_id: int, received: Any) -> None:
        assert self._account is not None
        self._numbered += 1
        leg_id = f"in{self._numbered}"
        self._calls[leg_id] = Call(self, self._account, leg_id, call_id)
        emit(told.Invited(leg_id, received.wholeMsg, _host_of(received)))

    def forget(self, leg_id: str) -> None:
        """Its object may go only once pjsua2's callback has returned."""
        call = self._calls.pop(leg_id, None)
        if call is not None:
            self._gone.append(call)

    def run(self) -> None:
        """Until the trunk says so, or is gone."""
        unread = b""
        opened = False
        while True:
            if opened:
                self._endpoint.libHandleEvents(POLL_MS)
                self._gone.clear()
            if not select.select([0], [], [], 0.0 if opened else None)[0]:
                continue
            piece = os.read(0, 65_536)
            if not piece:
                self.close()
            *lines, unread = (unread + piece).split(b"\n")
            for line in lines:
                self.perform(told.COMMANDS.decode(line))
                opened = True

    def close(self) -> None:
        """BYE to all and unregister, while anybody answers; then end without ``libDestroy``, which waits a second for what was just done
        and aborts where an object is left (pjproject issue 4353)."""
        if self._account is None:
            os._exit(0)
        self._endpoint.hangupAllCalls()
        registered = self._account.getInfo().regIsActive
        if registered:
            self._account.setRegistration(False)
        for _ in range(GOODBYE_ROUNDS):
            self._endpoint.libHandleEvents(POLL_MS)
            self._gone.clear()
            if not self._calls and not (registered and self._account.getInfo().regIsActive):
                break
        os._exit(0)


def start(endpoint: Any, command: told.Open, transport_type: int, port: int) -> int:
    """Bring pjsua2 up with one transport, whose number it returns."""
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = min(command.max_calls, MOST_COUNTED)
    config.uaConfig.userAgent = command.user_agent
    config.medConfig.hasIoqueue = False
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.port, transport.boundAddress = port, command.host
    opened = int(endpoint.transportCreate(transport_type, transport))
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    return opened


def calls_carried(command: told.Open) -> int:
    """How many calls at once this build carries, up to as many as are wanted: found by a copy of this process, which then ends."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _count(command, writing)
    os.close(writing)
    with os.fdopen(reading) as told_by_child:
        said = told_by_child.read()
    os.waitpid(child, 0)
    return int(said or 0)


def _count(command: told.Open, writing: int) -> None:
    """Write the number and end, with every object still there: pjsua2 aborts where one goes before its call."""
    endpoint = pj.Endpoint()
    start(endpoint, command, pj.PJSIP_TRANSPORT_UDP, 0)
    account = pj.Account()
    config = pj.AccountConfig()
    config.idUri = NOBODY
    config.mediaConfig.useLoopMedTp = True
    account.create(config)
    calls: list[Any] = []
    with suppress(pj.Error):
        while len(calls) < command.max_calls:
            call = pj.Call(account)
            call.makeCall(NOBODY, pj.CallOpParam(True))
            calls.append(call)
    os.write(writing, str(len(calls)).encode())
    os._exit(0)


def _account(command: told.Open) -> Any:
    config = pj.AccountConfig()
    name = f'"{command.display_name}" ' if command.display_name else ""
    config.idUri = f"{name}<sip:{command.extension}@{command.domain}>"
    through = f"<sip:{command.server};transport={command.transport};lr>"
    config.sipConfig.proxies.append(through)
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", command.digest_name, 0, command.password))
    if command.register:
        config.regConfig.registrarUri = f"sip:{command.domain};transport={command.transport}"
        config.regConfig.timeoutSec = command.registration_s
        config.regConfig.proxyUse = 2  # the account's own
    config.callConfig.timerSessExpiresSec = command.session_expires_s
    config.callConfig.timerMinSESec = command.min_session_expires_s
    config.mediaConfig.useLoopMedTp = True
    config.mediaConfig.lockCodecEnabled = False
    config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_DISABLED
    return config


def _host_of(received: Any) -> str:
    """Of ``host:port`` and ``[host]:port``."""
    return str(received.srcAddress).rpartition(":")[0].strip("[]")


def _saying(status: int) -> Any:
    how = pj.CallOpParam()
    how.statusCode = status
    return how


def _digit(digit: str) -> Any:
    how = pj.CallSendDtmfParam()
    how.method, how.digits = pj.PJSUA_DTMF_METHOD_SIP_INFO, digit
    return how


def main() -> None:
    os.dup2(2, 1)
    agent = Agent()
    try:
        agent.run()
    except pj.Error as error:
        emit(told.NotOpened(error.reason))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
