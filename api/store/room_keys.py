"""Public keys of people's devices, and the keys of encrypted rooms, each wrapped for one device: the server can open none of them."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Column, Double, Index, Integer, String, Table, Text, and_, func, or_, select, update

from api.store.database import in_words
from api.store.schema import metadata
from api.store.statements import Statements

devices = Table(
    "devices",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("identity", String(64), nullable=False),
    Column("label", String(64), nullable=False),
    Column("sign_key", String(128), nullable=False),
    Column("wrap_key", String(128), nullable=False),
    Column("signature", String(128), nullable=False),
    Column("added_at", Double, nullable=False),
    Column("removed_at", Double),
    Index("ix_devices_identity", "identity"),
)
"""One that was removed stays known: what it signed is read by others."""

room_epochs = Table(
    "room_epochs",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("identity", String(64), nullable=False),
    Column("device_id", String(64), nullable=False),
    Column("announcement", Text, nullable=False),
    Column("signature", String(128), nullable=False),
    Column("made_at", Double, nullable=False),
)
"""Of two devices that make the same epoch the first counts: the primary key sees to it."""

room_packages = Table(
    "room_packages",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("device_id", String(64), primary_key=True),
    Column("package", Text, nullable=False),
)


class Device(Struct, frozen=True):
    """``sign_key``, ``wrap_key``: public, base64url. ``signature``: by the device itself over what binds them to its person."""

    device_id: str
    identity: str
    label: str
    sign_key: str
    wrap_key: str
    signature: str
    added_at: float
    removed_at: float | None = None


class Epoch(Struct, frozen=True):
    """A room's key from one change of its devices to the next, as ``device_id`` announced and signed it."""

    room_id: str
    epoch: int
    identity: str
    device_id: str
    announcement: str
    signature: str
    made_at: float


class RoomKeyStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def add_device(self, device: Device) -> None:
        """Raises ``StoreRefused`` where there is such a device already."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(devices.insert().values(asdict(device)))

    async def device(self, device_id: str) -> Device | None:
        found = await self._rows(select(devices).where(devices.c.device_id == device_id))
        return Device(**found[0]) if found else None

    async def devices_of(self, identities: Iterable[str]) -> list[Device]:
        """Those in use, oldest first."""
        query = select(devices).where(devices.c.identity.in_(tuple(identities)), devices.c.removed_at.is_(None))
        return [Device(**row) for row in await self._rows(query.order_by(devices.c.added_at))]

    async def remove_device(self, identity: str, device_id: str, at: float) -> bool:
        mine = and_(devices.c.device_id == device_id, devices.c.identity == identity, devices.c.removed_at.is_(None))
        return bool(await self._update(update(devices).where(mine).values(removed_at=at)))

    async def last_epoch(self, room_id: str) -> int:
        """0 where none was made yet."""
        found = await self._rows(select(func.max(room_epochs.c.epoch).label("last")).where(room_epochs.c.room_id == room_id))
        return found[0]["last"] or 0

    async def readers(self, room_id: str, epoch: int) -> frozenset[str]:
        """For which devices an epoch's key was wrapped."""
        query = select(room_packages.c.device_id).where(room_packages.c.room_id == room_id, room_packages.c.epoch == epoch)
        return frozenset(row["device_id"] for row in await self._rows(query))

    async def add_epoch(self, epoch: Epoch, packages: Mapping[str, str]) -> None:
        """All of it or nothing. Raises ``StoreRefused`` where the epoch was made already."""
        rows = [
            {"room_id": epoch.room_id, "epoch": epoch.epoch, "device_id": device, "package": package}
            for device, package in packages.items()
        ]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(room_epochs.insert().values(asdict(epoch)))
                await connection.execute(room_packages.insert(), rows)

    async def epochs_for(self, room_id: str, device_id: str, after: int, limit: int) -> list[tuple[Epoch, str]]:
        """With the key wrapped for this device; the oldest first."""
        same = and_(room_packages.c.room_id == room_epochs.c.room_id, room_packages.c.epoch == room_epochs.c.epoch)
        mine = and_(room_epochs.c.room_id == room_id, room_packages.c.device_id == device_id, room_epochs.c.epoch > after)
        query = select(room_epochs, room_packages.c.package).join(room_packages, same).where(mine)
        found = await self._rows(query.order_by(room_epochs.c.epoch).limit(limit))
        return [(Epoch(**{name: row[name] for name in Epoch.__struct_fields__}), row["package"]) for row in found]

    async def known_in(self, room_id: str, identities: Sequence[str]) -> list[Device]:
        """The devices of these people that are in use, and all that ever had a key of this room: they signed what is read there."""
        had = select(room_packages.c.device_id).where(room_packages.c.room_id == room_id)
        now = and_(devices.c.identity.in_(tuple(identities)), devices.c.removed_at.is_(None))
        query = select(devices).where(or_(now, devices.c.device_id.in_(had))).order_by(devices.c.added_at)
        return [Device(**row) for row in await self._rows(query)]
