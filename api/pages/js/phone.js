/** What a person does with calls, and which media follows: the page's one place where signalling and media meet. */
import { computed, effect, signal } from '@preact/signals';
import { chosen, devices } from './devices.js';
import * as chat from './chat.js';
import * as link from './link.js';
import * as microphone from './microphone.js';
import * as news from './news.js';
import { Peer } from './peer.js';
import { Refusal } from './session.js';
import * as state from './state.js';
import { tab } from './tab.js';
import * as website from './website.js';

/** Louder than this is sound and not the noise of a silent codec. */
const AUDIBLE_DBFS = -60;
const DISMISS_AFTER_MS = 8_000;
/** Refusals that say: this call has gone already. */
const OVER = new Set(['unknown_call', 'ended']);
/** Refusals that say: nobody has heard it. */
const UNHEARD = new Set(['no_reply', 'too_many_requests']);
const AGAIN_MS = 1_000;

/** call id -> `Peer`. */
export const peers = signal({});
/** call id -> `Refusal` of the last thing asked about it. */
export const trouble = signal({});
/** call id -> keys we sent. */
export const digitsSent = signal({});
/** Is a dial under way? */
export const dialing = signal(false);
/** One call at a time: the server would refuse a second one. */
export const canDial = computed(() => link.link.value === 'up' && !dialing.value && !state.living.value.some((call) => !state.isOffered(call)));
/** call id -> muted as the person wants it and the server does not know yet. */
const muteWish = signal({});
/** Calls this person has left, though the server may not know yet. */
const left = new Set();
/** The call that was last ended by a click here, to somebody who has a number. */
export const hungUp = signal(null);
/** Calls whose sound is on this page: dialled or accepted here, or brought here. Kept over a reload. */
const CARRIED = 'centralita.carried';
export const carried = signal(new Set(JSON.parse(sessionStorage.getItem(CARRIED) ?? '[]')));
/** Calls accepted by the click and not yet confirmed. */
export const accepting = signal(new Set());
/** Peers of calls being accepted here, until they have the call's sound. */
const claiming = new Set();
/** The peer of a dial whose call has no id yet. */
let pending = null;

export const isMuted = (call) => muteWish.value[call.call_id] ?? call.muted;

function carry(callId, here) {
  if (carried.peek().has(callId) === here) return;
  const others = [...carried.peek()].filter((each) => each !== callId);
  carried.value = new Set(here ? [...others, callId] : others);
  sessionStorage.setItem(CARRIED, JSON.stringify([...carried.peek()]));
}

function set(map, key, value) {
  const { [key]: _former, ...rest } = map.peek();
  map.value = value === undefined ? rest : { ...rest, [key]: value };
}

/** Run something asked about a call; its refusal is shown on the call's card. */
export async function about(callId, action) {
  try {
    await action();
    set(trouble, callId, undefined);
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    set(trouble, callId, refusal);
    return false;
  }
}

/** What must not be lost is asked again where nobody answered; a snapshot sees to it where the way to the server was broken. */
function againIfUnheard(callId, ask) {
  const refusal = trouble.peek()[callId];
  if (UNHEARD.has(refusal?.code)) setTimeout(ask, Math.max(AGAIN_MS, 1_000 * (refusal.retryAfter ?? 0)));
}

// Media follows calls.

/** What nobody waits for may be refused. */
function unlessRefused(error) {
  if (!(error instanceof Refusal)) throw error;
}

function makePeer() {
  const peer = new Peer({
    send: async (callId, peerId, sdp) => (await link.ask('peer.offer', { call_id: callId, peer_id: peerId, sdp })).sdp,
    onPath: (callId, path) => link.ask('peer.path', { call_id: callId, ...path }).catch(unlessRefused),
    onHeadset: (callId, said) => link.ask('peer.headset', { call_id: callId, ...said }).catch(unlessRefused),
    onDead: () => replace(peer),
    onTaken: () => yieldTo(peer),
  });
  return peer;
}

/** Another page of this person's has the call's sound now. While it rings that says nothing yet: who accepts here takes it back. */
function yieldTo(peer) {
  const call = state.callOf(peer.callId);
  if (!call || state.isOffered(call) || claiming.has(peer)) return;
  carry(peer.callId, false);
  detach(peer.callId);
}

