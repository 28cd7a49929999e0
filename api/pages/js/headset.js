/** The buttons of a headset (WebHID): answer, end, mute, and its lamps as the calls stand. Loaded once a headset was chosen. */
import { effect, signal } from '@preact/signals';
import { offered, say, who } from './attention.js';
import { t } from './catalogue.js';
import { buttonsOf, changes, isTelephone, lampsOf, layoutOf } from './headset_report.js';
import { accept, hangUp, isMuted, mute } from './phone.js';
import { isOffered, living } from './state.js';

const KEPT = 'centralita.headset';
const TELEPHONY = 0x0b;
/** So soon a headset's hook follows the lamps. */
const ECHO_MS = 1_000;

/** Its name while it is connected, else ''. */
export const headset = signal('');
let device = null;
let layout = null;
let before = null;
/** What the lamps said last: a hook switch that follows them is no press. */
let lamps = '';
let expected = null;

const carried = () => living.peek().find((call) => !isOffered(call));

const ON = {
  off_hook: () => {
    const [call] = offered.peek();
    if (call) tell('said.accepted', call, () => accept(call.call_id));
  },
  on_hook: () => {
    const call = carried();
    if (call) tell('said.hung_up', call, () => hangUp(call.call_id));
  },
  hook_pressed: () => (offered.peek()[0] ? ON.off_hook() : ON.on_hook()),
  drop: () => ON.on_hook(),
  mute: () => {
    const call = carried();
    if (call) tell(isMuted(call) ? 'said.unmuted' : 'said.muted', call, () => mute(call.call_id, !isMuted(call)));
  },
  flash: () => {},
};

function tell(id, call, work) {
  say(t(id, { who: who(call) }));
  work();
}

function heard({ reportId, data }) {
  const buttons = buttonsOf(layout, reportId, data);
  const went = changes(before, buttons);
  before = { ...before, ...buttons.pressed };
  for (const each of went) {
    const echoed = each === expected?.of && performance.now() < expected.until;
    if (echoed) expected = null;
    else ON[each]();
  }
}

/** The lamps, and with them what the headset takes its own hook for. */
function light() {
  const call = carried();
  const wanted = { off_hook: Boolean(call), ring: offered.peek().length > 0, mute: Boolean(call && isMuted(call)), hold: Boolean(call?.held) };
  const words = JSON.stringify(wanted);
  if (!device?.opened || words === lamps) return;
  const hook = before?.hook ?? false;
  expected = hook === wanted.off_hook ? null : { of: wanted.off_hook ? 'off_hook' : 'on_hook', until: performance.now() + ECHO_MS };
  lamps = words;
  for (const [reportId, data] of lampsOf(layout, wanted)) device.sendReport(reportId, data).catch(() => {}); // unplugged this instant
}

async function use(found) {
  const its = layoutOf(found.collections);
  if (!isTelephone(its)) return false;
  if (!found.opened) await found.open();
  [device, layout, before, lamps] = [found, its, null, ''];
  device.addEventListener('inputreport', heard);
  headset.value = found.productName;
  localStorage.setItem(KEPT, 'on');
  light();
  return true;
}

/** Choose one, from a click; false where nothing with a hook switch was chosen. */
export async function chooseHeadset() {
  for (const found of await navigator.hid.requestDevice({ filters: [{ usagePage: TELEPHONY }] })) if (await use(found)) return true;
  return false;
}

/** Let it go. */
export async function leaveHeadset() {
  localStorage.removeItem(KEPT);
  const left = device;
  gone();
  await left?.close();
}

function gone() {
  device?.removeEventListener('inputreport', heard);
  device = null;
  headset.value = '';
}

/** Those that were allowed before, now and when they are plugged in. */
export async function useKnown() {
  for (const found of await navigator.hid.getDevices()) if (await use(found)) break;
}

navigator.hid.addEventListener('connect', ({ device: found }) => device || use(found));
navigator.hid.addEventListener('disconnect', ({ device: left }) => left === device && gone());
effect(() => {
  offered.value;
  for (const call of living.value) isMuted(call);
  light();
});
