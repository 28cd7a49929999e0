/**
 * What is written, per room: pages of history, changes as they come, and what of mine is on its way.
 *
 * A message is known by the id that its page drew: sent twice it is one, and of two versions the higher revision counts. What could not be
 * sent because the server was away goes out by itself when it is back, in order; what the server refused waits for the person's word.
 */
import { effect, signal } from '@preact/signals';
import { ask, link } from '../js/link.js';
import { Refusal } from '../js/session.js';
import { gists, hears, me, put, rooms } from './desk.js';
import { secrets, unseal } from './seals.js';

const PAGE = 50;
const KEPT_OPEN = 12;
const TYPING_AGAIN_MS = 4_000;
const KEY_ATTEMPTS = 4;
/** Refusals that pass by themselves: try again then. */
const PASSING = new Set(['signalling_lost', 'no_reply', 'too_many_requests', 'store_unavailable', 'busy', 'timeout', 'stopping']);

/** By room: `{messages, more, marks, state}`; messages in order, `state` is loading, ready or failed. */
export const talks = signal(new Map());
/** Mine on their way, in order: `{room_id, message_id, text, reply_to, files, at, state, code}`; `state`: sending, waiting or refused. */
export const outgoing = signal([]);

const EMPTY = { messages: [], more: false, marks: {}, state: 'loading' };
const keptAs = () => `centralita.outgoing.${me.peek().identity}`;
const newId = () => crypto.randomUUID();

const change = (roomId, values) => put(talks, roomId, { ...(talks.peek().get(roomId) ?? EMPTY), ...values });

/** The messages with these in their places. */
function merged(messages, news) {
  const known = new Map(messages.map((each) => [each.message_id, each]));
  for (const each of news) {
    const before = known.get(each.message_id);
    if (!before || each.revision >= before.revision) known.set(each.message_id, each);
  }
  return [...known.values()].sort((one, other) => one.position - other.position);
}

/** The last page, and what follows from it. Where there is a gap to what we had, that is let go. */
export async function load(roomId) {
  const before = talks.peek().get(roomId);
  if (!before) change(roomId, { state: 'loading' });
  try {
    const page = await ask('chat.history', { room_id: roomId, limit: PAGE });
    // What came meanwhile may be newer than the page.
    const { messages: had, marks, more } = talks.peek().get(roomId) ?? EMPTY;
    const [first, last] = [page.messages[0]?.position ?? 0, page.messages.at(-1)?.position ?? 0];
    const joins = had.length > 0 && had[0].position <= first && first <= had.at(-1).position + 1;
    change(roomId, {
      messages: merged(joins ? had : had.filter((each) => each.position > last), page.messages),
      more: joins ? more : page.more,
      marks: { ...page.read, ...Object.fromEntries(Object.entries(marks).filter(([identity, position]) => position > (page.read[identity] ?? 0))) },
      state: 'ready',
    });
    for (const each of page.messages) arrived(each.message_id);
    shed(roomId);
    await unseal(page.messages);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    if (!before) change(roomId, { state: 'failed' });
  }
}

/** The page before the first message that is shown. */
export async function loadEarlier(roomId) {
  const { messages } = talks.peek().get(roomId);
  const page = await ask('chat.history', { room_id: roomId, before: messages[0].position, limit: PAGE });
  change(roomId, { messages: merged(talks.peek().get(roomId).messages, page.messages), more: page.more });
  await unseal(page.messages);
}

/** Only the conversations last opened stay at hand. */
function shed(roomId) {
  const next = new Map(talks.peek());
  const here = next.get(roomId);
  next.delete(roomId);
  while (next.size >= KEPT_OPEN) next.delete(next.keys().next().value);
  talks.value = next.set(roomId, here);
}

/** After the connection was away: what is not shown is read again when it is opened. */
export const forgetAllBut = (roomId) => {
  talks.value = new Map([...talks.peek()].filter(([id]) => id === roomId));
};

/** What the server says of all rooms; where a newer word has come meanwhile, that counts. */
export function takeGists(overview) {
  const newer = (gist) => {
    const known = gists.peek().get(gist.room_id);
    return (known?.last?.position ?? 0) > (gist.last?.position ?? 0) ? known : gist;
  };
  gists.value = new Map(overview.map((gist) => [gist.room_id, newer(gist)]));
}

// --- what the server tells -----------------------------------------------------------------------------------------------------------

