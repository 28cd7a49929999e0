/** The screen stays on during a call: a computer that falls asleep takes the call's sound with it (Screen Wake Lock). */
import { computed, effect } from '@preact/signals';
import { isOffered, living } from './state.js';

const talking = computed(() => living.value.some((call) => !isOffered(call)));
let held = null;

async function hold() {
  if (held || !talking.peek() || document.hidden) return;
  try {
    held = await navigator.wakeLock.request('screen');
  } catch {
    return; // the battery is low: the system decides
  }
  held.addEventListener('release', () => (held = null));
  if (!talking.peek()) held?.release();
}

/** From now on. */
export function stayAwake() {
  if (!navigator.wakeLock || document.featurePolicy?.allowsFeature('screen-wake-lock') === false) return; // a frame's host may not let us
  effect(() => {
    if (talking.value) hold();
    else held?.release();
  });
  document.addEventListener('visibilitychange', hold); // the lock is lost with the sight of the page
}
