/** The number in the field of the phone: typed there, or given by a link (`/dial?number=`, `tel:`) or another page of ours (`give.js`). No address dials by itself. */
import { effect, signal } from '@preact/signals';
import { tab } from './tab.js';

export const LONGEST = 64;
const channel = new BroadcastChannel('centralita-dial');

const bare = (text) => text.trim().replace(/^(web\+)?tel:/i, '').slice(0, LONGEST);

function fromAddress() {
  if (location.pathname !== '/dial') return '';
  const { searchParams } = new URL(location);
  const given = searchParams.get('number') ?? '';
  searchParams.delete('number');
  history.replaceState(null, '', `/${searchParams.size ? `?${searchParams}` : ''}`);
  return bare(given);
}

export const number = signal(fromAddress());

/** Put a number into the field. */
export const put = (text) => (number.value = bare(text));

channel.onmessage = ({ data }) => {
  if (tab.peek() !== 'here' || !data.give) return;
  put(String(data.give));
  channel.postMessage({ taken: data.give });
};
effect(() => {
  if (tab.value === 'elsewhere' && number.value) channel.postMessage({ give: number.value });
});
