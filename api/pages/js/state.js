/** What the server told us, as signals: the only truth the views draw. Notices are complete each time, so a lost one costs nothing. */
import { batch, computed, signal } from '@preact/signals';

const RECENT_KEPT = 30;

export const me = signal(null);
export const available = signal(false);
export const demo = signal(false);
export const ready = signal(false);
export const serverVersion = signal('');
/** `{trunk, ready, detail}` of each telephone line. */
export const lines = signal([]);
/** Calls as `call.state` tells them, oldest first; an ended one stays until dismissed. */
export const calls = signal([]);
export const recent = signal([]);
const parkedAt = signal({});
/** Calls that may be picked up, of all nodes. */
export const parked = computed(() => Object.values(parkedAt.value).flat());
/** call id -> last `call.quality`. */
export const quality = signal({});
/** call id -> keys the other side pressed. */
export const digitsHeard = signal({});
/** Server clock minus ours, seconds. */
let clockOffset = 0;

export const now = () => Date.now() / 1000 + clockOffset;
export const living = computed(() => calls.value.filter((call) => call.state !== 'ended'));
export const callOf = (callId) => calls.peek().find((call) => call.call_id === callId);
export const isOffered = (call) => call.direction === 'in' && call.state === 'ringing';
/** Is this call ours to carry? One offered to several people belongs to who accepted it. */
export const isMine = (call) => isOffered(call) || !call.agent || call.agent === me.peek()?.identity;

/** A call that ended while we were away, as the record has it. */
function endOf(call, { recent: records, now: at }) {
  if (call.state === 'ended') return call;
  const record = records.find((known) => known.call_id === call.call_id);
  return record ?? { ...call, state: 'ended', ended_at: at, reason: null };
}

const REDUCERS = {
  'session.snapshot': (notice) => {
    clockOffset = notice.now - Date.now() / 1000;
    me.value = { identity: notice.identity, name: notice.name, role: notice.role };
    available.value = notice.available;
    demo.value = notice.demo;
    lines.value = notice.lines;
    parkedAt.value = notice.parked ? { [notice.parked.node]: notice.parked.calls } : {};
    serverVersion.value = notice.server_version;
    recent.value = notice.recent.filter((call) => call.state === 'ended');
    const alive = new Set(notice.calls.map((call) => call.call_id));
    const over = calls.value.filter((call) => !alive.has(call.call_id)).map((call) => endOf(call, notice));
    calls.value = [...over, ...notice.calls.filter((call) => call.state !== 'ended')];
    ready.value = true;
  },
  'call.state': (notice) => {
    const others = calls.value.filter((call) => call.call_id !== notice.call_id);
    const known = others.length < calls.value.length;
    if (notice.state === 'ended' && isMine(notice)) remember(notice);
    if (!isMine(notice) || (notice.state === 'ended' && !known)) calls.value = others;
    else if (known) calls.value = calls.value.map((call) => (call.call_id === notice.call_id ? notice : call));
    else calls.value = [...others, notice];
  },
  'call.parked': ({ node, calls: waiting }) => {
    parkedAt.value = { ...parkedAt.value, [node]: waiting };
  },
  'call.quality': (notice) => {
    quality.value = { ...quality.value, [notice.call_id]: notice };
  },
  'call.digit': (notice) => {
    const before = digitsHeard.value[notice.call_id] ?? '';
    digitsHeard.value = { ...digitsHeard.value, [notice.call_id]: (before + notice.digit).slice(-32) };
  },
  'presence.state': (notice) => {
    if (notice.identity === me.value?.identity) available.value = notice.available;
  },
  'line.state': (notice) => {
    const others = lines.value.filter((line) => line.trunk !== notice.trunk);
    lines.value = [...others, notice];
  },
};

function remember(call) {
  const others = recent.value.filter((known) => known.call_id !== call.call_id);
  recent.value = [call, ...others].slice(0, RECENT_KEPT);
}

/** Take one notice in. Types this page does not know are for a newer one. */
export function receive(notice) {
  batch(() => REDUCERS[notice.type]?.(notice));
}

/** Take an ended call off the desk. */
export function dismiss(callId) {
  const { [callId]: _quality, ...qualities } = quality.value;
  const { [callId]: _digits, ...digits } = digitsHeard.value;
  batch(() => {
    calls.value = calls.value.filter((call) => call.call_id !== callId);
    quality.value = qualities;
    digitsHeard.value = digits;
  });
}

/** Forget everything: somebody else may sign in here. */
export function clear() {
  batch(() => {
    me.value = null;
    ready.value = false;
    calls.value = [];
    recent.value = [];
    lines.value = [];
    parkedAt.value = {};
    quality.value = {};
    digitsHeard.value = {};
  });
}
