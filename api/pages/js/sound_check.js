/** Does my sound get through? The server that carries calls sends it back for some seconds; what was measured becomes one verdict. */
import { signal } from '@preact/signals';
import { listen } from './level.js';
import * as link from './link.js';
import * as microphone from './microphone.js';
import { Peer } from './peer.js';
import { Refusal } from './session.js';

const HOLDER = 'sound-check';
export const LISTEN_MS = 6_000;
const CONNECT_WITHIN_MS = 15_000;
/** Softer than this nobody spoke, or nothing came back. */
const SPOKEN_DBFS = -50;
/** From where on a figure is what is wrong: those of the supervisors' alerts. */
const BOUNDS = { loss: 0.03, round_trip_ms: 400, jitter_ms: 30 };
const GOOD_MOS = 4;
const FAIR_MOS = 3.5;

/** `{ state: 'connecting' | 'listening' | 'over', since, verdict, refusal }` or null. */
export const check = signal(null);
let running = null;

const above = (value, bound) => value !== null && value !== undefined && value > bound;
const least = (...values) => {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? Math.min(...known) : null;
};

/**
 * `{ why, tone, mos, loss, round_trip_ms, jitter_ms }`: one reason, the one whose cure comes first. `seen`: `connected`, the loudest that
 * was `spoken` and `heard` in dBFS, what the server `measured`, and `own`: what the browser counts.
 */
export function judge({ connected, problem, spoken, heard, measured, own }) {
  const { up, down } = measured ?? {};
  const loss_down = own?.loss ?? down?.loss ?? null;
  const figures = {
    mos: least(up?.mos, down?.mos),
    loss: [up?.loss, loss_down].some((value) => value !== null && value !== undefined) ? Math.max(up?.loss ?? 0, loss_down ?? 0) : null,
    round_trip_ms: own?.round_trip_ms ?? measured?.round_trip_ms ?? null,
    jitter_ms: Math.max(up?.jitter_ms ?? 0, own?.jitter_ms ?? 0),
  };
  const reasons = [
    [!connected || !measured || up.packets === 0, 'unconnected'],
    [Boolean(problem), 'microphone'],
    [spoken < SPOKEN_DBFS, 'silent'],
    [heard < SPOKEN_DBFS, 'unheard'],
    [above(up?.loss, BOUNDS.loss), 'loss_up'],
    [above(loss_down, BOUNDS.loss), 'loss_down'],
    [above(figures.round_trip_ms, BOUNDS.round_trip_ms), 'delay'],
    [above(figures.jitter_ms, BOUNDS.jitter_ms), 'jitter'],
    [figures.mos !== null && figures.mos < FAIR_MOS, 'poor'],
    [own?.relayed, 'relayed'],
    [figures.mos !== null && figures.mos < GOOD_MOS, 'fair'],
  ];
  const why = reasons.find(([is]) => is)?.[1] ?? 'good';
  const tone = why === 'good' ? 'good' : ['relayed', 'fair'].includes(why) ? 'warn' : 'bad';
  return { why, tone, ...figures };
}

async function counted(peer) {
  const { inbound, pair } = await peer.counters();
  if (!inbound) return null;
  const report = await peer.pc.getStats(null);
  const local = pair && report.get(pair.localCandidateId);
  const expected = inbound.packetsReceived + inbound.packetsLost;
  return {
    loss: expected > 0 ? Math.max(0, inbound.packetsLost) / expected : null,
    jitter_ms: (inbound.jitter ?? 0) * 1000,
    round_trip_ms: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    relayed: Boolean(local) && (local.candidateType === 'relay' || local.protocol === 'tcp'),
  };
}

/** Resolves when `peer` is up, or false when it took too long, or this turn is over. */
function connected(peer, turn) {
  return new Promise((resolve) => {
    const done = (is) => {
      clearTimeout(timer);
      stop();
      refused();
      resolve(is && running === turn);
    };
    const timer = setTimeout(done, CONNECT_WITHIN_MS, false);
    let stop = () => {};
    let refused = () => {};
    stop = peer.state.subscribe((state) => state === 'up' && queueMicrotask(() => done(true)));
    refused = peer.problem.subscribe((problem) => problem && queueMicrotask(() => done(false)));
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Run one; a former one is given up. */
export async function runCheck() {
  stopCheck();
  const turn = {};
  running = turn;
  check.value = { state: 'connecting', since: Date.now() };
  await microphone.hold(HOLDER);
  if (running !== turn) return;
  let id = null;
  const send = async (_callId, peerId, sdp) => {
    const opened = await link.ask('sound.check', { peer_id: peerId, sdp });
    id = opened.check_id;
    return opened.sdp;
  };
  const peer = new Peer({ send, onDead: () => {}, onTaken: () => {} });
  turn.end = () => peer.close();
  let [spoken, heard] = [-100, -100];
  peer.onLevel = (dbfs) => (heard = Math.max(heard, dbfs));
  peer.speak(microphone.track.peek(), true);
  const stopLevel = microphone.track.peek() ? listen(microphone.track.peek(), (dbfs) => (spoken = Math.max(spoken, dbfs))) : () => {};
  peer.bind(HOLDER);
  const isUp = await connected(peer, turn);
  if (isUp) {
    check.value = { state: 'listening', since: Date.now() };
    await pause(LISTEN_MS);
  }
  stopLevel();
  if (running !== turn) return;
  const refusal = peer.problem.peek();
  const own = isUp ? await counted(peer) : null;
  const measured = id ? await link.ask('sound.checked', { check_id: id }).catch(unlessRefused) : null;
  if (running !== turn) return;
  const problem = microphone.problem.peek();
  check.value = { state: 'over', refusal, verdict: judge({ connected: isUp, problem, spoken, heard, measured, own }) };
  finish();
}

function unlessRefused(refusal) {
  if (!(refusal instanceof Refusal)) throw refusal;
  return null;
}

function finish() {
  running?.end?.();
  running = null;
  microphone.release(HOLDER);
}

/** Give it up: nothing of it stays. The server ends its part by itself. */
export function stopCheck() {
  if (running) finish();
  check.value = null;
}
