/** What a person does with rooms, and keeping in step with the server. */
import { ask } from '../js/link.js';
import * as link from '../js/link.js';
import { Refusal, session } from '../js/session.js';
import * as desk from './desk.js';
import { keyed, remembered, secrets } from './seals.js';
import * as talks from './talks.js';
import { explain, t } from './words.js';

const WATCH_AGAIN_MS = 60_000;
const GESTURE_MS = 4_000;
let watching = 0;

/** Do it and say how it went; `done` is what is said then. False where it was refused. */
export async function attempt(work, done = '') {
  desk.alarm.value = '';
  try {
    await work();
    if (done) desk.said.value = done;
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    desk.alarm.value = explain(refusal);
    return false;
  }
}

// --- which room is shown ----------------------------------------------------------------------------------------------------------------

/** Show a room in which I am, or into which I may come. */
export function open(roomId) {
  desk.gone.value = '';
  desk.chosen.value = roomId;
  desk.gestures.value = [];
  history.replaceState(null, '', roomId ? `#room=${roomId}` : location.pathname);
  if (desk.rooms.peek().has(roomId)) talks.load(roomId);
}

/** The conversation of two with this person; made where there is none. */
export async function openDirect(identity, encrypted = false) {
  const of = await ask('room.create', { kind: 'direct', encrypted, invited: [{ identity, name: desk.nameOf(identity) }] });
  take(of);
  open(of.room_id);
}

/** A new room, and I am in it. */
export async function make(wanted) {
  if (wanted.encrypted) await (await secrets()).device();
  const of = await ask('room.create', wanted);
  take(of);
  if (of.kind === 'meeting') await join(of.room_id);
  open(of.room_id);
}

/** Come in, or wait to be let in. */
export async function join(roomId) {
  const joined = await ask('room.join', { room_id: roomId });
  desk.knocking.value = joined.waiting ? roomId : '';
  if (joined.room) {
    take(joined.room);
    open(roomId);
  }
}

export async function leave(roomId) {
  await ask('room.leave', { room_id: roomId });
  drop(roomId);
}

/** A room as it now stands. */
function take(of) {
  const before = desk.rooms.peek().get(of.room_id);
  if (!of.members.some((member) => desk.hears(member.identity))) return;
  desk.put(desk.rooms, of.room_id, remembered(of));
  if (of.encrypted && !before) haveDevice();
  if (of.encrypted && before && membersOf(before) !== membersOf(of)) outdated(of.room_id);
  desk.put(desk.invitations, of.room_id, undefined);
  if (!before && desk.knocking.peek() === of.room_id) {
    desk.knocking.value = '';
    open(of.room_id);
  }
}

/** Only what is written once this browser is known can be read in it: so it makes itself known before anything is opened. */
async function haveDevice() {
  if (desk.me.peek().guest) return;
  const { device } = await secrets();
  await attempt(device);
}

const membersOf = (of) => of.members.map((member) => member.identity).sort().join();

/** The keys of this room, or whose they are, have changed. */
async function outdated(roomId) {
  if (!keyed.peek().has(roomId)) return; // it was not opened yet
  const { stale, stateOf } = await secrets();
  stale(roomId);
  await stateOf(roomId).catch((refusal) => {
    if (!(refusal instanceof Refusal)) throw refusal;
  });
}

function drop(roomId, reason = '') {
  for (const map of [desk.rooms, desk.waiting, desk.gists, desk.typing, talks.talks]) desk.put(map, roomId, undefined);
  if (desk.chosen.peek() !== roomId) return;
  desk.gone.value = reason;
  if (!reason) open('');
}

// --- in step with the server -----------------------------------------------------------------------------------------------------------

