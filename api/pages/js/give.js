/** Give a number to the telephone: to the tab that is it, else to a new one. There a person calls, or does not. */
const CHANNEL = 'centralita-dial';
const PATIENCE_MS = 400;

/** True: another tab has it in its field; false: a new one was opened. */
export async function give(number) {
  const channel = new BroadcastChannel(CHANNEL);
  try {
    const taken = await new Promise((resolve) => {
      const patience = setTimeout(() => resolve(false), PATIENCE_MS);
      channel.onmessage = ({ data }) => {
        if (data.taken !== number) return;
        clearTimeout(patience);
        resolve(true);
      };
      channel.postMessage({ give: number });
    });
    if (!taken) open(`/dial?${new URLSearchParams({ number })}`); // ours, so that it is signed in as this page is
    return taken;
  } finally {
    channel.close();
  }
}