/** Take a call's leg over with a new connection. */
function replace(dead) {
  const callId = dead.callId;
  dead.close();
  if (!callId || peers.peek()[callId] !== dead) return;
  attach(callId, makePeer());
}

function attach(callId, peer) {
  set(peers, callId, peer);
  peer.bind(callId);
  return peer;
}

function detach(callId) {
  peers.peek()[callId]?.close();
  set(peers, callId, undefined);
  microphone.release(callId);
}

/** The call of our dial has an id: told by the answer or by the first notice, whichever comes first. */
function adopt(callId) {
  if (!pending || peers.peek()[callId]) return;
  const peer = pending;
  pending = null;
  carry(callId, true);
  microphone.hold(callId);
  attach(callId, peer);
}

function markFirstAudio(peer) {
  peer.onLevel = (dbfs) => {
    if (dbfs < AUDIBLE_DBFS) return;
    peer.onLevel = null;
    performance.mark('first-audio', { detail: { callId: peer.callId } });
  };
}

/** Make media be as the call stands. */
function follow(call, before) {
  const callId = call.call_id;
  if (left.has(callId) || call.state === 'ended' || !state.isMine(call)) {
    detach(callId);
    if (call.state === 'ended') {
      if (left.delete(callId) && call.reason === 'completed' && call.answered_at && call.number && !call.mode) hungUp.value = call;
      carry(callId, false);
    }
    return;
  }
  if (call.direction === 'out') adopt(callId);
  if (call.came && call.state === 'live' && (before?.state ?? 'ended') === 'ended') carry(callId, true); // picked up, or joined by a telephone
  if (!state.isOffered(call) && !carried.peek().has(callId)) {
    detach(callId);
    return;
  }
  const peer = peers.peek()[callId] ?? attach(callId, makePeer());
  if (!state.isOffered(call)) microphone.hold(callId);
  if (call.state !== before?.state) {
    if (call.state === 'ringing') performance.mark('ringing', { detail: { callId } });
    if (call.state === 'live' && call.direction === 'out') markFirstAudio(peer);
  }
}

effect(() => {
  const held = microphone.track.value;
  for (const call of state.calls.value) {
    const peer = peers.value[call.call_id];
    if (peer) peer.speak(state.isOffered(call) ? null : held, !isMuted(call) && !call.held);
  }
});

effect(() => {
  chosen.value;
  devices.value;
  for (const peer of Object.values(peers.value)) peer.route();
});

window.addEventListener('online', () => Object.values(peers.peek()).forEach((peer) => peer.restart()));

// What the server tells.

const ON_NOTICE = {
  'session.closing': ({ code }) => {
    if (code !== 'taken_over') return;
    stop();
    tab.value = 'elsewhere';
  },
  'session.snapshot': (notice) => {
    const alive = new Set(notice.calls.map((call) => call.call_id));
    for (const callId of Object.keys(peers.peek())) if (!alive.has(callId)) detach(callId);
    for (const callId of carried.peek()) if (!alive.has(callId)) carry(callId, false);
    for (const call of notice.calls.filter(state.isMine)) {
      if (!state.isOffered(call)) carry(call.call_id, true);
      follow(call);
      const peer = peers.peek()[call.call_id];
      if (peer?.problem.peek()) peer.offer();
      else if (peer?.state.peek() === 'lost') peer.restart();
      if (left.has(call.call_id)) hangUp(call.call_id);
      const wish = muteWish.peek()[call.call_id];
      if (wish !== undefined && wish !== call.muted) mute(call.call_id, wish);
    }
  },
  'call.state': (notice, before) => {
    follow(notice, before);
    if (muteWish.peek()[notice.call_id] === notice.muted) set(muteWish, notice.call_id, undefined);
    if (notice.state !== 'ringing' && accepting.peek().has(notice.call_id)) {
      accepting.value = new Set([...accepting.peek()].filter((callId) => callId !== notice.call_id));
    }
    if (notice.state === 'ended') {
      set(trouble, notice.call_id, undefined);
      set(digitsSent, notice.call_id, undefined);
      // What was given to somebody else may come back meanwhile.
      if (['completed', 'transferred'].includes(notice.reason)) setTimeout(() => putAway(notice.call_id), DISMISS_AFTER_MS);
    }
  },
  'peer.reoffer': (notice) => peers.peek()[notice.call_id]?.offer({ iceRestart: notice.ice_restart }),
};

