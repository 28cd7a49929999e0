/** What the page knows, and how it does something that may be refused. */
import { signal } from '@preact/signals';
import { explain } from './words.js';

/** The token of the address, empty where one books anew. */
export const token = signal('');
/** One's own appointment, or null. */
export const mine = signal(null);
/** What was done, and why something was not. */
export const said = signal('');
export const wrong = signal('');
export const busy = signal(false);
/** Seconds since the epoch, moved on by the page's clock. */
export const now = signal(Date.now() / 1000);

let running = 0;

/**
 * Do it; say why where it was refused. `gone`: what to do besides where a time has gone. Nothing is left undone because something else is
 * being done: what must not be done twice at once has a button that waits while it is `busy`.
 */
export async function attempt(work, gone = () => {}) {
  running += 1;
  busy.value = true;
  said.value = wrong.value = '';
  try {
    await work();
  } catch (refusal) {
    wrong.value = refusal.code ?? 'unknown';
    if (wrong.value === 'slot_gone') await Promise.resolve(gone()).catch(() => {});
    if (!refusal.code) console.error(refusal);
  } finally {
    running -= 1;
    busy.value = running > 0;
  }
}

export const wrongWords = () => (wrong.value ? explain(wrong.value) : '');

/** To what is new on the page, for who does not see it. */
export const focusTitle = () => requestAnimationFrame(() => document.querySelector('#title')?.focus());
