"""Every call of one line: by leg id, by dialog, and what is remembered of those that just ended."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx.dialog import Key
from pbx.referral import TheirReferral
from pbx.replaces import Replaces

if TYPE_CHECKING:
    from pbx.sip_leg import SipLeg

REMEMBERED = 1000


class NotReplaceable(Exception):
    """A Replaces that cannot be had, with the ``status`` that says so (RFC 3891, section 3)."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Legs:
    """``by_id`` are the calls that live. Referrals of peers may outlive their leg and are found by its id."""

    def __init__(self) -> None:
        self.by_id: dict[str, SipLeg] = {}
        self.by_dialog: dict[Key, SipLeg] = {}
        self.referrals: dict[str, TheirReferral] = {}
        self._ended: OrderedDict[Key, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self.by_id)

    def __iter__(self) -> Iterator["SipLeg"]:
        return iter(list(self.by_id.values()))

    def add(self, leg: "SipLeg") -> None:
        self.by_id[leg.leg_id] = leg
        self.by_dialog[leg.key] = leg

    def ended(self, leg: "SipLeg") -> None:
        if self.by_id.pop(leg.leg_id, None) is None:
            return
        self.by_dialog.pop(leg.key, None)
        if leg.dialog is not None:
            self._ended[leg.key] = leg.dialog.remote.tag or ""
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)

    def referral_ended(self, referral: TheirReferral) -> None:
        self.referrals.pop(referral.leg_id, None)

    def replaced_by(self, replaces: Replaces) -> "SipLeg":
        """The leg whose place is wanted. Raises ``NotReplaceable``: 481 no such call, 603 it just ended, 486 early-only and answered."""
        key = (replaces.call_id, replaces.to_tag)
        leg = self.by_dialog.get(key)
        if leg is None:
            raise NotReplaceable(603 if self._ended.get(key) == replaces.from_tag else 481)
        if not leg.talks_to(replaces.from_tag) or not leg.replaceable:
            raise NotReplaceable(481)
        if replaces.early_only and leg.answered:
            raise NotReplaceable(486)
        return leg
