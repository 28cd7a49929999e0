"""What this emulator does as a 3CX PBX does, each behaviour named, with what it rests on; what is not certain has a switch.

Confirmed: 3CX's own repository, OpenAPI file or documentation says so, or several independent clients agree. Assumed: one source, or an
inference. The first choice of a switch is the one that asks more of a client: it is the default. Nobody has seen this beside a real PBX.
"""

from dataclasses import dataclass, fields, replace
from enum import StrEnum


class Basis(StrEnum):
    CONFIRMED = "confirmed"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``name`` is a field of ``Manners`` where there are ``choices`` (the first is the default); else it cannot be switched."""

    name: str
    basis: Basis
    what: str
    choices: tuple[str, ...] = ()


class UnknownManner(ValueError):
    """There is no such switch, or it has no such position. The message lists what there is."""


@dataclass(frozen=True, slots=True)
class Manners:
    """The switches, each at one of its choices. ``with_`` sets some of them by name."""

    expires_unit: str = "seconds"
    revoke_kills_streams: str = "yes"
    revoke_kills_ws: str = "yes"
    wrong_secret_code: str = "401"
    finalstatus: str = "string"
    wrong_state_code: str = "422"
    refused_makecall_code: str = "422"
    ringing_repeats: str = "yes"
    sequence_scope: str = "global"
    far_leg_by_id: str = "forbidden"
    inbound_did: str = "empty"
    participant_uid: str = "absent"
    queue_shows_caller: str = "yes"
    answered_route_point: str = "refused"
    legacy_makecall: str = "phone_first"
    stream_end_in_routeto: str = "hangs_up"
    media_not_ready_code: str = "424"
    extension_stream_code: str = "403"
    early_post: str = "discarded"
    bad_type_code: str = "500"
    unmatched_invite: str = "404"
    reinvite_off_code: str = "488"
    replaces_off_code: str = "403"
    blocked_source: str = "silent"
    dtmf_out: str = "rfc4733"
    report_call: str = "twice"
    unfilled_variables: str = "literal"

    def with_(self, **choices: str) -> "Manners":
        """These switches set. Raises ``UnknownManner``."""
        for name, choice in choices.items():
            known = _SWITCHES.get(name)
            if known is None:
                raise UnknownManner(f"there is no switch {name!r}: choose of {', '.join(sorted(_SWITCHES))}")
            if choice not in known.choices:
                raise UnknownManner(f"{name} cannot be {choice!r}: choose of {', '.join(known.choices)}")
        return replace(self, **choices)

    def positions(self) -> dict[str, str]:
        return {field.name: str(getattr(self, field.name)) for field in fields(self)}


_YES = ("yes", "no")

BEHAVIOURS: tuple[Behaviour, ...] = (
    # Tokens
    Behaviour("single_live_token", Basis.CONFIRMED, "A new token of a client revokes the one before."),
    Behaviour(
        "bearer_header_only", Basis.CONFIRMED, "REST and the WebSocket want the token in the Authorization header; none in the query."
    ),
    Behaviour("token_form_encodings", Basis.CONFIRMED, "The token endpoint reads urlencoded and multipart forms."),
    Behaviour("expires_unit", Basis.CONFIRMED, "expires_in counts seconds since 20.0.9, minutes before.", ("seconds", "minutes")),
    Behaviour("revoke_kills_streams", Basis.ASSUMED, "A new token ends the audio streams of the old one.", _YES),
    Behaviour("revoke_kills_ws", Basis.ASSUMED, "A new token ends the WebSocket of the old one.", _YES),
    Behaviour("wrong_secret_code", Basis.ASSUMED, "Status for an unknown client or a wrong secret.", ("401", "400")),
    Behaviour("missing_scope_forbidden", Basis.CONFIRMED, "403 for a valid token whose client may not use that API, or not that DN."),
    # Call Control
    Behaviour("snake_case", Basis.CONFIRMED, "Field names of Call Control are lower snake_case."),
    Behaviour("body_required", Basis.ASSUMED, "A POST without a JSON object is refused with 400, and one of another type with 415."),
    Behaviour("current_state", Basis.CONFIRMED, "A GET shows the state now, not that of the event that led to it; 404 once it is gone."),
    Behaviour("listed_dns_only", Basis.CONFIRMED, "A client sees its own DN and those it monitors; others are 403 and never in events."),
    Behaviour("far_leg_by_id", Basis.ASSUMED, "The far leg of one's own call: 403 by id, though lists show it.", ("forbidden", "shown")),
    Behaviour("direct_control", Basis.CONFIRMED, "Only legs with direct_control are acted on, others are 403; answer also needs Ringing."),
    Behaviour("action_states", Basis.CONFIRMED, "divert while Ringing, transferto while Connected, as 3CX's own client offers them."),
    Behaviour("wrong_state_code", Basis.ASSUMED, "Status for an action in the wrong state.", ("422", "400", "403")),
    Behaviour("finalstatus", Basis.ASSUMED, "finalstatus is a word or a number (-1 failed, 0 rejected, 1 success).", ("string", "number")),
    Behaviour("refused_makecall_code", Basis.ASSUMED, "Status of a makecall that the PBX rejects; reasontext says why.", ("422", "200")),
    Behaviour("legacy_makecall", Basis.ASSUMED, "makecall without device, of several: the phone is rung first.", ("phone_first", "dials")),
    Behaviour("licence_limit", Basis.CONFIRMED, "A makecall beyond the licensed simultaneous calls is rejected."),
    Behaviour("routeto_waits", Basis.CONFIRMED, "routeto answers when the destination took the call or could not be reached."),
    Behaviour("participant_uid", Basis.ASSUMED, "Newer builds have a participant_uid.", ("absent", "present")),
    Behaviour("inbound_did", Basis.ASSUMED, "party_did of a call from outside.", ("empty", "filled")),
    Behaviour("numbers_restart", Basis.ASSUMED, "callid and participant ids begin at 1 again after a restart."),
    # Events
    Behaviour("null_data", Basis.CONFIRMED, "attached_data of Upsert and Remove is null: the entity has to be read."),
    Behaviour("no_replay", Basis.CONFIRMED, "What happened while the socket was away is never told."),
    Behaviour("ringing_repeats", Basis.CONFIRMED, "Upserts repeat every 750 ms while a leg rings.", _YES),
    Behaviour("sequence_scope", Basis.ASSUMED, "sequence counts for all sockets together, or for each.", ("global", "connection")),
    Behaviour("dtmf_on_route_points", Basis.CONFIRMED, "Digits come as events on legs of the own route point only."),
    Behaviour("ws_requests_ignored", Basis.ASSUMED, "Requests over the socket are in 3CX's types; nobody was seen to use them: ignored."),
    # How calls appear
    Behaviour("route_point_connected", Basis.CONFIRMED, "A call that comes to a route point is Connected at once."),
    Behaviour("answered_route_point", Basis.ASSUMED, "answer on such a leg.", ("refused", "accepted")),
    Behaviour("inbound_originator", Basis.CONFIRMED, "Calls by an inbound rule say originated_by ROUTER/Wroutepoint."),
    Behaviour("group_legs", Basis.ASSUMED, "A queue or ring group rings its members under one callid; who did not answer is removed."),
    Behaviour("polling_gap", Basis.ASSUMED, "Between two rounds of a queue all its ringing legs are gone for 1.5 s."),
    Behaviour("queue_shows_caller", Basis.ASSUMED, "A monitored queue shows a participant for the waiting caller.", _YES),
    Behaviour(
        "transfer_same_call", Basis.ASSUMED, "After transferto the target's leg has the same callid, and referred_by says who transferred."
    ),
    Behaviour("unregistered_route", Basis.CONFIRMED, "A call to an unregistered extension follows its profile's NotRegistered route."),
    Behaviour("voicemail_menu", Basis.ASSUMED, "Where voicemail takes an internal call, party_dn_type becomes Wspecialmenu."),
    # Audio
    Behaviour("route_point_media", Basis.CONFIRMED, "Only legs of the own route point have streams: s16le, 8000 Hz, mono, no header."),
    Behaviour("extension_stream_code", Basis.ASSUMED, "Status of a stream of a monitored extension.", ("403", "424")),
    Behaviour("media_not_ready_code", Basis.CONFIRMED, "GET of a stream before there is sound.", ("424", "404")),
    Behaviour("odd_chunks", Basis.ASSUMED, "Borders of the chunks of a stream are arbitrary and may split a sample."),
    Behaviour("early_post", Basis.ASSUMED, "A stream posted before Connected is accepted and thrown away.", ("discarded", "refused")),
    Behaviour("stream_ends_with_leg", Basis.CONFIRMED, "Both streams end when their leg does."),
    Behaviour("stream_end_in_routeto", Basis.ASSUMED, "Ending one's stream before routeto succeeds.", ("hangs_up", "keeps")),
    # XAPI
    Behaviour("odata", Basis.CONFIRMED, "Collections, keys, functions with all their parameters, and $top to $expand; 201, 204, 200."),
    Behaviour("unknown_fields", Basis.ASSUMED, "A write with a field that the OpenAPI file does not name is refused with 400."),
    Behaviour("number_fixed", Basis.CONFIRMED, "Number can be given at creation, and not be changed."),
    Behaviour("secret_once", Basis.CONFIRMED, "GenerateAppToken shows a client's secret once; a trunk's password is never shown."),
    Behaviour("bad_type_code", Basis.ASSUMED, "Status for a value of a wrong type or a wrong date.", ("500", "400")),
    Behaviour("wrong_parameters", Basis.ASSUMED, "A function with another list of parameters is 404."),
    Behaviour("owner_only_history", Basis.ASSUMED, "Call history needs the role system_owners; to change anything one of the admins'."),
    Behaviour("version_header", Basis.ASSUMED, "Each answer of XAPI carries X-3CX-Version."),
    Behaviour(
        "quality_report", Basis.CONFIRMED, "GetCallQualityReport gives two parties with MOS, loss, jitter; MOS 0 means not measured."
    ),
    # SIP
    Behaviour("registers_as_trunk", Basis.CONFIRMED, "A trunk registers with MD5 when asked by 401 or 407, first without credentials."),
    Behaviour("rinstance", Basis.CONFIRMED, "Its Contact has an rinstance; an INVITE's Request-URI that repeats it finds the trunk."),
    Behaviour("trunk_match", Basis.CONFIRMED, "Else Contact user = Auth ID, source rules, a DID, the main number; none: rejected."),
    Behaviour("unmatched_invite", Basis.ASSUMED, "Status for an INVITE that finds no trunk.", ("404", "407")),
    Behaviour("inbound_off", Basis.CONFIRMED, "600 where inbound calls are switched off on the trunk."),
    Behaviour("calls_full", Basis.ASSUMED, "503 beyond MaxSimCalls, or beyond the trunk's own SimultaneousCalls."),
    Behaviour(
        "called_in_to", Basis.CONFIRMED, "The number dialled is the user of To, the caller that of From, unless the trunk maps others."
    ),
    Behaviour("extension_auth", Basis.CONFIRMED, "An extension signs in with its Auth ID, not its number; REGISTER is challenged by 407."),
    Behaviour("extension_realm", Basis.ASSUMED, "The realm is 3CXPhoneSystem."),
    Behaviour("blocklist", Basis.ASSUMED, "After three wrong passwords an address is blocked for half an hour."),
    Behaviour("blocked_source", Basis.ASSUMED, "What a blocked address gets.", ("silent", "403")),
    Behaviour(
        "first_codec", Basis.CONFIRMED, "The first codec of the offer that the trunk allows is answered, alone. It plays G.711 only."
    ),
    Behaviour("two_audio_lines", Basis.ASSUMED, "SRTP enabled offers RTP/SAVP and RTP/AVP; one is answered."),
    Behaviour("reinvite_off_code", Basis.ASSUMED, "A re-INVITE on a trunk without SupportReinvite.", ("488", "405")),
    Behaviour("replaces_off_code", Basis.ASSUMED, "REFER or Replaces on a trunk without SupportReplaces.", ("403", "405")),
    Behaviour("extension_refer", Basis.ASSUMED, "REFER of an extension transfers, blind or with Replaces."),
    Behaviour("dtmf_in", Basis.CONFIRMED, "Digits are heard as RFC 4733, with marker bit or without, and as INFO."),
    Behaviour("dtmf_out", Basis.ASSUMED, "Digits are sent as RFC 4733 without marker bit, or as INFO.", ("rfc4733", "info")),
    Behaviour("options_answered", Basis.ASSUMED, "OPTIONS is answered 200."),
    Behaviour("same_calls", Basis.CONFIRMED, "Calls in SIP and in Call Control are the same calls."),
    # CRM template
    Behaviour("template_checked", Basis.CONFIRMED, "A template with a wrong word, -- in a comment, or without ContactUrl is refused."),
    Behaviour("unknown_elements", Basis.ASSUMED, "So is one with an element or attribute that nobody was seen to use."),
    Behaviour("phone_echoed", Basis.CONFIRMED, "A contact counts only where a phone output is the number that was asked for, verbatim."),
    Behaviour("passes", Basis.CONFIRMED, "Brackets are expanded Passes times; nested calls need 2."),
    Behaviour("no_call_id", Basis.CONFIRMED, "ReportCall has no id of the call."),
    Behaviour("report_call", Basis.ASSUMED, "How often a call is reported to ReportCall.", ("twice", "once")),
    Behaviour("unfilled_variables", Basis.ASSUMED, "A variable without a value arrives as [Name], or empty.", ("literal", "empty")),
)

_SWITCHES = {behaviour.name: behaviour for behaviour in BEHAVIOURS if behaviour.choices}
