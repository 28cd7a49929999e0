"""Signing in: right and wrong passwords, guessing, renewal."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from api.accounts import Accounts
from api.store.errors import StoreUnavailable
from signaling.messages import IceServer, SignIn
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.people import QUICK, People, ana

SECRET = "a secret for tests, long enough: 0123456789"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people() -> People:
    return People(ana())


@pytest.fixture
def outcomes() -> list[bool]:
    return []


@pytest.fixture
async def accounts(people: People, clock: Clock, outcomes: list[bool]) -> AsyncIterator[Accounts]:
    async with Accounts(people, TokenIssuer(SECRET), hasher=QUICK, clock=clock, on_sign_in=outcomes.append) as accounts:
        yield accounts


async def refused(accounts: Accounts, user: str = "ana", password: str = "wrong", address: str = "192.0.2.1") -> Refusal:
    with pytest.raises(Refusal) as caught:
        await accounts.sign_in(SignIn(user=user, password=password), address)
    return caught.value


async def test_the_right_password_gives_a_session_that_verifies(accounts: Accounts, outcomes: list[bool]) -> None:
    session = await accounts.sign_in(SignIn(user="ana", password="correct horse"), "192.0.2.1")
    grant = TokenIssuer(SECRET).verify(session.token)
    assert (grant.identity, grant.name, grant.role) == ("ana", "Ana García", "agent")
    assert outcomes == [True]


async def test_unknown_name_and_wrong_password_get_the_same_answer(accounts: Accounts, outcomes: list[bool]) -> None:
    unknown, wrong = await refused(accounts, user="nobody"), await refused(accounts)
    assert (unknown.code, unknown.message, unknown.retry_after) == (wrong.code, wrong.message, wrong.retry_after)
    assert unknown.code == "wrong_password"
    assert outcomes == [False, False]


async def test_unknown_name_and_wrong_password_take_the_same_time() -> None:
    hasher = PasswordHasher(time_cost=2, memory_cost=16_384, parallelism=1)
    took: dict[str, list[float]] = {"ana": [], "nobody": []}
    async with Accounts(People(ana(hasher)), TokenIssuer(SECRET), hasher=hasher) as accounts:
        for turn in range(5):
            for user, times in took.items():
                started = time.perf_counter()
                await refused(accounts, user=user, address=f"192.0.2.{turn}")
                times.append(time.perf_counter() - started)
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
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), "192.0.2.2")
    clock.now += 2.0
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), "192.0.2.1")
    assert (await refused(accounts)).code == "wrong_password"  # forgotten by the success


async def test_one_address_that_tries_many_names_is_slowed_down(accounts: Accounts) -> None:
    answers = [(await refused(accounts, user=f"user{number}", address=f"2001:db8::{number:x}")).code for number in range(31)]
    assert answers == ["wrong_password"] * 30 + ["too_many_requests"]


async def test_guesses_at_once_are_as_dear_as_one_after_another(accounts: Accounts) -> None:
    answers = await asyncio.gather(*(refused(accounts) for _ in range(20)))
    assert [answer.code for answer in answers].count("wrong_password") == 5


async def test_more_sign_ins_at_once_than_can_be_checked_are_put_off() -> None:
    async with Accounts(People(ana()), TokenIssuer(SECRET), hasher=QUICK, at_once=1) as accounts:
        answers = await asyncio.gather(*(refused(accounts, address=f"192.0.2.{number}") for number in range(40)))
    codes = [answer.code for answer in answers]
    assert codes.count("busy") == 24
    assert codes.count("wrong_password") == 16


async def test_an_old_hash_is_renewed_at_sign_in(accounts: Accounts, people: People) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16)
    people.by_identity["ana"] = ana(weak)
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), "192.0.2.1")
    assert not QUICK.check_needs_rehash(people.by_identity["ana"].password_hash)
    await accounts.sign_in(SignIn(user="ana", password="correct horse"), "192.0.2.1")


async def test_a_broken_hash_in_the_store_is_a_wrong_password(accounts: Accounts, people: People) -> None:
    await people.set_password_hash("ana", "not a hash")
    assert (await refused(accounts, password="correct horse")).code == "wrong_password"


async def test_a_database_that_is_away_is_told_and_a_renewed_hash_can_wait(accounts: Accounts, people: People) -> None:
    class Away(People):
        async def set_password_hash(self, identity: str, password_hash: str) -> None:
            raise StoreUnavailable("disk full")

    away = Away(ana(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16)))
    async with Accounts(away, TokenIssuer(SECRET), hasher=QUICK) as other:
        await other.sign_in(SignIn(user="ana", password="correct horse"), "192.0.2.1")

    async def user(identity: str) -> None:
        raise StoreUnavailable("gone")

    people.user = user  # type: ignore[method-assign]
    answer = await refused(accounts)
    assert (answer.code, answer.retry_after) == ("store_unavailable", 5.0)


async def test_renewal_has_the_name_of_today_and_ends_with_the_account(accounts: Accounts, people: People) -> None:
    issuer = TokenIssuer(SECRET)
    grant = issuer.verify((await accounts.sign_in(SignIn(user="ana", password="correct horse"), "192.0.2.1")).token)
    renewed = issuer.verify((await accounts.renew(grant)).token)
    assert renewed.signed_in_at == grant.signed_in_at
    assert renewed.token_id != grant.token_id
    del people.by_identity["ana"]
    with pytest.raises(Refusal) as caught:
        await accounts.renew(grant)
    assert caught.value.code == "token_revoked"


async def test_a_session_comes_with_relays_for_its_person_anew_at_each_renewal(people: People) -> None:
    made: list[str] = []

    def relays(identity: str) -> list[IceServer]:
        made.append(identity)
        return [IceServer(["turn:turn.example:3478"], f"{len(made)}:{identity}", "secret")]

    tokens = TokenIssuer(SECRET)
    async with Accounts(people, tokens, hasher=QUICK, relays=relays) as accounts:
        session = await accounts.sign_in(SignIn("ana", "correct horse"), "192.0.2.1")
        renewed = await accounts.renew(tokens.verify(session.token))
        assert [server.username for held in (session, renewed) for server in held.ice_servers] == ["1:ana", "2:ana"]
