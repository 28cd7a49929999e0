"""People who may sign in, without a database: what ``api.accounts`` asks of its store."""

from dataclasses import dataclass, replace

from argon2 import PasswordHasher

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(frozen=True)
class Person:
    identity: str
    name: str
    role: str
    password_hash: str


class People:
    """A dictionary of people."""

    def __init__(self, *people: Person) -> None:
        self.by_identity = {person.identity: person for person in people}
        self.signed_in_at: dict[str, float] = {}

    async def user(self, identity: str) -> Person | None:
        return self.by_identity.get(identity)

    async def set_password_hash(self, identity: str, password_hash: str) -> None:
        self.by_identity[identity] = replace(self.by_identity[identity], password_hash=password_hash)

    async def signed_in(self, identity: str, at: float) -> None:
        self.signed_in_at[identity] = at


def ana(hasher: PasswordHasher = QUICK) -> Person:
    return Person("ana", "Ana García", "agent", hasher.hash("correct horse"))
