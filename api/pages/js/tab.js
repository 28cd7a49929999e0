/** One tab is the phone: two would take each other's calls over. The lock goes with the tab, so a reload has it at once. */
import { signal } from '@preact/signals';

const LOCK = 'centralita-phone';
const PATIENCE_MS = 700;

/** `asking`, `here`, `elsewhere`. */
export const tab = signal('asking');
let held = false;

/** Is some tab of ours the phone, or about to be? Null where the browser does not tell. */
export async function isSomewhere() {
  try {
    const { held: by, pending } = await navigator.locks.query();
    return [...by, ...pending].some((each) => each.name === LOCK);
  } catch {
    return null;
  }
}

/** Become the phone as soon as no other tab is; `steal` takes it now. `onLost` runs when another tab takes it from us. */
export function claim(onLost, { steal = false } = {}) {
  if (held || !navigator.locks) {
    tab.value = 'here';
    return;
  }
  const patience = setTimeout(() => {
    if (tab.peek() === 'asking') tab.value = 'elsewhere';
  }, PATIENCE_MS);
  navigator.locks
    .request(LOCK, { steal }, () => {
      clearTimeout(patience);
      tab.value = 'here';
      held = true;
      return new Promise(() => {});
    })
    .catch((error) => {
      held = false;
      if (error.name === 'SecurityError') {
        // A frame of another site that may keep nothing has no tabs to choose among: the server lets one phone in at a time.
        clearTimeout(patience);
        tab.value = 'here';
        return;
      }
      tab.value = 'elsewhere';
      onLost();
      claim(onLost);
    });
}