/** Take an ended call off the desk, once nobody writes about it any more. */
function putAway(callId) {
  if (state.callOf(callId)?.state !== 'ended') return;
  if (document.activeElement?.closest(`[data-call-id="${callId}"]`)) setTimeout(() => putAway(callId), DISMISS_AFTER_MS);
  else state.dismiss(callId);
}

/** Take one notice in: state first, then media. */
export function receive(notice) {
  const before = state.callOf(notice.call_id);
  news.receive(notice);
  state.receive(notice);
  chat.receive(notice);
  website.receive(notice);
  ON_NOTICE[notice.type]?.(notice, before);
}

// What the person does.

/** Call a number as typed or pasted; throws the `Refusal`. */
export async function dial(text) {
  performance.mark('dial-click');
  const number = text.trim().replace(/^tel:/i, '');
  for (const call of state.calls.peek()) if (call.state === 'ended') state.dismiss(call.call_id);
  dialing.value = true;
  const peer = makePeer();
  pending = peer;
  microphone.hold('dial');
  try {
    const { call_id: callId } = await link.ask('call.dial', { number });
    adopt(callId);
  } finally {
    if (pending === peer) {
      pending = null;
      peer.close();
    }
    microphone.release('dial');
    dialing.value = false;
  }
}

export async function accept(callId) {
  performance.mark('accept-click', { detail: { callId } });
  accepting.value = new Set([...accepting.peek(), callId]);
  carry(callId, true);
  const peer = peers.peek()[callId];
  if (peer) {
    claiming.add(peer);
    markFirstAudio(peer);
    peer.play();
  }
  microphone.hold(callId);
  if (await about(callId, () => link.ask('call.accept', { call_id: callId }))) {
    // Another page of ours that rang too may have the leg: then only a new connection gets it back.
    await peer?.offer();
    claiming.delete(peer);
    if (peer?.taken) replace(peer);
    return;
  }
  claiming.delete(peer);
  carry(callId, false);
  microphone.release(callId);
  accepting.value = new Set();
}

/** Bring a call's sound from another page of ours to this one. */
export function bring(callId) {
  carry(callId, true);
  follow(state.callOf(callId));
}

export async function decline(callId) {
  if (await about(callId, () => link.ask('call.decline', { call_id: callId }))) {
    left.add(callId);
    detach(callId);
    state.dismiss(callId);
  }
}

/** Leave a call now; the server hears of it as soon as it can. */
export async function hangUp(callId) {
  left.add(callId);
  detach(callId);
  const done = await about(callId, () => link.ask('call.hang_up', { call_id: callId }));
  if (!done && OVER.has(trouble.peek()[callId]?.code)) state.dismiss(callId);
  else if (!done) againIfUnheard(callId, () => left.has(callId) && state.callOf(callId)?.state !== 'ended' && hangUp(callId));
}

/** Mute at once here; the server follows. */
export async function mute(callId, muted) {
  set(muteWish, callId, muted);
  const done = await about(callId, () => link.ask('call.mute', { call_id: callId, muted }));
  if (done) return;
  const refusedBecauseOfUs = trouble.peek()[callId]?.code !== 'signalling_lost' && !UNHEARD.has(trouble.peek()[callId]?.code);
  if (refusedBecauseOfUs) set(muteWish, callId, undefined);
  else againIfUnheard(callId, () => muteWish.peek()[callId] === muted && mute(callId, muted));
}

export const holdCall = (callId, held) => about(callId, () => link.ask('call.hold', { call_id: callId, held }));

/** Take a parked call; throws the `Refusal`. */
export const pickUp = (callId) => link.ask('call.pick_up', { call_id: callId });

export async function press(callId, digits) {
  const before = digitsSent.peek()[callId] ?? '';
  set(digitsSent, callId, (before + digits).slice(-32));
  await about(callId, () => link.ask('call.digits', { call_id: callId, digits }));
}

export async function setAvailable(available) {
  await link.ask('presence.set', { available });
  state.available.value = available;
}

export const callMe = () => link.ask('demo.call_me');

/** Stop everything here (somebody signs out, or the phone moves to another tab). The server keeps the calls. */
export function stop() {
  link.close();
  for (const callId of Object.keys(peers.peek())) detach(callId);
  left.clear();
  hungUp.value = null;
  website.clear();
  state.clear();
}