export function onMessage(message) {
  arrived(message.message_id);
  if (talks.peek().has(message.room_id)) {
    change(message.room_id, { messages: merged(talks.peek().get(message.room_id).messages, [message]) });
    unseal([message]);
  }
  const gist = gists.peek().get(message.room_id) ?? { last: null, read: 0, unread: 0 };
  const isNew = !gist.last || message.position > gist.last.position;
  const isLast = isNew || message.message_id === gist.last.message_id;
  const unread = gist.unread + (isNew && !hears(message.sender) ? 1 : 0);
  put(gists, message.room_id, { ...gist, last: isLast ? message : gist.last, unread });
  return isNew && !hears(message.sender);
}

export function onRead({ room_id: roomId, identity, position }) {
  const talk = talks.peek().get(roomId);
  if (talk) change(roomId, { marks: { ...talk.marks, [identity]: position } });
  const gist = gists.peek().get(roomId);
  if (gist && hears(identity)) put(gists, roomId, { ...gist, read: position, unread: position >= (gist.last?.position ?? 0) ? 0 : gist.unread });
}

/** I have seen everything in this room. */
export function read(roomId) {
  const gist = gists.peek().get(roomId);
  const last = talks.peek().get(roomId)?.messages.at(-1);
  if (!last || !gist || (gist.read >= last.position && !gist.unread)) return;
  put(gists, roomId, { ...gist, read: last.position, unread: 0 });
  ask('chat.read', { room_id: roomId, position: last.position }).catch(passing);
}

/** Nothing is lost where such a word does not get through: the next one says it too. */
const passing = (refusal) => {
  if (!(refusal instanceof Refusal)) throw refusal;
};

// --- writing ------------------------------------------------------------------------------------------------------------------------

let saidTyping = { roomId: '', at: 0 };

/** I type here, or have stopped. */
export function type(roomId, on) {
  const now = Date.now();
  if (on ? saidTyping.roomId === roomId && now - saidTyping.at < TYPING_AGAIN_MS : saidTyping.roomId !== roomId) return;
  saidTyping = on ? { roomId, at: now } : { roomId: '', at: 0 };
  if (link.peek() === 'up') ask('typing.indicator', { room_id: roomId, on }).catch(passing);
}

/** Send this; it is shown at once. `files`: what `chat.attach` made of each. */
export function say(roomId, text, { replyTo = '', files = [] } = {}) {
  const entry = { room_id: roomId, message_id: newId(), text, reply_to: replyTo, files, at: Date.now() / 1000, state: 'waiting', code: '' };
  keepOutgoing([...outgoing.peek(), entry]);
  saidTyping = { roomId: '', at: 0 };
  flush(roomId);
}

const isSealed = (roomId) => rooms.peek().get(roomId)?.encrypted ?? true;

/** What is sent of a message: its words, or, in an encrypted room, what nobody but its people can read. */
async function bodyOf(roomId, messageId, text, files) {
  const attachments = files.map((file) => file.attachment_id);
  if (!isSealed(roomId)) return { text, attachments };
  return { cipher: await (await secrets()).seal(roomId, messageId, { text, files }), attachments };
}

/** Do it; again where the room's people or devices changed in the meantime, so that a newer key is needed. */
async function underNewestKey(roomId, work) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (refusal) {
      if (!(refusal instanceof Refusal) || refusal.code !== 'keys_outdated' || attempt === KEY_ATTEMPTS) throw refusal;
      (await secrets()).stale(roomId);
    }
  }
}

const underWay = new Set();
const laters = new Map();

/** Sends what waits in this room, one after another. */
async function flush(roomId) {
  if (underWay.has(roomId) || link.peek() !== 'up') return;
  underWay.add(roomId);
  clearTimeout(laters.get(roomId));
  try {
    for (let entry = nextIn(roomId); entry && link.peek() === 'up'; entry = nextIn(roomId)) {
      if (!(await post(entry))) break;
    }
  } finally {
    underWay.delete(roomId);
  }
}

const nextIn = (roomId) => outgoing.peek().find((each) => each.room_id === roomId && each.state === 'waiting');

/** Sends one; false where it has to wait. */
async function post(entry) {
  mark(entry.message_id, { state: 'sending', code: '' });
  try {
    const { room_id: roomId, message_id: messageId, reply_to: replyTo, text, files } = entry;
    const sent = await underNewestKey(roomId, async () =>
      ask('chat.message', { room_id: roomId, message_id: messageId, reply_to: replyTo, ...(await bodyOf(roomId, messageId, text, files)) }),
    );
    onMessage(sent);
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    const passes = PASSING.has(refusal.code);
    mark(entry.message_id, { state: passes ? 'waiting' : 'refused', code: refusal.code, message: refusal.message });
    if (passes) laters.set(entry.room_id, setTimeout(() => flush(entry.room_id), 1000 * (refusal.retryAfter ?? 2)));
    return !passes;
  }
}

