/**
 * The softphone in a frame of another site: what is said to that site and heard from it (docs/embedding.md). Loaded in a frame only. A host
 * puts a number into the field and asks how things stand; it dials, answers and ends nothing.
 */
import { effect } from '@preact/signals';
import { number, put } from './given.js';
import { session } from './session.js';
import { available, calls } from './state.js';

const VERSION = 1;
/** Sites that the server's settings name. */
const hosts = new Set(document.body.dataset.hosts.split(' ').filter(Boolean));
/** The one that holds us: as the browser says, else as its first word shows. */
let host = [...(location.ancestorOrigins ?? [])].find((origin) => hosts.has(origin)) ?? null;

function tell(event, more = {}) {
  if (host) window.parent.postMessage({ centralita: VERSION, event, ...more }, host);
}

const shownOf = ({ call_id, direction, state, number: other, name, started_at, answered_at, ended_at, reason }) => ({
  call_id, direction, state, number: other, name, started_at, answered_at, ended_at, reason,
});
const standing = () => ({ signed_in: Boolean(session.peek()), available: available.peek(), number: number.peek(), calls: calls.peek().map(shownOf) });

const DO = {
  hello: () => tell('ready', standing()),
  state: () => tell('state', standing()),
  number: ({ number: wanted }) => {
    if (typeof wanted !== 'string') return;
    put(wanted);
    document.getElementById('number')?.focus();
    tell('number', { number: number.peek() });
  },
};

window.addEventListener('message', ({ data, origin, source }) => {
  if (source !== window.parent || !hosts.has(origin) || data?.centralita !== VERSION || !Object.hasOwn(DO, data.do)) return;
  host = origin;
  DO[data.do](data);
});

const told = new Map();
effect(() => {
  for (const call of calls.value) {
    const shown = shownOf(call);
    const words = JSON.stringify(shown);
    if (told.get(call.call_id) === words) continue;
    told.set(call.call_id, words);
    tell('call', { call: shown });
  }
  for (const callId of told.keys()) if (!calls.value.some((call) => call.call_id === callId)) told.delete(callId);
});
effect(() => {
  tell('available', { available: available.value });
});
effect(() => {
  tell('session', { signed_in: Boolean(session.value) });
});
tell('ready', standing());
