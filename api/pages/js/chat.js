/**
 * Conversations of two with people of the house, over the connection that the telephone has: what one writes to a supervisor in a call.
 * Rooms of several, files and sealed rooms have a page of their own.
 */
import { computed, effect, signal } from '@preact/signals';
import * as link from './link.js';
import { Refusal } from './session.js';
import { me } from './state.js';

const PAGE = 30;
/** Whom one writes to first. */
const LEADERS = ['supervisor', 'admin'];

/** room id -> `room.state`, of conversations of two. */
export const rooms = signal({});
/** room id -> messages, in order; only of what was opened. */
export const talks = signal({});
/** room id -> how many of the other's I have not read. */
export const unread = signal({});
/** room id -> how far the other one has read. */
export const seen = signal({});
/** `{identity, name, role}` of the house, without me. */
export const people = signal([]);
/** Whose conversation is shown, or null. */
export const shown = signal(null);
export const unreadTogether = computed(() => Object.values(unread.value).reduce((sum, count) => sum + count, 0));

const isMe = (identity) => identity === me.peek()?.identity;
const otherOf = (room) => room.members.find((member) => !isMe(member.identity))?.identity;
/** The conversation with this person, or undefined. */
export const roomWith = (identity) => Object.values(rooms.value).find((room) => otherOf(room) === identity);
export const nameOf = (identity) => people.value.find((one) => one.identity === identity)?.name ?? identity;
/** Who leads, first; then by name. */
export const ordered = computed(() => [...people.value].sort((one, other) => LEADERS.includes(other.role) - LEADERS.includes(one.role) || one.name.localeCompare(other.name)));
/** Who wrote what I have not read. */
export const writers = computed(() => Object.entries(unread.value).filter(([roomId, count]) => count && rooms.value[roomId]).map(([roomId]) => otherOf(rooms.value[roomId])));

function put(map, key, value) {
  map.value = { ...map.peek(), [key]: value };
}

function take(room) {
  if (room.kind === 'direct' && room.members.some((member) => isMe(member.identity))) put(rooms, room.room_id, room);
}

function merge(roomId, news) {
  const known = new Map((talks.peek()[roomId] ?? []).map((each) => [each.message_id, each]));
  for (const each of news) if (!known.has(each.message_id) || each.revision >= known.get(each.message_id).revision) known.set(each.message_id, each);
  put(talks, roomId, [...known.values()].sort((one, other) => one.position - other.position).slice(-2 * PAGE));
}

/** Where the server is away, the next connect makes it good. */
async function quietly(work) {
  try {
    await work();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
  }
}

async function refresh() {
  const [list, overview, house] = await Promise.all([link.ask('room.list'), link.ask('chat.overview'), link.ask('people.list')]);
  rooms.value = {};
  list.rooms.forEach(take);
  unread.value = Object.fromEntries(overview.rooms.filter((gist) => rooms.peek()[gist.room_id]).map((gist) => [gist.room_id, gist.unread]));
  people.value = house.people.filter((one) => !isMe(one.identity));
  if (shown.peek()) await load(shown.peek());
}

async function load(identity) {
  const room = roomWith(identity);
  if (!room) return;
  const page = await link.ask('chat.history', { room_id: room.room_id, limit: PAGE });
  merge(room.room_id, page.messages);
  put(seen, room.room_id, page.read[identity] ?? 0);
  read(room.room_id);
}

function read(roomId) {
  const last = talks.peek()[roomId]?.at(-1);
  put(unread, roomId, 0);
  if (last) quietly(() => link.ask('chat.read', { room_id: roomId, position: last.position }));
}

const ON_NOTICE = {
  'room.state': take,
  'chat.message': (message) => {
    const room = rooms.peek()[message.room_id];
    if (!room) return;
    const known = talks.peek()[message.room_id];
    const isNew = !known?.some((each) => each.message_id === message.message_id) && message.revision <= 1;
    if (known) merge(message.room_id, [message]);
    if (isMe(message.sender) || !isNew) return;
    if (shown.peek() === message.sender && known && !document.hidden) read(message.room_id);
    else put(unread, message.room_id, (unread.peek()[message.room_id] ?? 0) + 1);
  },
  'chat.read': ({ room_id: roomId, identity, position }) => {
    if (!rooms.peek()[roomId]) return;
    if (isMe(identity)) put(unread, roomId, 0);
    else put(seen, roomId, position);
  },
};

export const receive = (notice) => ON_NOTICE[notice.type]?.(notice);

/** Show the conversation with this person; null: none. */
export async function show(identity) {
  shown.value = identity;
  if (identity) await quietly(() => load(identity));
}

/** Write to whom is shown. Raises `Refusal`. */
export async function say(text) {
  const identity = shown.peek();
  const known = roomWith(identity);
  const room = known ?? (await link.ask('room.create', { kind: 'direct', invited: [{ identity, name: nameOf(identity).slice(0, 64) }] }));
  take(room);
  merge(room.room_id, [await link.ask('chat.message', { room_id: room.room_id, message_id: crypto.randomUUID(), text })]);
}

/** In step with the server whenever it is there; until the returned function is called. */
export const follow = () =>
  effect(() => {
    if (link.link.value === 'up' && me.value) quietly(refresh);
  });

/** Forget everything: somebody else may sign in here. */
export function forgetChat() {
  for (const map of [rooms, talks, unread, seen]) map.value = {};
  people.value = [];
  shown.value = null;
}
