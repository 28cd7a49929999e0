"""What is written in a room, and who types."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.chat import ChatPolicy, Conversation, Draft, Message, Reaction
from rooms.refusals import NotPossible
from rooms.sealed import Sealed, device_id_of, sealed
from rooms.typing_marks import TypingMarks

SEALED = f"1.7.{'d' * 32}.{'n' * 16}.{'w' * 40}.{'s' * 86}"
POLICY = ChatPolicy(longest_text=20, longest_cipher=400, change_s=60, most_emoji=3, most_emoji_each=2, recent=5)


def draft(message_id: str = "m1", sender: str = "ana", text: str = "Hola") -> Draft:
    return Draft(message_id, sender, sender.title(), text)


def talk(**more: bool) -> Conversation:
    return Conversation("r", POLICY, **more)


def refusal(code: str) -> "pytest.RaisesExc[NotPossible]":
    return pytest.RaisesExc(NotPossible, check=lambda error: error.code == code)


def test_the_same_id_is_the_same_message() -> None:
    chat = talk()
    first, new = chat.say(draft(), 1.0)
    assert new and chat.say(draft(), 2.0) == (first, False)
    assert chat.say(draft("m2"), 3.0)[0].position == 2
    with refusal("duplicate_message"):
        chat.say(draft(sender="tom"), 4.0)


def test_what_could_not_be_kept_was_never_said() -> None:
    chat = talk()
    message, _ = chat.say(draft(), 1.0)
    chat.take_back(message)
    again, new = chat.say(draft(), 2.0)
    assert new and again.position == 2


def test_a_sender_changes_a_message_for_a_while() -> None:
    chat = talk()
    chat.say(draft(), 0.0)
    edited = chat.edit("m1", "ana", "Adiós", "", 59.0)
    assert (edited.text, edited.edited_at, edited.revision) == ("Adiós", 59.0, 1)
    assert chat.edit("m1", "ana", "Adiós", "", 59.5) == edited, "no change is no revision"
    for code, by, now in (("not_yours", "tom", 1.0), ("too_late_to_change", "ana", 60.0)):
        with refusal(code):
            chat.edit("m1", by, "x", "", now)
        with refusal(code):
            chat.delete("m1", by, now)
    gone = chat.delete("m1", "eva", 1e6, host=True)
    assert (gone.text, gone.deleted_at, gone.position) == ("", 1e6, 1)
    with refusal("deleted"):
        chat.react("m1", "tom", "👍", True)
    with refusal("unknown_message"):
        chat.edit("m9", "ana", "x", "", 1.0)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("empty_message", Draft("m", "ana", "Ana", "  \n")),
        ("too_long", Draft("m", "ana", "Ana", "x" * 21)),
        ("not_encrypted", Draft("m", "ana", "Ana", cipher="AA==")),
        ("too_many_attachments", Draft("m", "ana", "Ana", attachments=tuple(map(str, range(11))))),
    ],
)
def test_what_cannot_be_said(code: str, said: Draft) -> None:
    with refusal(code):
        talk().say(said, 0.0)


def test_an_encrypted_room_takes_ciphertext_only() -> None:
    chat = talk(encrypted=True)
    with refusal("encrypted"):
        chat.say(draft(), 0.0)
    for cipher in ("", "Hola", f"{SEALED}.Hola", SEALED.replace("1.7", "1.0"), SEALED.replace("1.7", "2.7")):
        with refusal("encrypted"):
            chat.say(Draft("m", "ana", "Ana", cipher=cipher), 0.0)
    assert chat.say(Draft("m", "ana", "Ana", cipher=SEALED), 0.0)[0].text == ""
    with refusal("encrypted"):
        chat.say(Draft("n", "ana", "Ana", "Hola", SEALED), 0.0)
    with refusal("encrypted"):
        chat.edit("m", "ana", "Hola", "", 1.0)
    with refusal("encrypted"):
        chat.react("m", "ana", "👍", True)
    with refusal("too_long"):
        chat.say(Draft("n", "ana", "Ana", cipher=SEALED.replace("w", "w" * 9)), 0.0)
    assert sealed(SEALED) == Sealed(7, "d" * 32)


def test_a_device_is_called_by_the_hash_of_its_keys() -> None:
    one, other = ("BA" + letter * 85 for letter in "AE")
    named = device_id_of(one, other)
    assert named is not None and len(named) == 32 and named != device_id_of(other, one)
    assert device_id_of("AA" + "A" * 85, other) is device_id_of("BA" + "A" * 80, other) is device_id_of("é" * 87, other) is None


def test_reactions_are_counted_by_person_and_bounded() -> None:
    chat = talk()
    chat.say(draft(), 0.0)
    chat.react("m1", "tom", "👍", True)
    message, new = chat.react("m1", "lou", "👍", True)
    assert new and message.reactions == (Reaction("👍", ("tom", "lou")),)
    assert chat.react("m1", "lou", "👍", True) == (message, False)
    chat.react("m1", "tom", "🎉", True)
    with refusal("too_many_reactions"):
        chat.react("m1", "tom", "😀", True)
    chat.react("m1", "tom", "👍", False)
    assert chat.react("m1", "lou", "👍", False)[0].reactions == (Reaction("🎉", ("tom",)),)


def test_an_older_message_is_changed_once_it_is_recalled() -> None:
    chat = talk()
    first, _ = chat.say(draft("m0"), 0.0)
    for at in range(1, 6):
        chat.say(draft(f"m{at}"), 0.0)
    assert chat.find("m0") is None
    chat.recall(first)
    assert chat.edit("m0", "ana", "x", "", 1.0).position == 1


acts = st.one_of(
    st.tuples(st.just("say"), st.sampled_from("abc"), st.sampled_from(["m1", "m2", "m3", "m4"])),
    st.tuples(st.just("edit"), st.sampled_from("abc"), st.sampled_from(["m1", "m2", "m3", "m4"])),
    st.tuples(st.just("read"), st.sampled_from("abc"), st.integers(-1, 6)),
)


@given(st.lists(acts, max_size=40))
def test_positions_are_without_gap_or_double_and_marks_only_rise(story: list[tuple[str, str, str | int]]) -> None:
    chat, said, marks = talk(), dict[str, Message](), dict[str, int]()
    for now, (act, who, what) in enumerate(story):
        with suppress(NotPossible):
            if act == "say":
                message, new = chat.say(draft(str(what), who), now)
                assert new is (str(what) not in said)
                said[message.message_id] = message
            elif act == "edit":
                said[str(what)] = chat.edit(str(what), who, f"{now}", "", now)
                assert said[str(what)].sender == who
            else:
                assert chat.read(who, int(what)) is (marks.get(who, 0) < int(what) <= len(said))
                marks[who] = max(marks.get(who, 0), min(int(what), len(said))) if int(what) <= len(said) else marks.get(who, 0)
        assert sorted(message.position for message in said.values()) == list(range(1, len(said) + 1))
        assert {who: chat.mark_of(who) for who in marks} == marks


def test_typing_ends_by_itself() -> None:
    marks = TypingMarks(lasts_s=6, most=2)
    assert marks.mark("r", "ana", True, 0) and not marks.mark("r", "ana", True, 3)
    assert marks.mark("r", "tom", True, 4) and not marks.mark("r", "lou", True, 4)
    assert marks.of("r") == ["ana", "tom"] and marks.next_deadline() == 9
    assert marks.expire(9) == ["r"] and marks.of("r") == ["tom", "lou"]
    assert marks.mark("r", "tom", False, 9) and marks.of("r") == ["lou"]
    assert marks.expire(10) == ["r"] and marks.next_deadline() is None and not marks.mark("r", "ana", False, 11)
