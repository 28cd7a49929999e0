/** The number in the field of the phone: typed there, or given by a link (`/dial?number=`, `tel:`) or another page of ours (`give.js`). No address dials by itself. */
import { effect, signal } from '@preact/signals';
import { tab } from './tab.js';

export const LONGEST = 64;
const channel = new BroadcastChannel('centralita-dial');

function fromAddress() {
  if (location.pathname !== '/dial') return '';
  const { searchParams } = new URL(location);
  const given = searchParams.get('number') ?? '';
  searchParams.delete('number');
  history.replaceState(null, '', `/${searchParams.size ? `?${searchParams}` : ''}`);
  return given.trim().replace(/^(web\+)?tel:/i, '').slice(0, LONGEST);
}

export const number = signal(fromAddress());

channel.onmessage = ({ data }) => {
  if (tab.peek() !== 'here' || !data.give) return;
  number.value = String(data.give).slice(0, LONGEST);
  channel.postMessage({ taken: data.give });
};
effect(() => {
  if (tab.value === 'elsewhere' && number.value) channel.postMessage({ give: number.value });
});
