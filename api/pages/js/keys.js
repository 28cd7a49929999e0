/** Shortcuts: Ctrl+Shift+letter, so that no single key acts by accident (WCAG 2.1.4); they can be turned off. Escape never ends a call. */
import { effect, signal } from '@preact/signals';
import { t } from './catalogue.js';
import { offered, say, who } from './attention.js';
import { accept, decline, hangUp, holdCall, isMuted, mute, press } from './phone.js';
import { keyTone } from './sound.js';
import { isOffered, living } from './state.js';
import { giveAway, padOf } from './views/call.js';

const KEPT = 'centralita.shortcuts';
export const shortcuts = signal(localStorage.getItem(KEPT) !== 'off');

export function setShortcuts(on) {
  localStorage.setItem(KEPT, on ? 'on' : 'off');
  shortcuts.value = on;
}

const carried = () => living.peek().find((call) => !isOffered(call));
const live = () => living.peek().find((call) => call.state === 'live');

/** letter -> [call it acts on, action, id of what is announced]. */
export const ACTIONS = {
  A: [() => offered.peek()[0], (call) => accept(call.call_id), () => 'said.accepted'],
  D: [() => offered.peek()[0], (call) => decline(call.call_id), () => 'said.declined'],
  M: [carried, (call) => mute(call.call_id, !isMuted(call)), (call) => (isMuted(call) ? 'said.unmuted' : 'said.muted')],
  H: [live, (call) => holdCall(call.call_id, !call.held), (call) => (call.held ? 'said.resumed' : 'said.held')],
  T: [live, (call) => giveAway(call.call_id), () => 'call.transfer'],
  E: [carried, (call) => hangUp(call.call_id), () => 'said.hung_up'],
};

function shortcut(event) {
  if (!shortcuts.peek() || !event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey || event.repeat) return false;
  const entry = ACTIONS[event.code.replace(/^Key/, '')];
  if (!entry) return false;
  const [find, act, announce] = entry;
  event.preventDefault();
  const call = find();
  say(call ? t(announce(call), { who: who(call) }) : t('said.nothing'));
  if (call) act(call);
  return true;
}

/** Digits typed while a call's keypad is open and no field has the focus go to the call. */
function digit(event) {
  const callId = padOf.peek();
  const typing = event.target.matches?.('input, textarea, select');
  if (!callId || typing || event.ctrlKey || event.altKey || event.metaKey || !/^[0-9*#]$/.test(event.key)) return;
  if (live()?.call_id !== callId) return;
  event.preventDefault();
  keyTone(event.key);
  press(callId, event.key);
}

/** Start listening to the keyboard. */
export function mindKeys() {
  document.addEventListener('keydown', (event) => shortcut(event) || digit(event));
  effect(() => {
    const open = padOf.value;
    if (open && !living.value.some((call) => call.call_id === open)) padOf.value = null;
  });
}
