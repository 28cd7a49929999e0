"""Which node decides about a room: the tables, and several nodes with one register and one store in every order of events."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from rooms.ownership import CLAIM_TABLE, WAYS, ClaimState, ClaimStep, Footing, Ownership, Way

A_ROOM = "r"


def standing(footing: Footing = Footing.SURE, *, grace_s: float = 3.0) -> Ownership:
    ownership = Ownership(grace_s=grace_s, remembered=3)
    ownership.stand(footing, 10.0)
    return ownership


def test_the_tables_know_every_case() -> None:
    assert set(WAYS) == {(state, footing) for state in ClaimState for footing in Footing}
    assert set(CLAIM_TABLE) == set(ClaimStep)


def test_nothing_is_decided_before_it_is_known_how_the_node_stands() -> None:
    ownership = Ownership(grace_s=1)
    assert ownership.way(A_ROOM) is Way.WAIT
    ownership.granted(A_ROOM, 7)
    assert ownership.way(A_ROOM) is Way.WAIT


def test_what_is_held_is_decided_here_also_alone() -> None:
    ownership = standing()
    assert (ownership.way(A_ROOM), ownership.fence(A_ROOM)) == (Way.ASK, 0)
    ownership.granted(A_ROOM, 7)
    assert (ownership.way(A_ROOM), ownership.fence(A_ROOM), ownership.held) == (Way.HERE, 7, (A_ROOM,))
    ownership.stand(Footing.DOUBT, 11)
    assert ownership.way(A_ROOM) is Way.WAIT
    ownership.stand(Footing.ALONE, 12)
    assert (ownership.way(A_ROOM), ownership.way("other")) == (Way.HERE, Way.REFUSE)


def test_what_another_holds_goes_there_and_is_asked_anew_when_that_is_gone() -> None:
    ownership = standing()
    assert not ownership.found(A_ROOM, "two")
    assert (ownership.way(A_ROOM), ownership.node_of(A_ROOM)) == (Way.SEND, "two")
    assert ownership.gone("three") == [] and ownership.gone("two") == [A_ROOM]
    assert ownership.way(A_ROOM) is Way.ASK
    ownership.found(A_ROOM, "two")
    ownership.stand(Footing.ALONE, 11)
    assert ownership.way(A_ROOM) is Way.REFUSE
    ownership.stand(Footing.SURE, 12)
    assert ownership.way(A_ROOM) is Way.ASK, "it may have changed hands meanwhile"


def test_a_room_is_lost_once() -> None:
    ownership = standing()
    ownership.granted(A_ROOM, 7)
    assert ownership.found(A_ROOM, "two"), "we believed that it was ours"
    assert not ownership.found(A_ROOM, "three") and ownership.fence(A_ROOM) == 0
    ownership.granted(A_ROOM, 9)
    assert ownership.lost(A_ROOM) and not ownership.lost(A_ROOM)
    ownership.granted(A_ROOM, 11)
    ownership.over(A_ROOM)
    assert ownership.state(A_ROOM) is ClaimState.UNKNOWN and ownership.strays([A_ROOM, "s"]) == [A_ROOM, "s"]


def test_a_renewed_claim_keeps_the_newer_fence() -> None:
    ownership = standing()
    ownership.granted(A_ROOM, 7)
    ownership.granted(A_ROOM, 8)
    assert ownership.fence(A_ROOM) == 8 and ownership.strays([A_ROOM]) == []


def test_after_the_register_came_others_have_time_to_say_what_they_hold() -> None:
    ownership = standing(grace_s=3)
    assert (ownership.grace_left_s(10), ownership.grace_left_s(12), ownership.grace_left_s(14)) == (3, 1, 0)
    ownership.stand(Footing.SURE, 20)
    assert ownership.grace_left_s(20) == 0, "it was there all the time"
    ownership.stand(Footing.DOUBT, 21)
    ownership.stand(Footing.SURE, 22)
    assert ownership.grace_left_s(22) == 3


def test_of_others_rooms_the_longest_unused_is_forgotten() -> None:
    ownership = standing()
    for number in range(5):
        ownership.found(f"r{number}", "two")
    assert [ownership.way(f"r{number}") for number in range(5)] == [Way.ASK, Way.ASK, Way.SEND, Way.SEND, Way.SEND]


# --- several nodes, whatever happens -------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A register with leases, a store with fences, two nodes that may be paused and come back whenever it is worst."""

    nodes: dict[str, Ownership] = field(default_factory=lambda: {name: standing(grace_s=0) for name in "ab"})
    leases: set[str] = field(default_factory=lambda: {"a", "b"})
    holder: str = ""
    fence: int = 0
    stored: int = 0
    written: list[tuple[int, str]] = field(default_factory=list)

    def ask(self, name: str) -> None:
        """It wants to do something about the room: takes it where it is free, then writes."""
        node = self.nodes[name]
        if node.way(A_ROOM) is Way.ASK and name in self.leases:
            self.claim(name)
        if node.way(A_ROOM) is Way.HERE:
            self.write(name)

    def claim(self, name: str) -> None:
        node = self.nodes[name]
        if self.holder in self.leases and self.holder != name:
            node.found(A_ROOM, self.holder)
            return
        if self.holder != name:
            self.fence += 1
            self.holder = name
        if self.stored < self.fence or node.fence(A_ROOM) == self.fence:
            self.stored = max(self.stored, self.fence)
            node.granted(A_ROOM, self.fence)

    def write(self, name: str) -> None:
        """As the store does it."""
        fence = self.nodes[name].fence(A_ROOM)
        if fence < self.stored:
            self.nodes[name].lost(A_ROOM)
        else:
            self.written.append((fence, name))

    def pause(self, name: str) -> None:
        """Its lease runs out, and it knows nothing of that."""
        self.leases.discard(name)

    def wake(self, name: str) -> None:
        """It acts on what it believes, before it looks at the register."""
        if self.nodes[name].way(A_ROOM) is Way.HERE:
            self.write(name)
        self.leases.add(name)
        node = self.nodes[name]
        node.stand(Footing.DOUBT, 0)
        if node.fence(A_ROOM) and (self.holder != name or self.stored > node.fence(A_ROOM)):
            node.lost(A_ROOM)
        node.stand(Footing.SURE, 0)

    def forget(self, name: str) -> None:
        """The register loses what it had."""
        self.holder = ""


steps = st.lists(st.tuples(st.sampled_from(["ask", "ask", "pause", "wake", "forget"]), st.sampled_from("ab")), max_size=40)


@given(steps)
def test_what_is_written_has_one_order_of_holders(script: list[tuple[str, str]]) -> None:
    world = World()
    for step, name in script:
        getattr(world, step)(name)
    fences = [fence for fence, _ in world.written]
    assert fences == sorted(fences), "nobody writes after a later holder has begun"
    assert len(dict(world.written)) == len(set(world.written)), "and a fence is of one holder"
