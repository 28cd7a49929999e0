"""Forwarding and do-not-disturb: what may be set, what is kept over a restart, and who is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.call_handling import CallHandling
from api.page_requests import route_of
from api.store import Store
from pbx.routing import DialPlan, Routing
from rooms import events as ev
from rooms.handling import Handling
from rooms.move import Target
from signaling.messages import SetHandling
from signaling.refusal import Refusal
from tests.kit.vaults import VAULT

ROUTING = Routing(DialPlan(), demo_trunk=None, pbx_trunk="pbx")


class House:
    """What is told of people's wishes."""

    handling: CallHandling

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.fed: list[ev.Event] = []
        self.nodes: list[str] = []
        self.wishes: list[tuple[str, bool]] = []

    async def refuses(self, wish: SetHandling) -> str:
        with pytest.raises(Refusal) as refusal:
            await self.handling.set("ana", wish)
        return refusal.value.code


@asynccontextmanager
async def house_of(directory: Path) -> AsyncIterator[House]:
    house = House()

    def reached(text: str) -> Target:
        route = route_of(ROUTING, text)
        return Target(number=route.dialled, trunk=route.trunk)

    async def exists(identity: str) -> bool:
        return identity in ("ana", "bea")

    async with Store.open(f"sqlite:///{directory / 'calls.sqlite3'}", vault=VAULT) as store:
        house.handling = CallHandling(
            store.call_handling,
            reached=reached,
            ask=lambda who, text: house.asked.append((who, text)),
            exists=exists,
            feed=house.fed.append,
            tell_nodes=house.nodes.append,
            wish=lambda who, takes: house.wishes.append((who, takes)),
        )
        await house.handling.restore()
        yield house


async def test_what_was_wished_is_kept_and_told(tmp_path: Path) -> None:
    wish = SetHandling(always="@bea", no_answer="911 234 567", no_answer_s=15)
    wanted = Handling(always=Target(agent="bea"), no_answer=Target(number="+34911234567", trunk="pbx"), no_answer_s=15)
    async with house_of(tmp_path) as house:
        assert (await house.handling.read("ana")).always == ""
        assert (await house.handling.set("ana", wish)).no_answer == "911 234 567"
        assert house.fed == [ev.HandlingChanged("ana", wanted)] and house.nodes == ["ana"]
        assert house.asked == [("ana", "911 234 567")], "a number is asked for as if it were dialled, a colleague is not"
        await house.handling.set("ana", wish)
        assert len(house.asked) == 1, "what stays is not asked for again"
    async with house_of(tmp_path) as again:
        assert again.fed == [ev.HandlingChanged("ana", wanted)] and (await again.handling.read("ana")).always == "@bea"


async def test_who_does_not_want_to_be_disturbed_is_seen_to_take_no_calls_until_they_do_again(tmp_path: Path) -> None:
    async with house_of(tmp_path) as house:
        await house.handling.set("ana", SetHandling(do_not_disturb=True, busy="@bea"))
        await house.handling.set("ana", SetHandling(do_not_disturb=True))
        assert house.wishes == [("ana", False)]
    async with house_of(tmp_path) as again:
        assert again.wishes == [("ana", False)]
        await again.handling.disturb("ana")
        await again.handling.disturb("bea")
        assert again.wishes[1:] == [("ana", True)] and not (await again.handling.read("ana")).do_not_disturb


async def test_nothing_is_forwarded_to_where_nobody_is(tmp_path: Path) -> None:
    async with house_of(tmp_path) as house:
        assert await house.refuses(SetHandling(busy="@ana")) == "no_such_colleague"
        assert await house.refuses(SetHandling(offline="@eve")) == "no_such_colleague"
        assert await house.refuses(SetHandling(always="no number")) == "not_a_number"
        assert house.fed == [] and (await house.handling.read("ana")).always == ""