/** Everything that no notice has told us: after each connect. */
async function refresh() {
  const guest = desk.me.peek().guest;
  try {
    const [list, overview] = await Promise.all([ask('room.list'), ask('chat.overview')]);
    desk.rooms.value = new Map(list.rooms.map((each) => [each.room_id, remembered(each)]));
    desk.invitations.value = new Map(list.invitations.map((each) => [each.room_id, each]));
    desk.waiting.value = new Map(list.waiting.map((each) => [each.room_id, each.waiting]));
    talks.takeGists(overview.rooms);
    if (list.rooms.some((each) => each.encrypted)) haveDevice();
    if (guest) await enterOwnRoom();
    else [{ people: desk.people.value }] = await Promise.all([ask('people.list'), watchPresence()]);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    desk.alarm.value = explain(refusal);
  }
  const shown = desk.chosen.peek();
  talks.forgetAllBut(shown);
  if (desk.rooms.peek().has(shown)) await talks.load(shown);
  else if (desk.knocking.peek()) await attempt(() => join(desk.knocking.peek()));
  talks.flushAll();
  document.body.dataset.ready = 'true';
}

/** A guest has one room, and comes into it by coming here. */
async function enterOwnRoom() {
  const { room } = JSON.parse(atob(session.peek().token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).video;
  if (!desk.chosen.peek()) desk.chosen.value = room;
  if (!desk.rooms.peek().has(room) && !desk.gone.peek()) await join(room);
}

async function watchPresence() {
  clearTimeout(watching);
  watching = setTimeout(() => link.isOpen() && watchPresence().catch(() => {}), WATCH_AGAIN_MS);
  const now = await ask('presence.watch');
  desk.presence.value = new Map(now.people.map((each) => [each.identity, each]));
}

/** I take calls, have a break, or am away. */
export const setPresence = (wanted) => ask('presence.set', { available: wanted === 'available', away: wanted === 'away' });

function onSnapshot(notice) {
  desk.me.value = { identity: notice.identity, name: notice.name, guest: notice.role === 'customer' };
  if (!talks.outgoing.peek().length) talks.takeUpOutgoing();
  refresh();
}

function onMessage(notice) {
  if (!talks.onMessage(notice)) return;
  const of = desk.rooms.peek().get(notice.room_id);
  if (of && (notice.room_id !== desk.chosen.peek() || document.hidden)) desk.said.value = t('new_message', { name: notice.name, room: titleOf(of) });
}

function onGesture(notice) {
  if (notice.room_id !== desk.chosen.peek()) return;
  const shown = { key: crypto.randomUUID(), name: desk.nameOf(notice.identity, desk.room.peek()), emoji: notice.emoji };
  desk.gestures.value = [...desk.gestures.peek().slice(-7), shown];
  setTimeout(() => (desk.gestures.value = desk.gestures.peek().filter((each) => each.key !== shown.key)), GESTURE_MS);
}

function onExit({ room_id: roomId, reason }) {
  if (desk.knocking.peek() === roomId) {
    desk.knocking.value = '';
    desk.gone.value = reason;
    return;
  }
  drop(roomId, reason === 'left' ? '' : reason);
}

function onPresence(people) {
  const next = new Map(desk.presence.peek());
  for (const each of people) next.set(each.identity, each);
  desk.presence.value = next;
}

const ON = {
  'session.snapshot': onSnapshot,
  'room.state': take,
  'room.invited': (notice) => desk.put(desk.invitations, notice.room.room_id, notice.room),
  'room.waiting': (notice) => {
    const more = notice.waiting.length > (desk.waiting.peek().get(notice.room_id)?.length ?? 0);
    desk.put(desk.waiting, notice.room_id, notice.waiting);
    if (more) desk.said.value = t('waits', { name: notice.waiting.at(-1).name });
  },
  'room.exit': onExit,
  'chat.message': onMessage,
  'chat.read': talks.onRead,
  'typing.indicator': (notice) => desk.put(desk.typing, notice.room_id, notice.people),
  'presence.changed': (notice) => onPresence(notice.people),
  'room.key': (notice) => outdated(notice.room_id),
  'presence.state': (notice) => onPresence([notice]),
  reaction: onGesture,
};

export const onNotice = (notice) => ON[notice.type]?.(notice);

/** What a room is called. */
export function titleOf(of) {
  if (of.kind === 'direct') return desk.nameOf(desk.otherOf(of).identity, of);
  return of.name || t(`kind.${of.kind}`);
}
