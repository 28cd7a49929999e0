/** The visitor's chat: an ordinary room, which they enter as every guest does. What is written without a connection goes out when it is back. */
import { signal } from '@preact/signals';
import { Refusal } from '../js/session.js';
import { host, kept, rest, tell } from './host.js';
import { Line } from './line.js';

const TYPING_AGAIN_MS = 4_000;
const PASSING = new Set(['signalling_lost', 'no_reply', 'too_many_requests', 'store_unavailable', 'busy', 'timeout', 'stopping']);

/** null, or `{room_id, link, device, name}`. */
export const chat = signal(null);
/** In order: messages as the server says them. */
export const messages = signal([]);
/** Mine on their way: `{message_id, text}`. */
export const outgoing = signal([]);
/** Who of the others types, who is in, and how far they have read. */
export const others = signal({ typing: false, here: [], read: 0 });
export const up = signal(false);
/** Who asked me to call: a name, or ''. */
export const invited = signal('');
/** Why it is over: '' while it goes on. */
export const over = signal('');

let line = null;
let me = '';
let saidTyping = 0;

const room = () => ({ room_id: chat.peek().room_id });

/** A new one. Rejects with a `Refusal`. */
export async function begin(said) {
  const made = await rest('POST', '/visits/chats', { queue: host.queue, said, language: document.documentElement.lang });
  await enter({ room_id: made.room_id, link: made.link, device: crypto.randomUUID(), name: said.name });
}

/** The one that a reload left, if any. */
export async function resume() {
  const held = kept.read();
  if (!held) return;
  try {
    await enter(held);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    kept.write(null);
  }
}

async function enter(held) {
  const session = await rest('POST', '/guests', { link: held.link, device: held.device, name: held.name || (document.documentElement.lang === 'es' ? 'Visitante' : 'Visitor') });
  kept.write(held);
  chat.value = held;
  messages.value = [];
  over.value = '';
  me = session.identity;
  line = new Line(session, { onNotice: hear, onUp: ready, onOver: (refusal) => finish(refusal.code) });
  tell('live', { live: true });
}

async function ready(isUp) {
  up.value = isUp;
  if (!isUp) return;
  try {
    const joined = await line.ask('room.join', room());
    if (joined.room) people(joined.room);
    const page = await line.ask('chat.history', { ...room(), limit: 100 });
    take(page.messages);
    mark(Object.entries(page.read));
    await flush();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    if (!PASSING.has(refusal.code)) finish(refusal.code);
  }
}

const people = ({ members = [] }) => {
  const here = members.filter((each) => each.identity !== me && each.state === 'in' && each.role !== 'guest').map((each) => each.name);
  others.value = { ...others.peek(), here };
};

const mark = (marks) => {
  const read = Math.max(others.peek().read, ...marks.filter(([identity]) => identity !== me).map(([, position]) => position));
  others.value = { ...others.peek(), read };
};

function take(news) {
  const known = new Map(messages.peek().map((each) => [each.message_id, each]));
  for (const each of news) if (!(known.get(each.message_id)?.revision > each.revision)) known.set(each.message_id, { ...each, mine: each.sender === me });
  messages.value = [...known.values()].sort((one, other) => one.position - other.position);
  outgoing.value = outgoing.peek().filter((each) => !known.has(each.message_id));
}

function hear(notice) {
  if (notice.type === 'visit.invited') invited.value = notice.name;
  const about = notice.room_id ?? notice.room?.room_id;
  if (!chat.peek() || about !== chat.peek().room_id) return;
  if (notice.type === 'chat.message') take([notice]);
  if (notice.type === 'chat.read') mark([[notice.identity, notice.position]]);
  if (notice.type === 'typing.indicator') others.value = { ...others.peek(), typing: notice.people.some((each) => each !== me) };
  if (notice.type === 'room.state') people(notice);
  if (notice.type === 'room.exit') finish(notice.reason);
}

/** I have seen everything. */
export function read() {
  const last = messages.peek().at(-1);
  if (last && !last.mine && up.peek()) line.ask('chat.read', { ...room(), position: last.position }).catch(() => {});
}

export function type(on) {
  const now = Date.now();
  if (!up.peek() || (on ? now - saidTyping < TYPING_AGAIN_MS : !saidTyping)) return;
  saidTyping = on ? now : 0;
  line.ask('typing.indicator', { ...room(), on }).catch(() => {});
}

export function say(text) {
  saidTyping = 0;
  outgoing.value = [...outgoing.peek(), { message_id: crypto.randomUUID(), text }];
  flush();
}

let flushing = false;
async function flush() {
  if (flushing) return;
  flushing = true;
  try {
    while (outgoing.peek().length && up.peek()) {
      const [{ message_id: messageId, text }] = outgoing.peek();
      try {
        take([await line.ask('chat.message', { ...room(), message_id: messageId, text })]);
      } catch (refusal) {
        if (!(refusal instanceof Refusal)) throw refusal;
        if (PASSING.has(refusal.code)) break;
        outgoing.value = outgoing.peek().filter((each) => each.message_id !== messageId);
      }
    }
  } finally {
    flushing = false;
  }
}

export function leave() {
  const last = line;
  if (up.peek()) last.ask('room.leave', room()).catch(() => {}).finally(() => last.close());
  else last?.close();
  line = null;
  finish('left');
}

function finish(why) {
  line?.close();
  line = null;
  up.value = false;
  over.value = why;
  invited.value = '';
  outgoing.value = [];
  kept.write(null);
  tell('live', { live: false });
}
