/**
 * What runs, as the server tells it. Each call is a signal of its own, so that one second of one call touches its own cells; what a second
 * brings is taken in at once, in one frame, however many notices it came in.
 *
 * The server tells once a second what changed. Whoever sees by the sequence numbers that a notice was missed, and everybody once a minute,
 * asks for everything anew.
 */
import { batch, computed, effect, signal } from '@preact/signals';
import * as link from '../js/link.js';
import { Refusal, session } from '../js/session.js';
import { language } from '../kit/words.js';
import { hears, lowest } from './verdict.js';

const ASK_EVERY_MS = 60_000;
const CLOCK_MS = 1_000;
/** After so long without a word what is shown is what was: the server says something every two seconds. */
export const STALE_S = 5;

/** Calls by id, each a signal. */
export const calls = new Map();
/** Which there are, in the order in which they came. */
export const ids = signal([]);
export const total = signal(0);
export const nodes = signal([]);
export const queues = signal([]);
/** What a queue is called in the language of the page. */
export const titleOf = (name) => {
  const titles = queues.value.find((queue) => queue.name === name)?.titles ?? {};
  return titles[language.value] || Object.values(titles)[0] || name;
};
export const callBacks = signal([]);
export const people = signal(new Map());
export const alerts = signal([]);
/** Were we told how things are? Else why not: a `Refusal`, or null. */
export const known = signal(false);
export const refused = signal(null);
/** What the server's clock shows, by ours; seconds. */
export const clock = signal(Date.now() / 1000);
/** When we last heard of the board, by our own clock; 0: never. */
export const heard = signal(0);
/** How old what is shown is, in s. */
export const age = computed(() => (heard.value ? Math.max(0, Math.floor(clock.value - ahead - heard.value)) : 0));
export const stale = computed(() => link.link.value === 'lost' || age.value >= STALE_S);
/** All calls, for who counts them: changes at most once a frame. */
export const all = signal([]);
/** What the notice was told at that is on the screen now. */
export const shownAt = signal(0);

let ahead = 0;
let last = null;
let asking = 0;
let ticking = 0;
let frame = 0;
let waiting = null;

const blank = () => ({ calls: new Map(), gone: new Set(), whole: false, at: 0, total: 0, nodes: [], alerts: null });

function take(notice, whole) {
  waiting ??= blank();
  if (whole) waiting = { ...blank(), whole };
  for (const call of notice.calls) {
    waiting.calls.set(call.call_id, call);
    waiting.gone.delete(call.call_id);
  }
  for (const id of notice.gone ?? []) {
    waiting.gone.add(id);
    waiting.calls.delete(id);
  }
  Object.assign(waiting, { at: notice.at, total: notice.total, nodes: notice.nodes, alerts: notice.alerts ?? waiting.alerts });
  heard.value = Date.now() / 1000;
  ahead = notice.at - heard.peek();
  frame ||= requestAnimationFrame(show);
}

/** At most once a frame. */
function show() {
  frame = 0;
  const told = waiting;
  waiting = null;
  if (!told) return;
  batch(() => {
    let moved = told.whole;
    if (told.whole) for (const id of calls.keys()) if (!told.calls.has(id)) calls.delete(id);
    for (const id of told.gone) moved = calls.delete(id) || moved;
    for (const [id, call] of told.calls) {
      const of = calls.get(id);
      if (of) of.value = call;
      else {
        calls.set(id, signal(call));
        moved = true;
      }
    }
    if (moved) ids.value = [...calls.keys()];
    all.value = [...calls.values()].map((of) => of.peek());
    total.value = told.total;
    nodes.value = told.nodes ?? [];
    if (told.alerts) alerts.value = told.alerts;
    shownAt.value = told.at;
    clock.value = Date.now() / 1000 + ahead;
    known.value = true;
  });
}

async function askForAll() {
  clearTimeout(asking);
  asking = setTimeout(askForAll, ASK_EVERY_MS);
  last = null;
  try {
    take(await link.ask('board.watch'), true);
    refused.value = null;
    const [now, there] = await Promise.all([link.ask('queues.watch'), link.ask('presence.watch')]);
    batch(() => {
      queues.value = now.queues;
      callBacks.value = now.call_backs;
      people.value = new Map(there.people.map((each) => [each.identity, each]));
    });
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    refused.value = refusal;
  }
}

/** Take one notice in. */
export function receive(notice) {
  if (notice.type === 'session.snapshot') askForAll();
  if (notice.type === 'queues.changed') {
    queues.value = notice.queues;
    callBacks.value = notice.call_backs;
  }
  if (notice.type === 'presence.changed') {
    const next = new Map(people.peek());
    for (const each of notice.people) next.set(each.identity, each);
    people.value = next;
  }
  if (notice.type !== 'board.changed') return;
  if (last !== null && notice.seq !== last + 1) askForAll();
  last = notice.seq;
  take(notice, false);
}

function forget() {
  clearTimeout(asking);
  waiting = null;
  batch(() => {
    calls.clear();
    [ids.value, all.value, queues.value, callBacks.value, alerts.value, nodes.value] = [[], [], [], [], [], []];
    people.value = new Map();
    total.value = 0;
    heard.value = 0;
    known.value = false;
    refused.value = null;
  });
}

/** Watch from now on, while somebody is signed in; `also(notice)` hears too. */
export function watch(also) {
  effect(() => {
    const open = Boolean(session.value);
    if (open && !link.isOpen()) {
      link.open((notice) => {
        also(notice);
        receive(notice);
      }, false);
      ticking = setInterval(() => (clock.value = Date.now() / 1000 + ahead), CLOCK_MS);
    }
    if (!open) {
      link.close();
      clearInterval(ticking);
      forget();
    }
  });
}

const at = (sorted, share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null);

/** What a row of numbers says of all calls. */
export const summary = computed(() => {
  const live = all.value.filter((call) => call.state === 'live');
  const scores = live.map(lowest).filter((mos) => mos !== null).sort((one, other) => one - other);
  const states = new Map();
  for (const each of people.value.values()) if (each.online || each.state !== 'offline') states.set(each.state, (states.get(each.state) ?? 0) + 1);
  const since = queues.value.map((queue) => queue.longest_since).filter((each) => each !== null);
  return {
    bad: all.value.filter((call) => call.hop).length,
    p50: at(scores, 0.5),
    p10: at(scores, 0.1),
    measured: scores.length,
    waiting: queues.value.reduce((sum, queue) => sum + queue.waiting, 0),
    since: since.length ? Math.min(...since) : null,
    states,
  };
});

export { hears, lowest };
