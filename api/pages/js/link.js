/** The signalling connection: requests with their answers, notices as they come. Media does not depend on it. */
import { effect, signal } from '@preact/signals';
import { io } from 'socket.io-client';
import { Refusal, forget, keep, lapsed, session } from './session.js';

const CONNECT_WITHIN_MS = 5_000;
const ANSWER_WITHIN_MS = 10_000;
const REFRESH_AT = 0.6;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Refusals that only a new sign-in cures. */
const SESSION_OVER = new Set(['token_expired', 'token_invalid', 'token_revoked']);

/** `connecting`, `up` or `lost`. */
export const link = signal('connecting');
let socket = null;
let refreshTimer = 0;
/** Why the server closed, where it said so. */
let closing = null;
/** Last sequence number seen of each topic, told on reconnect. */
const seen = {};

/** Connect with the session's token; `onNotice` gets every notice. */
export function open(onNotice, phone) {
  close();
  link.value = 'connecting';
  socket = io({
    auth: (give) => give({ token: session.peek()?.token ?? '', seen, phone }),
    transports: ['websocket'],
    timeout: CONNECT_WITHIN_MS,
    reconnectionDelay: 300,
    reconnectionDelayMax: 3_000,
  });
  socket.on('connect', () => {
    link.value = 'up';
    closing = null;
    plan();
  });
  socket.on('disconnect', (reason) => {
    link.value = 'lost';
    // The server closed on purpose: socket.io leaves it to us to come back.
    if (reason === 'io server disconnect') again(closing?.retry_after ?? 1);
  });
  socket.on('connect_error', refused);
  socket.on('notice', (notice) => {
    if (notice.type === 'session.closing') take(notice);
    if (notice.type === 'session.snapshot') Object.assign(seen, notice.seen);
    seen[notice.topic] = notice.seq;
    onNotice(notice);
  });
}

/** Come back by ourselves after `seconds`. */
function again(seconds) {
  const left = socket;
  setTimeout(() => left === socket && left?.connect(), seconds * 1000);
}

/** The server's last word before it disconnects. */
function take(notice) {
  closing = notice;
  if (SESSION_OVER.has(notice.code)) expire();
}

function expire() {
  close();
  forget('session_expired');
}

function refused(error) {
  if (SESSION_OVER.has(error.data?.code)) {
    expire();
    return;
  }
  link.value = 'lost';
  // A refusal by the server ends socket.io's own attempts; a failed transport does not.
  if (!socket.active) again(error.data?.retry_after ?? 2);
}

export function close() {
  clearTimeout(refreshTimer);
  socket?.removeAllListeners();
  socket?.disconnect();
  socket = null;
  for (const topic of Object.keys(seen)) delete seen[topic];
}

/** Ask for something: resolves with the result, rejects with a `Refusal`. */
export async function ask(type, payload = {}) {
  if (!socket?.connected) throw new Refusal({ code: 'signalling_lost' });
  let answer;
  try {
    answer = await socket.timeout(ANSWER_WITHIN_MS).emitWithAck(type, payload);
  } catch {
    throw new Refusal({ code: 'no_reply' });
  }
  if (answer?.error) throw new Refusal(answer.error);
  return answer?.ok ?? {};
}

/** Renew the token when 60 % of its life is over. */
function plan() {
  clearTimeout(refreshTimer);
  const held = session.peek();
  if (!held) return;
  const left = held.got_at + held.expires_in * REFRESH_AT - Date.now() / 1000;
  refreshTimer = setTimeout(refresh, Math.min(Math.max(1, left) * 1000, LONGEST_TIMER_MS));
}

async function refresh() {
  try {
    keep(await ask('session.refresh'));
    plan();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    if (SESSION_OVER.has(refusal.code)) expire();
    else refreshTimer = setTimeout(refresh, 5_000);
  }
}

export const isOpen = () => socket !== null;

// A session that is over while a call goes on: nothing can be asked until somebody has signed in again.
effect(() => {
  if (!lapsed.value) return;
  close();
  link.value = 'lost';
});
