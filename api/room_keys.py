"""Keys of encrypted rooms: devices' public keys, and what their pages wrapped for one another. The server can open none of it.

What is seen to here, because pages cannot: an epoch's key is wrapped for exactly the devices of those who are in the room, and nothing is
taken under the key of an epoch of before somebody, or a device, came or went.
"""

from msgspec import Struct

from api.device_keys import is_genuine
from api.rooms import Rooms
from api.store.errors import StoreRefused
from api.store.room_keys import Device, Epoch, RoomKeyStore
from rooms.membership import Room
from rooms.refusals import NotPossible
from rooms.sealed import sealed
from signaling import messages as wire
from signaling import topics
from signaling.grants import Grant

MOST_DEVICES = 5
"""Of one person."""
_EPOCHS_A_PAGE = 200


class RoomKeys:
    """Raises ``NotPossible``; ``StoreUnavailable`` while the database is away."""

    def __init__(self, rooms: Rooms, store: RoomKeyStore) -> None:
        self._rooms = rooms
        self._store = store

    async def perform(self, grant: Grant, request: wire.KeyRequest) -> Struct | None:
        me = grant.identity
        match request:
            case wire.AddDevice():
                await self._add(me, request)
            case wire.ListDevices():
                return wire.Devices(devices=[_shown(device) for device in await self._store.devices_of([me])])
            case wire.RemoveDevice(device_id=device_id):
                if not await self._store.remove_device(me, device_id, self._rooms.now()):
                    raise NotPossible("unknown_device", "You have no such device, or removed it already.")
            case wire.AskRoomKeys():
                return await self._keys(me, request)
            case wire.SetRoomKey():
                await self._set(me, request)
        return None

    async def check(self, room_id: str, me: str, cipher: str) -> None:
        """May this be said now? Of what is in it nothing is known here."""
        room = self._encrypted(room_id, me)
        said = sealed(cipher)
        if said is None:
            raise NotPossible("encrypted", "This room's messages are encrypted between its members: the page must send ciphertext.")
        own = {device.device_id for device in await self._store.devices_of([me])}
        last = await self._store.last_epoch(room_id)
        if said.device_id not in own or said.epoch != last or await self._store.readers(room_id, last) != await self._present(room):
            raise _outdated()

    async def _add(self, me: str, request: wire.AddDevice) -> None:
        if not is_genuine(me, request):
            raise NotPossible("bad_device", "These are no keys of a device of yours: they, their name or their signature are wrong.")
        known = await self._store.device(request.device_id)
        if known is not None and known.identity == me and known.removed_at is None:
            return
        if known is not None:
            raise NotPossible("bad_device", "This device was removed, or is somebody else's: the page must draw new keys.")
        if len(await self._store.devices_of([me])) >= MOST_DEVICES:
            raise NotPossible("devices_full", f"You have {MOST_DEVICES} devices for encrypted rooms, which is the limit: remove one first.")
        made = Device(request.device_id, me, request.label, request.sign_key, request.wrap_key, request.signature, self._rooms.now())
        await self._store.add_device(made)

    async def _keys(self, me: str, request: wire.AskRoomKeys) -> wire.RoomKeyState:
        room = self._encrypted(request.room_id, me)
        device = await self._store.device(request.device_id)
        if device is None or device.identity != me or device.removed_at is not None:
            raise NotPossible("unknown_device", "You have no such device, or removed it already.")
        found = await self._store.epochs_for(room.room_id, request.device_id, request.after, _EPOCHS_A_PAGE)
        known = await self._store.known_in(room.room_id, [member.identity for member in room.present()])
        last = await self._store.last_epoch(room.room_id)
        return wire.RoomKeyState(
            epoch=last,
            current=await self._store.readers(room.room_id, last) == await self._present(room),
            devices=[_shown(device) for device in known],
            epochs=[
                wire.EpochKey(epoch.epoch, epoch.identity, epoch.device_id, epoch.announcement, epoch.signature, package)
                for epoch, package in found
            ],
            more=len(found) == _EPOCHS_A_PAGE,
        )

    async def _set(self, me: str, request: wire.SetRoomKey) -> None:
        room = self._encrypted(request.room_id, me)
        if request.device_id not in {device.device_id for device in await self._store.devices_of([me])}:
            raise NotPossible("unknown_device", "You have no such device, or removed it already.")
        if await self._present(room) != set(request.packages):
            raise _outdated()
        if request.epoch != await self._store.last_epoch(room.room_id) + 1:
            raise _outdated()
        made = Epoch(room.room_id, request.epoch, me, request.device_id, request.announcement, request.signature, self._rooms.now())
        try:
            await self._store.add_epoch(made, request.packages)
        except StoreRefused:
            raise _outdated() from None
        self._rooms.hub.publish(topics.room(room.room_id), wire.RoomKeyMade(room_id=room.room_id, epoch=request.epoch))

    def _encrypted(self, room_id: str, me: str) -> Room:
        """A room in which this person is and that has keys."""
        self._rooms.house.member(room_id, me)
        room = self._rooms.house.room(room_id)
        assert room is not None
        if not room.encrypted:
            raise NotPossible("not_encrypted", "This room's messages are not encrypted: it has no keys.")
        return room

    async def _present(self, room: Room) -> frozenset[str]:
        """The devices of everybody who is in."""
        return frozenset(device.device_id for device in await self._store.devices_of(member.identity for member in room.present()))


def _outdated() -> NotPossible:
    return NotPossible("keys_outdated", "The people or devices of this room have changed: the page must fetch or make a newer key.")


def _shown(device: Device) -> wire.Device:
    return wire.Device(
        device_id=device.device_id,
        identity=device.identity,
        label=device.label,
        sign_key=device.sign_key,
        wrap_key=device.wrap_key,
        signature=device.signature,
        added_at=device.added_at,
        removed=device.removed_at is not None,
    )