function keepOutgoing(entries) {
  outgoing.value = entries;
  // What is encrypted on its way is not left in the clear here.
  sessionStorage.setItem(keptAs(), JSON.stringify(entries.filter((each) => !isSealed(each.room_id))));
}

const mark = (id, values) => keepOutgoing(outgoing.peek().map((each) => (each.message_id === id ? { ...each, ...values } : each)));

/** It is among the messages, so it is on its way no more. */
function arrived(id) {
  if (outgoing.peek().some((each) => each.message_id === id)) keepOutgoing(outgoing.peek().filter((each) => each.message_id !== id));
}

export function tryAgain(entry) {
  mark(entry.message_id, { state: 'waiting' });
  flush(entry.room_id);
}

/** What was refused for this may go now. */
export function retryRefused(roomId, code) {
  for (const each of outgoing.peek()) if (each.room_id === roomId && each.code === code) mark(each.message_id, { state: 'waiting' });
}

export const discard = (entry) => arrived(entry.message_id);

/** What a reload of the page left on its way. */
export function takeUpOutgoing() {
  const kept = JSON.parse(sessionStorage.getItem(keptAs()) ?? '[]');
  outgoing.value = kept.map((each) => (each.state === 'sending' ? { ...each, state: 'waiting' } : each));
}

/** Nobody is signed in any more: what waits is kept for when they are back. */
export function forgetAll() {
  for (const timer of laters.values()) clearTimeout(timer);
  talks.value = new Map();
  outgoing.value = [];
}

/** The server is there (again): everything that waits goes out. */
export function flushAll() {
  for (const roomId of new Set(outgoing.peek().map((each) => each.room_id))) {
    if (rooms.peek().has(roomId)) flush(roomId);
  }
}

export async function edit(message, text) {
  const { room_id: roomId, message_id: messageId, attachments } = message;
  const changed = await underNewestKey(roomId, async () => {
    const body = await bodyOf(roomId, messageId, text, isSealed(roomId) ? attachments : []);
    return ask('chat.edit', { room_id: roomId, message_id: messageId, text: body.text ?? '', cipher: body.cipher ?? '' });
  });
  onMessage(changed);
}

export const erase = (message) => ask('chat.delete', { room_id: message.room_id, message_id: message.message_id });

export const react = (message, emoji, on) => ask('chat.react', { room_id: message.room_id, message_id: message.message_id, emoji, on });

// --- files --------------------------------------------------------------------------------------------------------------------------

/** Upload one; `onPart` hears how much is there, 0-1. Resolves with what a message names. */
export async function upload(roomId, file, onPart) {
  const shown = { name: file.name.slice(-200), content_type: file.type || 'application/octet-stream', size: file.size };
  if (!isSealed(roomId)) return { attachment_id: await send(roomId, shown, file, onPart), ...shown };
  const { sealed, key, nonce } = await (await secrets()).sealFile(await file.arrayBuffer());
  const outside = { name: 'sealed', content_type: 'application/octet-stream', size: sealed.byteLength };
  return { attachment_id: await send(roomId, outside, sealed, onPart), ...shown, key, nonce };
}

/** Upload these bytes as what they shall be known by. Returns the id of the file. */
async function send(roomId, outside, body, onPart) {
  const ticket = await ask('chat.attach', { room_id: roomId, ...outside });
  await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = (event) => onPart(event.loaded / event.total);
    request.onload = () => (request.status === 201 ? resolve() : reject(new Refusal(problemOf(request))));
    request.onerror = () => reject(new Refusal({ code: 'server_unreachable' }));
    request.open('POST', ticket.url);
    request.setRequestHeader('content-type', outside.content_type);
    request.send(body);
  });
  return ticket.attachment_id;
}

function problemOf(request) {
  try {
    return JSON.parse(request.responseText).error;
  } catch {
    return { code: 'upload_refused' };
  }
}

/** The bytes of a message's file. */
export async function fetchFile(file, token) {
  let answer;
  try {
    answer = await fetch(`/api/v1/attachments/${file.attachment_id}`, { headers: { authorization: `Bearer ${token}` } });
  } catch {
    throw new Refusal({ code: 'server_unreachable' });
  }
  if (!answer.ok) throw new Refusal((await answer.json().catch(() => ({}))).error ?? { code: 'unknown_attachment' });
  if (!file.key) return answer.blob();
  const { Unreadable, openFile } = await secrets();
  try {
    return new Blob([await openFile(await answer.arrayBuffer(), file)], { type: file.content_type });
  } catch (error) {
    throw error instanceof Unreadable ? new Refusal({ code: 'file_damaged' }) : error;
  }
}

effect(() => {
  if (link.value === 'lost') for (const timer of laters.values()) clearTimeout(timer);
});
