/** The truth about waiting: who is there, who knows, how many come before, how long it has been, and who is late. */
import { t } from '../kit/words.js';
import { moment } from './times.js';

const LATE_S = 120;
const $ = (selector) => document.querySelector(selector);

/** Said of this host: `{name, here, told}`. */
const about = (host) => t(host.here ? 'wait.here' : host.told ? 'wait.told' : 'wait.away', { name: host.name });

/** The verdict of our test, and its one advice; '' where there is none. */
export function found(checked) {
  if (!checked?.verdict || checked.verdict === 'none') return '';
  return [t(`test.${checked.verdict}`), checked.cause && t(`advice.${checked.cause}`)].filter(Boolean).join(' ');
}

/** Draw what `room.queue` says. `starts`: when the appointment begins (s since the epoch) or null; `checked`: what our test found, or null. */
export function drawWaiting(queue, starts, checked, now = Date.now() / 1000) {
  const hosts = queue?.hosts ?? [];
  const isHere = hosts.some(({ here }) => here);
  const lines = hosts.length ? hosts.map(about) : [t('wait.known')];
  $('#wait-who').replaceChildren(...lines.map((line) => Object.assign(document.createElement('li'), { textContent: line })));
  $('#wait-place').textContent = !queue ? '' : queue.ahead ? t('wait.ahead', { count: queue.ahead }) : t('wait.next');
  const late = starts ? Math.floor((now - starts) / 60) : 0;
  $('#wait-late').hidden = isHere || !starts || now < starts + LATE_S;
  $('#wait-late').textContent = t('wait.late', { count: late });
  $('#wait-when').hidden = !starts || now >= starts;
  $('#wait-when').textContent = starts ? t('wait.begins', { time: moment(starts) }) : '';
  const minutes = queue ? Math.floor((now - queue.since) / 60) : 0;
  $('#wait-long').textContent = minutes > 0 ? t('wait.since', { count: minutes }) : '';
  $('#wait-test').textContent = found(checked);
}
