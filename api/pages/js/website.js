/**
 * Visitors of the website who write: whose chat waits for me, and whose I have taken. The chat itself is a room (`views/website.js` shows
 * it); here is what a page must know all the time, so that it can ring.
 */
import { computed, signal } from '@preact/signals';
import * as link from './link.js';
import { Refusal } from './session.js';
import { me } from './state.js';

const KEPT = 50;
const PRESENT = ['in', 'away'];

/** room id -> `room.state` of chats into which I was asked. */
const asked = signal({});
/** Rooms of those whose visitor does not wait any more, or whom I leave to others. */
const settled = signal(new Set());
/** room id -> `room.state` of chats that I have. */
const mine = signal({});
/** room id -> messages in order. */
export const said = signal({});
/** The chats that I have, with what the visitor said of themselves; those that wait for me. */
export const chats = computed(() => Object.values(mine.value).map(seen));
export const waiting = computed(() => Object.values(asked.value).filter((room) => !settled.value.has(room.room_id) && !mine.value[room.room_id]).map(seen));

function about(room) {
  try {
    return JSON.parse(room.metadata || '{}');
  } catch {
    return {};
  }
}

const isVisitors = (room) => Boolean(about(room).visitor);
const text = (value) => (typeof value === 'string' ? value : '');

/** A room with the words of its visitor, which nobody checked: `{room_id, room, queue, language, name, reason, page}`. */
function seen(room) {
  const { visitor, queue, language } = about(room);
  return { room_id: room.room_id, room, queue: text(queue), language: text(language), name: text(visitor.name), reason: text(visitor.reason), page: text(visitor.page) };
}

/** The last ones, for chats that are over for others are told to nobody. */
const put = (map, room) => (map.value = Object.fromEntries([...Object.entries(map.peek()).filter(([each]) => each !== room.room_id), [room.room_id, room]].slice(-KEPT)));
const drop = (map, roomId) => (map.value = Object.fromEntries(Object.entries(map.peek()).filter(([each]) => each !== roomId)));

function settle(roomId, is) {
  const others = [...settled.peek()].filter((each) => each !== roomId);
  settled.value = new Set(is ? [...others, roomId] : others);
}

/** Whose chat nobody of the house is in, and the visitor is. */
const isAlone = (room) => {
  const there = room.members.filter((member) => PRESENT.includes(member.state));
  return there.length > 0 && there.every((member) => member.role === 'guest');
};

/** After each connect: what was asked of me while nobody listened here. */
async function refresh() {
  try {
    const { invitations } = await link.ask('room.list');
    for (const room of invitations.filter(isVisitors)) {
      if (!asked.peek()[room.room_id]) put(asked, room);
      if (!isAlone(room)) settle(room.room_id, true);
    }
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // the next connect makes it good
  }
}

export function merge(roomId, news) {
  const known = new Map((said.peek()[roomId] ?? []).map((each) => [each.message_id, each]));
  for (const each of news) if (!known.has(each.message_id) || each.revision >= known.get(each.message_id).revision) known.set(each.message_id, each);
  said.value = { ...said.peek(), [roomId]: [...known.values()].sort((one, other) => one.position - other.position) };
}

const ON_NOTICE = {
  'session.snapshot': ({ rooms }) => {
    mine.value = Object.fromEntries(rooms.filter(isVisitors).map((room) => [room.room_id, room]));
    refresh();
  },
  'room.invited': ({ room }) => {
    if (!isVisitors(room)) return;
    settle(room.room_id, false);
    put(asked, room);
  },
  'visit.waits': ({ room_id: roomId, waits }) => settle(roomId, !waits),
  'room.state': (room) => {
    if (!isVisitors(room)) return;
    const am = room.members.some((member) => member.identity === me.peek()?.identity && PRESENT.includes(member.state));
    if (am) put(mine, room);
  },
  'room.exit': ({ room_id: roomId }) => {
    for (const map of [asked, mine, said]) drop(map, roomId);
    settle(roomId, false);
  },
  'chat.message': (message) => {
    if (mine.peek()[message.room_id]) merge(message.room_id, [message]);
  },
};

export const receive = (notice) => ON_NOTICE[notice.type]?.(notice);

/** Take a chat. Raises `Refusal`. */
export async function take(roomId) {
  const joined = await link.ask('room.join', { room_id: roomId });
  if (joined.room) put(mine, joined.room);
}

/** Leave it to others: it rings here no more. */
export const pass = (roomId) => settle(roomId, true);

/** Forget everything: somebody else may sign in here. */
export function clear() {
  for (const map of [asked, mine, said]) map.value = {};
  settled.value = new Set();
}
