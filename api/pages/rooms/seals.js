/** What this page knows of encrypted rooms before, and without, loading what encrypts: secrets.js is loaded for who is in one. */
import { signal } from '@preact/signals';
import { me, put } from './desk.js';

/** What was said in sealed messages, by `seal`: `{text, attachments}`, or `{fault}`. */
export const opened = signal(new Map());
/** By room: `{epoch, people: [{identity, ids, verified, changed}]}` of who is in, or `{fault}`. */
export const keyed = signal(new Map());
/** My devices, as `device.list` tells them, and which of them this browser is. */
export const devices = signal([]);
export const thisDevice = signal('');

const MOST_OPENED = 4_000;
const keptAs = () => `centralita.encrypted.${me.peek().identity}`;

export const secrets = () => import('./secrets.js');

/** One version of a message. */
export const sealOf = (message) => `${message.room_id}.${message.message_id}.${message.revision}`;

/** The message with what was in it; as it is where it was never sealed. */
export function unsealed(message) {
  if (!message.cipher) return message;
  return { ...message, text: '', attachments: [], ...(opened.value.get(sealOf(message)) ?? {}) };
}

/** Read what is sealed among these. */
export async function unseal(messages) {
  const news = messages.filter((each) => each.cipher && !opened.peek().has(sealOf(each)));
  if (!news.length) return;
  const { read } = await secrets();
  const found = await read(news);
  const next = new Map([...opened.peek(), ...found].slice(-MOST_OPENED));
  opened.value = next;
}

/**
 * A room that was once encrypted is so for ever, whatever the server says of it later: this page sends no words in the clear there.
 */
export function remembered(of) {
  const kept = new Set(JSON.parse(localStorage.getItem(keptAs()) ?? '[]'));
  if (of.encrypted && !kept.has(of.room_id)) localStorage.setItem(keptAs(), JSON.stringify([...kept, of.room_id]));
  return kept.has(of.room_id) ? { ...of, encrypted: true } : of;
}

export const tell = (roomId, values) => put(keyed, roomId, { ...(keyed.peek().get(roomId) ?? { epoch: 0, people: [] }), ...values });

export function forgetSeals() {
  opened.value = new Map();
  keyed.value = new Map();
  devices.value = [];
  thisDevice.value = '';
}
