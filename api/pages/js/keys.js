/**
 * Shortcuts: Ctrl+Shift+letter, so that no single key acts by accident (WCAG 2.1.4). Each letter can be changed, all of them turned off.
 * Ctrl+K opens the palette, ? the list of shortcuts; Escape never ends a call.
 */
import { effect, signal } from '@preact/signals';
import { explain, t } from './catalogue.js';
import { alarm, offered, say, who, writer } from './attention.js';
import { open, opened } from './opened.js';
import { accept, decline, hangUp, holdCall, isMuted, mute, press } from './phone.js';
import { keyTone } from './sound.js';
import { isOffered, living, wrapUp } from './state.js';
import { Refusal } from './session.js';
import { undo, undoable } from './undo.js';
import { giveAway, padOf } from './views/call.js';
import { take, waiting } from './website.js';

const KEPT = 'centralita.shortcuts';
const KEPT_LETTERS = 'centralita.shortcut_letters';
/** What the letters are unless somebody changed them. */
export const USUAL = { accept: 'A', decline: 'D', mute: 'M', hold: 'H', transfer: 'T', hang_up: 'E', note: 'N', undo: 'U' };

export const shortcuts = signal(localStorage.getItem(KEPT) !== 'off');
/** action -> letter. */
export const letters = signal({ ...USUAL, ...JSON.parse(localStorage.getItem(KEPT_LETTERS) ?? '{}') });

export function setShortcuts(on) {
  localStorage.setItem(KEPT, on ? 'on' : 'off');
  shortcuts.value = on;
}

/** Give an action another letter; who had it gets the one that is free now. False where it is no letter. */
export function setLetter(name, letter) {
  if (!/^[A-Z]$/.test(letter)) return false;
  const former = letters.peek();
  const owner = Object.keys(former).find((each) => former[each] === letter);
  letters.value = { ...former, ...(owner && { [owner]: former[name] }), [name]: letter };
  localStorage.setItem(KEPT_LETTERS, JSON.stringify(letters.peek()));
  return true;
}

export function usualLetters() {
  localStorage.removeItem(KEPT_LETTERS);
  letters.value = USUAL;
}

const carried = () => living.peek().find((call) => !isOffered(call));
const live = () => living.peek().find((call) => call.state === 'live');
const written = () => carried() ?? wrapUp.peek();

function writeNote(call) {
  document.getElementById(`note-${call.call_id}`)?.focus();
}

/** Take the chat of a visitor who waits. */
export async function takeChat(chat) {
  try {
    await take(chat.room_id);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
}

/** Who rings, or else who writes: one key takes either. */
const rings = () => offered.peek()[0] ?? waiting.peek()[0];

/** action -> [call it acts on, what it does, id of what is announced]. */
export const ACTIONS = {
  accept: [rings, (one) => (one.room ? takeChat(one) : accept(one.call_id)), () => 'said.accepted'],
  decline: [() => offered.peek()[0], (call) => decline(call.call_id), () => 'said.declined'],
  mute: [carried, (call) => mute(call.call_id, !isMuted(call)), (call) => (isMuted(call) ? 'said.unmuted' : 'said.muted')],
  hold: [live, (call) => holdCall(call.call_id, !call.held), (call) => (call.held ? 'said.resumed' : 'said.held')],
  transfer: [live, (call) => giveAway(call.call_id), () => 'call.transfer'],
  hang_up: [carried, (call) => hangUp(call.call_id), () => 'said.hung_up'],
  note: [written, writeNote, () => 'said.note'],
  undo: [() => undoable.peek(), undo, () => 'keys.undo'],
};

/** Do one of `ACTIONS`, and say what was done. */
export function act(name) {
  const [find, does, announce] = ACTIONS[name];
  const call = find();
  say(call ? t(announce(call), { who: call.room ? writer(call) : call.state ? who(call) : '' }) : t('said.nothing'));
  if (call) does(call);
}

const letterOf = (event) => event.code.replace(/^Key/, '');
const isTyping = (event) => event.target.matches?.('input, textarea, select') ?? false;

function shortcut(event) {
  if (!event.ctrlKey || event.altKey || event.metaKey || event.repeat) return false;
  if (event.shiftKey ? !shortcuts.peek() : letterOf(event) !== 'K') return false;
  const name = event.shiftKey && Object.keys(ACTIONS).find((each) => letters.peek()[each] === letterOf(event));
  if (event.shiftKey && !name) return false;
  event.preventDefault();
  if (name) act(name);
  else open('palette');
  return true;
}

function help(event) {
  if (event.key !== '?' || !shortcuts.peek() || isTyping(event) || event.ctrlKey || event.altKey || event.metaKey || opened.peek()) return false;
  event.preventDefault();
  open('shortcuts');
  return true;
}

/** Digits typed while a call's keypad is open and no field has the focus go to the call. */
function digit(event) {
  const callId = padOf.peek();
  if (!callId || isTyping(event) || event.ctrlKey || event.altKey || event.metaKey || !/^[0-9*#A-D]$/.test(event.key)) return;
  if (live()?.call_id !== callId) return;
  event.preventDefault();
  keyTone(event.key);
  press(callId, event.key);
}

/** Start listening to the keyboard. */
export function mindKeys() {
  document.addEventListener('keydown', (event) => shortcut(event) || help(event) || digit(event));
  effect(() => {
    const open = padOf.value;
    if (open && !living.value.some((call) => call.call_id === open)) padOf.value = null;
  });
}
