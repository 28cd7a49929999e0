/** Times, numbers and sums as this person writes them: `Intl` in the language that is shown, in the browser's region where it is of that language. */
import { spoken } from './words.js';

/** The language, with the region, in which times and numbers are written. */
export const notation = () => navigator.languages.find((tag) => tag.startsWith(spoken())) ?? (spoken() || 'en');
const made = new Map();

/** Making a formatter costs a hundred times what using it does. */
function kept(kind, options) {
  const name = `${kind} ${notation()} ${JSON.stringify(options)}`;
  if (!made.has(name)) made.set(name, new Intl[kind](notation(), options));
  return made.get(name);
}
const dated = (at, options) => kept('DateTimeFormat', options).format(new Date(at * 1000));

/** The clock's time of a moment, in seconds since the epoch: 14:05. */
export const time = (at) => dated(at, { timeStyle: 'short' });
/** The clock's time with its seconds: 14:05:09. */
export const clock = (at) => dated(at, { timeStyle: 'medium' });
/** A moment's day with its year: 22 Nov 2026. */
export const date = (at) => dated(at, { dateStyle: 'medium' });
/** A moment's weekday, day and month: Sun 22 Nov. */
export const day = (at) => dated(at, { weekday: 'short', day: 'numeric', month: 'short' });
/** A moment with its day and year, in a list: 22 Nov 2026, 14:05. */
export const stamp = (at) => dated(at, { dateStyle: 'medium', timeStyle: 'short' });
/** A moment in full. */
export const moment = (at) => dated(at, { dateStyle: 'full', timeStyle: 'short' });
/** A moment in brief: the time today, the day before. */
export const brief = (at) => (new Date(at * 1000).toDateString() === new Date().toDateString() ? time(at) : dated(at, { day: 'numeric', month: 'short' }));

/** The time of day in a time zone; without one, here. */
export const hourIn = (timeZone, at) => dated(at, { timeStyle: 'short', timeZone });

/** A country by its ISO code. */
export const countryName = (code) => new Intl.DisplayNames(notation(), { type: 'region', fallback: 'code' }).of(code);

/** A duration in seconds as a clock shows it: 0:07, 12:30, 1:02:03. */
export function length(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(minutes).padStart(hours ? 2 : 1, '0')}:${String(rest).padStart(2, '0')}`;
  return hours ? `${hours}:${tail}` : tail;
}

export const number = (value, digits = 0) => kept('NumberFormat', { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

/** A fraction 0-1 as a percentage. */
export const percent = (value) => kept('NumberFormat', { style: 'percent', maximumFractionDigits: 1 }).format(value);

/** A sum of money; of a currency that nobody knows, as it was said. */
export function money(amount, currency) {
  try {
    return kept('NumberFormat', { style: 'currency', currency }).format(amount);
  } catch {
    return `${amount} ${currency}`.trim();
  }
}

const STEPS = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [Infinity, 86_400, 'day'],
];

/** How long a moment is gone, or away: 3 seconds ago, in 2 hours. */
export function ago(at, now = Date.now() / 1000) {
  const gone = at - now;
  const [, size, unit] = STEPS.find(([limit]) => Math.abs(gone) < limit);
  return kept('RelativeTimeFormat', { numeric: 'auto' }).format(Math.trunc(gone / size), unit);
}

/** Words in a row: a, b and c. */
export const list = (words) => kept('ListFormat', { type: 'conjunction' }).format(words);
