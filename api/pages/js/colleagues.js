/** Who else is there, and what they do now: asked for once, then as presence tells. */
import * as link from './link.js';
import { Refusal } from './session.js';
import { colleagues, me } from './state.js';

export { colleagues };

const ASK_AGAIN_MS = 30_000;
/** Whom a list shows first: who can be had, then who is busy, then who is away. */
const ORDER = ['available', 'wrap_up', 'ringing', 'on_call', 'consulting', 'break', 'offline'];
const place = (someone) => ORDER.indexOf(someone.state);

async function look() {
  try {
    const { people } = await link.ask('presence.watch');
    colleagues.value = people.filter((someone) => someone.identity !== me.peek()?.identity);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // the next look tells
  }
}

/** Watch until the returned function is called. The server forgets who watches, so it is asked again. */
export function watchColleagues() {
  look();
  const timer = setInterval(look, ASK_AGAIN_MS);
  return () => clearInterval(timer);
}

export const sorted = (people) => [...people].sort((one, other) => place(one) - place(other) || one.name.localeCompare(other.name));
/** May a call be given to them? */
export const reachable = (someone) => someone.phones > 0;
