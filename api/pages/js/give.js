/** Give a number to the telephone: to the tab that is it, else to a new one. There a person calls, or does not. */
import { isSomewhere } from './tab.js';

const CHANNEL = 'centralita-dial';
const AGAIN_MS = 200;
/** How long a tab may take that is known to be there, and one of which the browser says nothing. A click may open a window for some seconds. */
const PATIENCE_MS = { known: 3_000, unknown: 400 };

/** Has a tab that is the phone taken it? One that begins just now is asked again. */
async function taken(number, withinMs) {
  const channel = new BroadcastChannel(CHANNEL);
  const offer = () => channel.postMessage({ give: number });
  const again = setInterval(offer, AGAIN_MS);
  let patience = 0;
  try {
    return await new Promise((resolve) => {
      patience = setTimeout(() => resolve(false), withinMs);
      channel.onmessage = ({ data }) => data.taken === number && resolve(true);
      offer();
    });
  } finally {
    clearTimeout(patience);
    clearInterval(again);
    channel.close();
  }
}

/** True: another tab has it in its field; false: a new one was opened. */
export async function give(number) {
  const somewhere = await isSomewhere();
  if (somewhere !== false && (await taken(number, somewhere ? PATIENCE_MS.known : PATIENCE_MS.unknown))) return true;
  open(`/dial?${new URLSearchParams({ number })}`); // ours, so that it is signed in as this page is
  return false;
}
