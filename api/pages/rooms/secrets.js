/** Encrypted rooms: this browser's device, the rooms' keys from epoch to epoch, and who has been verified. */
import { ask } from '../js/link.js';
import { Refusal } from '../js/session.js';
import * as cipher from './cipher.js';
import { me, rooms } from './desk.js';
import * as kept from './keystore.js';
import { devices, sealOf, tell, thisDevice } from './seals.js';

const ATTEMPTS = 4;

/** This browser's device, by person; a promise while it is being made. */
const own = new Map();
/** By room: `{epoch, current, keys, known}`: keys by epoch, devices by id. Empty until asked for; dropped when something changed. */
const states = new Map();
const syncing = new Map();

const myself = () => me.peek().identity;

/** What this browser may be called in the list of one's devices. */
function label() {
  const brand = navigator.userAgentData?.brands?.find((each) => !/not/i.test(each.brand))?.brand ?? /Firefox|Safari/.exec(navigator.userAgent)?.[0] ?? 'Browser';
  return `${brand} · ${navigator.userAgentData?.platform || navigator.platform}`.slice(0, 64);
}

/** Our device, known to the server. One per browser and person, whatever tabs are open. */
export function device() {
  const identity = myself();
  if (!own.has(identity)) {
    own.set(identity, navigator.locks.request(`centralita.device.${identity}`, () => register(identity)));
    own.get(identity).catch(() => own.delete(identity));
  }
  return own.get(identity);
}

async function register(identity) {
  const known = await kept.get('devices', [identity]);
  if (known) {
    try {
      await ask('device.add', known.shown);
      thisDevice.value = known.shown.device_id;
      return known;
    } catch (refusal) {
      // It was removed from elsewhere: what it could read before is read on, but it gets no new keys.
      if (!(refusal instanceof Refusal) || refusal.code !== 'bad_device') throw refusal;
    }
  }
  const made = await cipher.makeDevice(identity, label());
  await ask('device.add', made.shown);
  await kept.put('devices', [identity], made);
  thisDevice.value = made.shown.device_id;
  return made;
}

export async function listDevices() {
  devices.value = (await ask('device.list')).devices;
}

/** This or another browser of mine reads nothing new. Of this one everything is forgotten. */
export async function removeDevice(deviceId) {
  await ask('device.remove', { device_id: deviceId });
  if (deviceId === thisDevice.peek()) {
    const identity = myself();
    await kept.remove('devices', [identity]);
    await kept.removeUnder('epochs', identity);
    own.delete(identity);
    states.clear();
    thisDevice.value = '';
  }
  await listDevices();
}

// --- keys of a room -----------------------------------------------------------------------------------------------------------------

/** What we know is old. */
export const stale = (roomId) => states.delete(roomId);

/** The keys and devices of a room, asked for where they are not known. Raises `Refusal`. */
export function stateOf(roomId) {
  if (states.has(roomId)) return Promise.resolve(states.get(roomId));
  if (!syncing.has(roomId)) syncing.set(roomId, sync(roomId).finally(() => syncing.delete(roomId)));
  return syncing.get(roomId);
}

async function sync(roomId) {
  const mine = await device();
  const identity = myself();
  const state = { epoch: 0, current: false, keys: new Map(), known: new Map() };
  for (const each of await kept.under('epochs', identity, roomId)) state.keys.set(each.epoch, each);
  let told;
  let after = Math.max(0, ...[...state.keys.values()].filter((each) => each.reader === mine.shown.device_id).map((each) => each.epoch));
  do {
    told = await ask('room.keys', { room_id: roomId, device_id: mine.shown.device_id, after });
    for (const each of told.devices) if (await known(each)) state.known.set(each.device_id, each);
    for (const epoch of told.epochs) await take(mine, roomId, state, epoch);
    after = told.epochs.at(-1)?.epoch ?? after;
  } while (told.more);
  state.epoch = told.epoch;
  state.current = told.current;
  states.set(roomId, state);
  await look(roomId, state);
  return state;
}

/** Devices are what they were when we first saw them, whatever is told later. */
async function known(each) {
  const before = await kept.get('known', [myself(), each.device_id]);
  if (before) return cipher.isSame(before, each);
  if (!(await cipher.isGenuine(each))) return false;
  await kept.put('known', [myself(), each.device_id], each);
  return true;
}

/** Keep the key of an epoch; one that is not what it says it is we do without. */
async function take(mine, roomId, state, epoch) {
  const by = state.known.get(epoch.device_id);
  if (!by || by.identity !== epoch.identity || state.keys.has(epoch.epoch)) return;
  try {
    await keep(mine, roomId, state, epoch.epoch, await cipher.openEpoch(mine, roomId, epoch, by));
  } catch (error) {
    if (!(error instanceof cipher.Unreadable)) throw error;
  }
}

async function keep(mine, roomId, state, epoch, { key, readers, by }) {
  const entry = { epoch, key, readers, by, reader: mine.shown.device_id };
  state.keys.set(epoch, entry);
  await kept.put('epochs', [myself(), roomId, epoch], entry);
}

