"""Every look at and change of customers' data that a page asks for by Socket.IO is written into the audit: here, in one place.

The counterpart of ``api/audit/looks.py`` for requests. Each request stands in one of three tables, and a test holds that: what shows or
changes data of customers, what is about something that its asker takes part in, and what is about the house and the machine.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from api.audit.audit import Audit
from signaling import messages as wire
from signaling.grants import Grant, Role

KINDS: Mapping[type[wire.Request], str] = {
    wire.WatchBoard: "board_watched",
    wire.WatchQueues: "queues_watched",
    wire.CancelCallBack: "call_back_cancelled",
    wire.GetContext: "caller_read",
    wire.ChooseContact: "caller_chosen",
    wire.GetNote: "note_read",
    wire.WriteNote: "note_written",
    wire.MakeTicket: "ticket_made",
    wire.CloseTicket: "ticket_closed",
    wire.ReportSound: "sound_reported",
    wire.Record: "recording_asked",
    wire.RecordRoom: "recording_asked",
    wire.ListPastRooms: "past_rooms_read",
    wire.ChatHistory: "chat_read",
    wire.ChatOverview: "chats_read",
    wire.EditChat: "chat_changed",
    wire.DeleteChat: "chat_erased",
}
OWN: frozenset[type[wire.Request]] = frozenset(
    {
        *(wire.Dial, wire.Accept, wire.Decline, wire.HangUp, wire.Mute, wire.Hold, wire.Digits, wire.CallMe),
        *(wire.Transfer, wire.TransferStep, wire.Park, wire.PickUp, wire.FinishWrapUp, wire.ExtendWrapUp, wire.UndoWrapUp),
        *(wire.Monitor, wire.TakeOver),  # the audit has them as call.monitored and call.taken_over (api/supervision.py)
        *(wire.CreateRoom, wire.ListRooms, wire.JoinRoom, wire.LeaveRoom, wire.AdmitToRoom, wire.InviteToRoom, wire.KickFromRoom),
        *(wire.LockRoom, wire.MoveToRoom, wire.UpdateRoom, wire.EndRoom, wire.LinkToRoom, wire.ListLinks, wire.UnlinkRoom),
        *(wire.RaiseHand, wire.React, wire.OfferToRoom, wire.WatchRoom, wire.MicrophoneInRoom),
        *(wire.CheckConnection, wire.FinishCheck, wire.MuteInRoom, wire.CallMeInRoom, wire.HangUpInRoom, wire.SayCaption),
        # The audit has them as caller_shown, itinerary_shared, itinerary_unshared and, where something is shown, itinerary_read.
        *(wire.LookUpItinerary, wire.ShareItinerary, wire.PointItinerary, wire.UnshareItinerary, wire.ReadItinerary),
        *(wire.SendChat, wire.ReactToChat, wire.Typing, wire.AttachToChat, wire.ReadChat, wire.AskRoomKeys, wire.SetRoomKey),
        *(wire.VisitCall, wire.VisitOffer, wire.VisitDigits, wire.VisitHangUp, wire.InviteVisitor),
    }
)
"""What somebody does in a call or a room that they are in: its journal says who that was, and when."""
HOUSE: frozenset[type[wire.Request]] = frozenset(
    {
        *(wire.RefreshSession, wire.SetPresence, wire.WatchPresence, wire.ReadHandling, wire.SetHandling, wire.ListPeople),
        *(wire.LookNumber, wire.PeerOffer, wire.PeerCandidate, wire.PeerPath, wire.PeerHeadset),
        *(wire.AddDevice, wire.ListDevices, wire.RemoveDevice),
        *(wire.OpenSoundCheck, wire.CloseSoundCheck, wire.AskHelp, wire.ReadDay),
    }
)
"""About people of the house, their devices and connections: no customer is in it."""
ONE_LOOK: frozenset[type[wire.Request]] = frozenset(
    {
        wire.WatchBoard,
        wire.WatchQueues,
        wire.ChatHistory,
        wire.ChatOverview,
        wire.ListPastRooms,
        wire.GetContext,
        wire.GetNote,
    }
)
"""Pages ask for these again by themselves, to go on watching, to turn a page, or after a reconnect: that is one look."""
LOOKS_ON_S = 120.0
"""So long after it was last asked for a look is over; longer than pages take to ask again (``api/board.py``, ``WATCHED_S``)."""
_MOST_LOOKS = 10_000

Perform = Callable[[Grant, wire.AnyRequest], Awaitable[object]]


class Asked:
    """``subject_of(call_id)``: whose call that is, by the vault's handle; empty where nobody here knows. ``clock``: monotonic seconds.

    Guests are not written down: they see the one room to which they came.
    """

    def __init__(
        self, audit: Audit, subject_of: Callable[[str], str] = lambda call_id: "", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._audit = audit
        self._subject_of = subject_of
        self._clock = clock
        self._looks: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        """When somebody (identity) last looked (kind) at something (id)."""

    def told(self, perform: Perform) -> Perform:
        """The same, but what its asker got is noted. What was refused is not; the note is written behind the answer (``Audit.note``)."""

        async def told(grant: Grant, request: wire.AnyRequest) -> object:
            answer = await perform(grant, request)
            self.note(grant, request)
            return answer

        return told

    def note(self, grant: Grant, request: wire.AnyRequest) -> None:
        """Write down that this person got what they asked for, where it is about customers, and not the same look still."""
        kind = KINDS.get(type(request))
        if kind is None or grant.role == Role.CUSTOMER:
            return
        call_id = getattr(request, "call_id", "")
        ids = (call_id, getattr(request, "room_id", ""), getattr(request, "message_id", ""), getattr(request, "call_back_id", ""))
        what = " ".join(filter(None, ids))
        if type(request) in ONE_LOOK and self._goes_on((grant.identity, kind, what)):
            return
        tag, action = str(request.__struct_config__.tag), getattr(request, "action", "")
        self._audit.note(kind, grant.identity, what, self._subject_of(call_id) if call_id else "", f"{tag} {action}".strip())

    def _goes_on(self, look: tuple[str, str, str]) -> bool:
        now = self._clock()
        before = self._looks.pop(look, None)
        self._looks[look] = now
        while len(self._looks) > _MOST_LOOKS:
            self._looks.popitem(last=False)
        return before is not None and now - before < LOOKS_ON_S
