/** What numbers are, asked of the server, which knows the numbering plans and who may be called. */
import { signal } from '@preact/signals';
import * as link from './link.js';
import { Refusal } from './session.js';

const MOST = 64;

/** number as typed -> what `number.look` said of it; the oldest are forgotten. */
const seen = signal(new Map());

/** What is known of this number now, or undefined. */
export const numberOf = (text) => seen.value.get(text.trim());

/** Have it looked at. What it is comes into `numberOf`; a server that does not answer leaves it unknown. */
export async function look(text) {
  const number = text.trim();
  if (!number || seen.peek().has(number)) return;
  try {
    const known = await link.ask('number.look', { number });
    seen.value = new Map([...seen.peek(), [number, known]].slice(-MOST));
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
  }
}
