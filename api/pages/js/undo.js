/**
 * What one did a moment ago and may still take back, for some seconds (`calls.undo_s`) and with one key.
 *
 * That one is done with a call is taken back at the server, which has written nothing down until then: the agent works on it again, and
 * what rings meanwhile goes to somebody else. A call that was ended by a click is over at once, for both sides, and stays so. To keep the
 * other side on the line meanwhile would have them pay, and hold a line of ours, for seconds in which nobody talks, after every call; it
 * would leave somebody who was told goodbye in doubt whether they are still heard. What can truly be done is to call them again, so that is
 * what is offered, by that name; of a caller without a number nothing is.
 */
import { computed, effect, signal } from '@preact/signals';
import { alarm, say } from './attention.js';
import { explain, t } from './catalogue.js';
import { ask } from './link.js';
import { canDial, hungUp } from './phone.js';
import { Refusal } from './session.js';
import { finished, isOffered, living, now, undoFor } from './state.js';
import { call } from './views/dial.js';

/** `{call, until}` of the call that was ended last. */
const ended = signal(null);

/** `{what, callId, until, call}`: `what` is `call` or `work`; null: nothing can be taken back. What was done last comes first. */
export const undoable = computed(() => {
  if (living.value.some((each) => !isOffered(each))) return null;
  if (finished.value) return { what: 'work', callId: finished.value.call_id, until: finished.value.undo_until, call: null };
  return ended.value && canDial.value ? { what: 'call', callId: ended.value.call.call_id, ...ended.value } : null;
});

/** Forget what `map` holds when its time is over. */
function lapse(map, until) {
  const held = map.peek();
  setTimeout(() => map.peek() === held && (map.value = null), Math.max(0, until - now()) * 1000);
}

effect(() => {
  if (!hungUp.value || !undoFor.peek()) {
    ended.value = null;
    return;
  }
  const until = now() + undoFor.peek();
  ended.value = { call: hungUp.value, until };
  lapse(ended, until);
});

effect(() => {
  if (finished.value) lapse(finished, finished.value.undo_until);
});

/** Take it back. */
export async function undo() {
  const one = undoable.peek();
  ended.value = null;
  if (one?.what === 'call') await call(one.call.number);
  if (one?.what !== 'work') return;
  try {
    await ask('wrap_up.undo', { call_id: one.callId });
    say(t('said.undone'));
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
}
