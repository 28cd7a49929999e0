/** Which dialog of the desk is open: `settings`, `shortcuts`, `palette`, `sound-check`, `sign-in-again` or none. */
import { signal } from '@preact/signals';

export const opened = signal(null);
export const open = (name) => (opened.value = name);
export const shut = () => (opened.value = null);
