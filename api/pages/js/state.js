/** What the server told us, as signals: the only truth the views draw. Notices are complete each time, so a lost one costs nothing. */
import { batch, computed, signal } from '@preact/signals';

const RECENT_KEPT = 30;
const TOLD_KEPT = 5;

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
/** The queues as last told, and who is to be called back. */
export const queues = signal([]);
export const callBacks = signal([]);
/** Why I take no calls, where somebody said so. */
export const breakReason = signal('');
/** The timed work on my last call; null where there is none. */
export const wrapUp = signal(null);
/** That work when I said that I am done with it, while I may take it up again; see `undo.js`. */
export const finished = signal(null);
/** For so many seconds what I did with a call may be taken back. */
export const undoFor = signal(0);
/** call id -> last `call.quality`. */
export const quality = signal({});
/** call id -> last `context.partial`: who is on the line. */
export const contexts = signal({});
/** call id -> last `ticket.written` of each ticket. */
export const ticketsWritten = signal({});
/** Appointments whose customers wait in their room. */
export const visitors = signal([]);
/** The others of the house, as presence tells of them; see `colleagues.js`. */
export const colleagues = signal([]);
/** Are calls recorded here? */
export const records = signal(false);
/** My wish for a supervisor's help: `{since, by}`. */
export const help = signal({ since: null, by: '' });
/** Can callers leave messages here? */
export const voicemail = signal(false);
/** How often something changed in a box of mine. */
export const voicemailChanges = signal(0);
/** What the house told me and I have not put away. */
export const told = signal([]);
/** call id -> keys the other side pressed. */
export const digitsHeard = signal({});
/** Server clock minus ours, seconds. */
let clockOffset = 0;

export const now = () => Date.now() / 1000 + clockOffset;
export const living = computed(() => calls.value.filter((call) => call.state !== 'ended'));
export const callOf = (callId) => calls.peek().find((call) => call.call_id === callId);
export const isOffered = (call) => call.direction === 'in' && call.state === 'ringing';
/** Is this call ours to carry? One offered to several people belongs to who accepted it, one that we monitor to the live board. */
export const isMine = (call) => {
  const own = me.peek()?.identity;
  return isOffered(call) || !call.agent || (call.agent === own && (call.came !== 'monitor' || call.by !== own));
};

/** A call that ended while we were away, as the record has it. */
function endOf(call, { recent: records, now: at }) {
  if (call.state === 'ended') return call;
  const record = records.find((known) => known.call_id === call.call_id);
  return record ?? { ...call, state: 'ended', ended_at: at, reason: null };
}

function work(notice) {
  wrapUp.value = (notice?.ends_at ?? null) === null ? null : notice;
  finished.value = (notice?.undo_until ?? 0) > now() ? notice : null;
}

const REDUCERS = {
  'session.snapshot': (notice) => {
    clockOffset = notice.now - Date.now() / 1000;
    me.value = { identity: notice.identity, name: notice.name, role: notice.role };
    available.value = notice.available;
    demo.value = notice.demo;
    records.value = notice.records ?? false;
    voicemail.value = notice.voicemail ?? false;
    lines.value = notice.lines;
    parkedAt.value = notice.parked ? { [notice.parked.node]: notice.parked.calls } : {};
    serverVersion.value = notice.server_version;
    work(notice.wrap_up);
    undoFor.value = notice.undo_s ?? 0;
    recent.value = notice.recent.filter((call) => call.state === 'ended');
    const alive = new Set(notice.calls.map((call) => call.call_id));
    const over = calls.value.filter((call) => !alive.has(call.call_id)).map((call) => endOf(call, notice));
    calls.value = [...over, ...notice.calls.filter((call) => call.state !== 'ended' && isMine(call))];
    ready.value = true;
  },
  'call.state': (notice) => {
    const others = calls.value.filter((call) => call.call_id !== notice.call_id);
    const known = others.length < calls.value.length;
    if (notice.state === 'ended' && isMine(notice)) remember(notice);
    if (!isMine(notice) || (notice.state === 'ended' && !known)) {
      calls.value = others;
      letGo();
    } else if (known) calls.value = calls.value.map((call) => (call.call_id === notice.call_id ? notice : call));
    else calls.value = [...others, notice];
  },
  'call.parked': ({ node, calls: waiting }) => {
    parkedAt.value = { ...parkedAt.value, [node]: waiting };
  },
  'queues.changed': (notice) => {
    queues.value = notice.queues;
    callBacks.value = notice.call_backs;
  },
  'wrap_up.state': work,
  'call.quality': (notice) => {
    quality.value = { ...quality.value, [notice.call_id]: notice };
  },
  'context.partial': (notice) => {
    contexts.value = { ...contexts.value, [notice.call_id]: notice };
  },
  'ticket.written': (notice) => {
    const same = (known) => known.what === notice.what && known.backend === notice.backend && known.title === notice.title;
    const others = (ticketsWritten.value[notice.call_id] ?? []).filter((known) => !same(known));
    ticketsWritten.value = { ...ticketsWritten.value, [notice.call_id]: [...others, notice] };
  },
  'appointment.changed': (notice) => {
    const others = visitors.value.filter((known) => known.appointment_id !== notice.appointment_id);
    visitors.value = notice.state === 'arrived' ? [...others, notice] : others;
  },
  'voicemail.changed': () => {
    voicemailChanges.value += 1;
  },
  'help.state': ({ since, by }) => {
    help.value = { since, by };
  },
  'house.told': (notice) => {
    told.value = [...told.value.filter((known) => known.id !== notice.id), notice].slice(-TOLD_KEPT);
  },
  'call.digit': (notice) => {
    const before = digitsHeard.value[notice.call_id] ?? '';
    digitsHeard.value = { ...digitsHeard.value, [notice.call_id]: (before + notice.digit).slice(-32) };
  },
  'presence.state': (notice) => {
    if (notice.identity !== me.value?.identity) {
      colleagues.value = colleagues.value.map((someone) => (someone.identity === notice.identity ? { ...someone, ...notice } : someone));
      return;
    }
    available.value = notice.available;
    breakReason.value = notice.available ? '' : notice.reason;
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

/** Put a word of the house away. */
export function putAway(id) {
  told.value = told.value.filter((known) => known.id !== id);
}

/** Nothing is kept of who was on the line in calls that are neither on the desk nor to be written up. A view asks anew for what it shows. */
function letGo() {
  const kept = new Set([wrapUp.value, ...calls.value].map((call) => call?.call_id));
  const left = (map) => Object.fromEntries(Object.entries(map).filter(([callId]) => kept.has(callId)));
  contexts.value = left(contexts.value);
  ticketsWritten.value = left(ticketsWritten.value);
}

/** Take an ended call off the desk. */
export function dismiss(callId) {
  const { [callId]: _quality, ...qualities } = quality.value;
  const { [callId]: _digits, ...digits } = digitsHeard.value;
  batch(() => {
    calls.value = calls.value.filter((call) => call.call_id !== callId);
    quality.value = qualities;
    letGo();
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
    queues.value = [];
    callBacks.value = [];
    wrapUp.value = null;
    finished.value = null;
    breakReason.value = '';
    colleagues.value = [];
    quality.value = {};
    contexts.value = {};
    ticketsWritten.value = {};
    visitors.value = [];
    help.value = { since: null, by: '' };
    digitsHeard.value = {};
  });
}
