/**
 * In a colleague's call: listening, whispering, barging in, taking over. The sound is on the page that asked for it.
 *
 * The microphone is asked for when somebody is to hear it, and given back when nobody is.
 */
import { effect, signal } from '@preact/signals';
import { t } from '../kit/words.js';
import { chosen, devices, survey } from '../js/devices.js';
import * as link from '../js/link.js';
import * as microphone from '../js/microphone.js';
import { Peer } from '../js/peer.js';
import { Refusal, session } from '../js/session.js';

/** The call whose sound is on this page, kept over a reload. */
const CARRIED = 'centralita.monitored';
const OURS = new Set(['monitor', 'take_over']);
let carried = sessionStorage.getItem(CARRIED) ?? '';

/** The call that we monitor or took over, as `call.state` tells it; null: none. */
export const mine = signal(null);
/** Its `Peer`, where its sound is on this page. */
export const peer = signal(null);
/** Silenced by ourselves, after a take-over. */
export const muted = signal(false);

const isHeard = (call) => Boolean(call) && call.mode !== 'listen';

function carry(callId) {
  carried = callId;
  if (callId) sessionStorage.setItem(CARRIED, callId);
  else sessionStorage.removeItem(CARRIED);
}

function detach() {
  peer.peek()?.close();
  peer.value = null;
  microphone.release('board');
}

function attach(callId) {
  const made = new Peer({
    send: async (id, peerId, sdp) => (await link.ask('peer.offer', { call_id: id, peer_id: peerId, sdp })).sdp,
    onDead: () => {
      if (peer.peek() !== made) return;
      detach();
      follow(mine.peek());
    },
    onTaken: () => {
      carry('');
      detach();
    },
  });
  peer.value = made;
  made.bind(callId);
}

/** Make the sound be as the call stands. */
function follow(call) {
  if (!call || call.call_id !== carried) {
    detach();
    return;
  }
  if (peer.peek()?.callId !== call.call_id) {
    detach();
    attach(call.call_id);
  }
  if (isHeard(call)) microphone.hold('board');
  else microphone.release('board');
}

effect(() => {
  const track = isHeard(mine.value) ? microphone.track.value : null;
  peer.value?.speak(track, !muted.value);
});

effect(() => {
  chosen.value;
  devices.value;
  peer.value?.route();
});

function take(call) {
  const ours = call.state !== 'ended' && OURS.has(call.came);
  if (ours) mine.value = call;
  else if (mine.peek()?.call_id === call.call_id) {
    mine.value = null;
    muted.value = false;
    carry('');
  }
  if (ours || call.call_id === peer.peek()?.callId) follow(mine.peek());
}

/** Take one notice in. */
export function receive(notice) {
  if (notice.type === 'session.snapshot') {
    mine.value = notice.calls.find((call) => call.state !== 'ended' && OURS.has(call.came)) ?? null;
    follow(mine.peek());
    if (peer.peek()?.state.peek() === 'lost') peer.peek().restart();
  }
  if (notice.type === 'call.state' && notice.agent === session.peek()?.identity) take(notice);
  if (notice.type === 'peer.reoffer' && peer.peek()?.callId === notice.call_id) peer.peek().offer({ iceRestart: notice.ice_restart });
}

/** Begin, or change how. Another call that we only monitor is left for it. Throws the `Refusal`. */
export async function monitor(callId, mode) {
  survey();
  const former = mine.peek();
  if (former?.mode && former.call_id !== callId) await leave();
  const before = carried;
  carry(callId);
  try {
    await link.ask('call.monitor', { call_id: callId, mode });
  } catch (refusal) {
    carry(before);
    throw refusal;
  }
  if (mine.peek()?.call_id === callId) follow(mine.peek());
}

/** Throws the `Refusal`. */
export async function takeOver(callId, agentStays) {
  const former = mine.peek();
  if (former?.mode && former.call_id !== callId) await leave();
  carry(callId);
  await link.ask('call.take_over', { call_id: callId, agent_stays: agentStays });
  if (mine.peek()?.call_id === callId) follow(mine.peek());
}

/** Out of the call; after a take-over it ends. */
export async function leave() {
  const call = mine.peek();
  detach();
  if (call) await link.ask('call.hang_up', { call_id: call.call_id });
}

/** Somebody signs out here. */
export function stop() {
  detach();
  carry('');
  mine.value = null;
}

/** What is to be said about the sound, or ''. */
export function trouble() {
  const call = mine.value;
  if (!call) return '';
  if (call.call_id !== carried) return t('mine.elsewhere');
  const refusal = peer.value?.problem.value;
  if (refusal instanceof Refusal) return t('mine.no_sound');
  if (isHeard(call) && microphone.problem.value) return t('mine.no_microphone');
  return peer.value?.state.value === 'lost' ? t('mine.lost') : '';
}
