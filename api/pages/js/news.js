/**
 * The soft sound of news that come while one does something else: a visitor of the website or a colleague wrote, a customer came to an
 * appointment, the house says something. What rings has a sound of its own; where the person is just reading what is new, there is none.
 */
import { signal } from '@preact/signals';
import { rooms, talks } from './chat.js';
import { ringing, softly } from './sound.js';
import { living, me } from './state.js';
import { chats, said } from './website.js';

const KEPT = 'centralita.news_sound';
/** Several at once are one sound. */
const APART_MS = 2_000;

export const sounding = signal(localStorage.getItem(KEPT) !== 'off');
let last = -APART_MS;

export function setSounding(on) {
  localStorage.setItem(KEPT, on ? 'on' : 'off');
  sounding.value = on;
}

const isRead = (part) => document.hasFocus() && Boolean(document.activeElement?.closest(part));

function isNewMessage({ room_id: roomId, message_id: id, revision, sender }) {
  if (revision > 1 || sender === me.peek()?.identity) return false;
  const known = said.peek()[roomId] ?? talks.peek()[roomId] ?? [];
  if (known.some((each) => each.message_id === id)) return false;
  if (chats.peek().some((chat) => chat.room_id === roomId)) return !isRead(`[data-part="website-chat"][data-room-id="${roomId}"]`);
  return Boolean(rooms.peek()[roomId]) && !isRead('[data-part="supervisor"]');
}

const IS_NEWS = {
  'chat.message': isNewMessage,
  'house.told': () => true,
  'appointment.changed': ({ state }) => state === 'arrived',
};

/** Hear of a notice before it is taken in. */
export function receive(notice) {
  if (!sounding.peek() || ringing.peek() || performance.now() - last < APART_MS || !IS_NEWS[notice.type]?.(notice)) return;
  last = performance.now();
  softly({ inCall: living.peek().length > 0 });
}
