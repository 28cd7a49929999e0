/** Leaving the page is asked about only where something would be lost: a call is anchored at the server and goes on, also through a reload. */
import { dialing } from './phone.js';

/** What is typed and neither kept at the server nor here. */
export const unkept = new Set();

/** From now on. */
export function mindLeaving() {
  window.addEventListener('beforeunload', (event) => {
    if (dialing.peek() || unkept.size) event.preventDefault();
  });
}