const inUse = (state) => [...state.known.values()].filter((each) => !each.removed && rooms.peek().get(state.roomId)?.members.some((member) => member.identity === each.identity));

/** Whose devices are new, and whether they were verified before: shown, and minded when something is sent. */
async function look(roomId, state) {
  state.roomId = roomId;
  const people = [];
  for (const member of rooms.peek().get(roomId)?.members ?? []) {
    const ids = inUse(state).filter((each) => each.identity === member.identity).map((each) => each.device_id);
    const before = await kept.get('people', [myself(), member.identity]);
    const isNew = (id) => !before.seen.includes(id);
    if (!before && ids.length) await kept.put('people', [myself(), member.identity], { seen: ids, verified: null });
    const isMe = member.identity === myself();
    const changed = Boolean(before) && !isMe && ids.some(isNew);
    const verified = Boolean(before?.verified) && ids.length > 0 && ids.every((id) => before.verified.includes(id));
    people.push({ identity: member.identity, ids, changed, verified, was: Boolean(before?.verified) && !isMe && ids.length > 0 });
  }
  state.people = people;
  tell(roomId, { epoch: state.epoch, people, fault: '' });
}

/** Somebody who was verified, with a device that was not. */
const isUnsure = (person) => person.was && !person.verified;

/** For the people who are in: the key under which one may write now. Raises `Refusal`. */
async function keyToWrite(roomId) {
  const mine = await device();
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const state = await stateOf(roomId);
    await look(roomId, state);
    if (state.people.some(isUnsure)) throw new Refusal({ code: 'unverified_device' });
    const readers = inUse(state);
    const last = state.keys.get(state.epoch);
    const ids = readers.map((each) => each.device_id);
    if (state.current && last && (await cipher.isFor(last, ids))) return { mine, epoch: state.epoch, key: last.key };
    // A server that has forgotten epochs that we know would have us make them a second time.
    if (state.epoch < Math.max(0, ...state.keys.keys())) break;
    const made = await cipher.makeEpoch(mine, roomId, state.epoch + 1, readers);
    try {
      await ask('room.key', made.sent);
    } catch (refusal) {
      if (!(refusal instanceof Refusal) || refusal.code !== 'keys_outdated') throw refusal;
      stale(roomId);
      continue;
    }
    await keep(mine, roomId, state, made.sent.epoch, made);
    Object.assign(state, { epoch: made.sent.epoch, current: true });
    await look(roomId, state);
  }
  throw new Refusal({ code: 'keys_outdated' });
}

// --- words and files ----------------------------------------------------------------------------------------------------------------

/** `cipher` of a message. Raises `Refusal`. */
export async function seal(roomId, messageId, body) {
  const { mine, epoch, key } = await keyToWrite(roomId);
  return cipher.seal(mine, { roomId, messageId, epoch, key }, body);
}

/** What is in these messages, by `sealOf`. */
export async function read(messages) {
  const found = [];
  for (const message of messages) found.push([sealOf(message), await readOne(message)]);
  return found;
}

async function readOne(message) {
  try {
    const { epoch, deviceId } = cipher.outsideOf(message.cipher);
    let state = await stateOf(message.room_id);
    if (epoch > state.epoch || !state.known.has(deviceId)) {
      stale(message.room_id);
      state = await stateOf(message.room_id);
    }
    const entry = state.keys.get(epoch);
    const by = state.known.get(deviceId) ?? (await kept.get('known', [myself(), deviceId]));
    if (!entry || !by) return { fault: 'no_key' };
    const place = { roomId: message.room_id, messageId: message.message_id, sender: message.sender, cipher: message.cipher };
    const { text, files } = await cipher.open(place, by, entry.key);
    return { text, attachments: files };
  } catch (error) {
    if (error instanceof cipher.Unreadable) return { fault: error.code };
    if (!(error instanceof Refusal)) throw error;
    tell(message.room_id, { fault: error.code });
    return { fault: 'no_key' };
  }
}

export const { Unreadable, openFile, sealFile } = cipher;

// --- who is who ---------------------------------------------------------------------------------------------------------------------

/** The digits that this person and I compare; null where one of us has no device yet. */
export async function safetyNumber(roomId, identity) {
  await device();
  const { people } = await stateOf(roomId);
  const both = [myself(), identity].map((each) => ({ identity: each, ids: people.find((one) => one.identity === each)?.ids ?? [] }));
  return both.every((each) => each.ids.length) ? cipher.safetyNumber(both) : null;
}

/** I compared the digits with them; or I know of their new device and go on without. */
export async function trust(roomId, identity, verified) {
  const state = await stateOf(roomId);
  const { ids } = state.people.find((each) => each.identity === identity);
  await kept.put('people', [myself(), identity], { seen: ids, verified: verified ? ids : null });
  await look(roomId, state);
}
