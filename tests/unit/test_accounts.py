"""Signing in: right and wrong passwords, guessing, renewal."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from api.identity.accounts import Accounts
from api.identity.devices import Device
from api.store import StoreUnavailable, User
from signaling.messages import IceServer, SignIn
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.people import QUICK, Signing, ana, signing

SECRET = "a secret for tests, long enough: 0123456789"
TOKENS = TokenIssuer(SECRET)
HOME = Device("192.0.2.1", "Firefox", "a device")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outcomes() -> list[bool]:
    return []


@pytest.fixture
async def people(tmp_path: Path, clock: Clock, outcomes: list[bool]) -> AsyncIterator[Signing]:
    async with signing(tmp_path, TOKENS, ana(), clock=clock, on_sign_in=outcomes.append) as people:
        yield people


@pytest.fixture
def accounts(people: Signing) -> Accounts:
    return people.identity.accounts


async def refused(accounts: Accounts, user: str = "ana", password: str = "wrong", address: str = "192.0.2.1") -> Refusal:
    with pytest.raises(Refusal) as caught:
        await accounts.sign_in(SignIn(user=user, password=password), Device(address))
    return caught.value


async def test_the_right_password_gives_a_session_that_verifies(accounts: Accounts, outcomes: list[bool]) -> None:
    session = await accounts.sign_in(SignIn(user="ana", password="correct horse"), HOME)
    grant = TOKENS.verify(session.token)
    assert (grant.identity, grant.name, grant.role) == ("ana", "Ana García", "agent")
    assert outcomes == [True]


async def test_unknown_name_and_wrong_password_get_the_same_answer(accounts: Accounts, outcomes: list[bool]) -> None:
    unknown, wrong = await refused(accounts, user="nobody"), await refused(accounts)
    assert (unknown.code, unknown.message, unknown.retry_after) == (wrong.code, wrong.message, wrong.retry_after)
    assert unknown.code == "wrong_password"
    assert outcomes == [False, False]


async def test_unknown_name_and_wrong_password_take_the_same_time(tmp_path: Path) -> None:
    hasher = PasswordHasher(time_cost=2, memory_cost=16_384, parallelism=1)
    took: dict[str, list[float]] = {"ana": [], "nobody": []}
    async with signing(tmp_path, TOKENS, ana(hasher), hasher=hasher) as people:
        for turn in range(5):
            for user, times in took.items():
                started = time.process_time()
                await refused(people.identity.accounts, user=user, address=f"192.0.2.{turn}")
                times.append(time.process_time() - started)
    known, unknown = min(took["ana"]), min(took["nobody"])
    assert unknown > 0.3 * known  # without the check of a dummy password it is a hundredth
    assert known > 0.3 * unknown


async def test_guesses_are_slowed_down_per_name_and_address(accounts: Accounts, clock: Clock) -> None:
    for _ in range(5):
        assert (await refused(accounts)).code == "wrong_password"
    blocked = await refused(accounts, password="correct horse")
    assert (blocked.code, blocked.retry_after) == ("too_many_requests", 1.0)
    clock.now += 1.0
    assert (await refused(accounts)).code == "wrong_password"
    assert (await refused(accounts)).retry_after == 2.0
    # Somebody else's guesses do not lock Ana out, and writing the name otherwise does not help.
    assert (await refused(accounts, user="ANA")).code == "too_many_requests"
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), Device("192.0.2.2"))
    clock.now += 2.0
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), HOME)
    assert (await refused(accounts)).code == "wrong_password"  # forgotten by the success


async def test_one_address_that_tries_many_names_is_slowed_down(accounts: Accounts) -> None:
    answers = [(await refused(accounts, user=f"user{number}", address=f"2001:db8::{number:x}")).code for number in range(31)]
    assert answers == ["wrong_password"] * 30 + ["too_many_requests"]


async def test_guesses_at_once_are_as_dear_as_one_after_another(accounts: Accounts) -> None:
    answers = await asyncio.gather(*(refused(accounts) for _ in range(20)))
    assert [answer.code for answer in answers].count("wrong_password") == 5


async def test_more_sign_ins_at_once_than_can_be_checked_are_put_off(tmp_path: Path) -> None:
    async with signing(tmp_path, TOKENS, ana(), settings={"sign_ins_at_once": 1}) as people:
        work = [people.identity.passwords.matches(None, "wrong") for _ in range(40)]
        answers = await asyncio.gather(*work, return_exceptions=True)
    codes = [answer.code if isinstance(answer, Refusal) else answer for answer in answers]
    assert codes.count("busy") == 24
    assert codes.count(False) == 16


async def test_an_old_hash_is_renewed_at_sign_in(accounts: Accounts, people: Signing) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16)
    await people.store.people.set_password_hash("ana", ana(weak).password_hash)
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), HOME)
    renewed = await people.store.people.user("ana")
    assert renewed is not None and not QUICK.check_needs_rehash(renewed.password_hash)
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), HOME)


@pytest.mark.parametrize("kept", ["not a hash", ""])
async def test_a_broken_hash_in_the_store_is_a_wrong_password(accounts: Accounts, people: Signing, kept: str) -> None:
    await people.store.people.set_password_hash("ana", kept)
    assert (await refused(accounts, password="correct horse")).code == "wrong_password"
    with pytest.raises(Refusal):
        await accounts.sign_in(SignIn(user="ana", password="nobody has this password"), HOME)


async def test_a_renewal_says_that_the_database_is_away(accounts: Accounts, people: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await accounts.sign_in(SignIn(user="ana", password="correct horse"), HOME)

    async def user(identity: str) -> User | None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(people.store.people, "user", user)
    with pytest.raises(Refusal) as caught:
        await accounts.renew(TOKENS.verify(session.token))
    assert (caught.value.code, caught.value.retry_after) == ("store_unavailable", 5.0)


async def test_renewal_has_the_name_of_today_and_ends_with_the_account(accounts: Accounts, people: Signing) -> None:
    grant = TOKENS.verify((await accounts.sign_in(SignIn(user="ana", password="correct horse"), HOME)).token)
    await people.store.people.save_user("ana", name="Ana Ruiz", role="agent", password_hash="")
    renewed = TOKENS.verify((await accounts.renew(grant)).token)
    assert renewed.signed_in_at == grant.signed_in_at
    assert renewed.session_id == grant.session_id != ""
    assert renewed.name == "Ana Ruiz"
    assert renewed.token_id != grant.token_id
    await people.store.people.save_user("ana", name="Ana Ruiz", role="agent", password_hash="", disabled=True)
    with pytest.raises(Refusal) as caught:
        await accounts.renew(grant)
    assert caught.value.code == "token_revoked"


async def test_a_session_comes_with_relays_for_its_person_anew_at_each_renewal(tmp_path: Path) -> None:
    made: list[str] = []

    def relays(identity: str) -> list[IceServer]:
        made.append(identity)
        return [IceServer(["turn:turn.example:3478"], f"{len(made)}:{identity}", "secret")]

    async with signing(tmp_path, TOKENS, ana(), relays=relays) as people:
        accounts = people.identity.accounts
        session = await accounts.sign_in(SignIn("ana", "correct horse"), HOME)
        renewed = await accounts.renew(TOKENS.verify(session.token))
        assert [server.username for held in (session, renewed) for server in held.ice_servers] == ["1:ana", "2:ana"]
