/** Texts of this page by id, and how this person writes times. */
import { notation } from '../kit/formats.js';
import { spoken } from '../kit/words.js';

export { explain, language, t } from '../kit/words.js';

const dated = (epoch, style) => new Intl.DateTimeFormat(notation(), style).format(new Date(epoch * 1000));
const sameDay = (one, other) => new Date(one * 1000).toDateString() === new Date(other * 1000).toDateString();

export const clock = (epoch) => dated(epoch, { timeStyle: 'short' });
export const fullMoment = (epoch) => dated(epoch, { dateStyle: 'full', timeStyle: 'short' });

/** In brief: the time today, the day before. */
export const moment = (epoch) => (sameDay(epoch, Date.now() / 1000) ? clock(epoch) : dated(epoch, { day: 'numeric', month: 'short' }));

/** The day as one says it. */
export function day(epoch) {
  const now = Date.now() / 1000;
  const relative = new Intl.RelativeTimeFormat(spoken(), { numeric: 'auto' });
  if (sameDay(epoch, now)) return relative.format(0, 'day');
  if (sameDay(epoch, now - 86_400)) return relative.format(-1, 'day');
  return dated(epoch, { weekday: 'long', day: 'numeric', month: 'long' });
}

/** Several names as one says them. */
export const listed = (names) => new Intl.ListFormat(spoken(), { type: 'conjunction' }).format(names);

/** A number of bytes as one reads it. */
export function bytes(size) {
  const [unit, value] = size < 1_000_000 ? ['kilobyte', Math.max(1, size / 1_000)] : ['megabyte', size / 1_000_000];
  return new Intl.NumberFormat(notation(), { style: 'unit', unit, maximumFractionDigits: unit === 'kilobyte' ? 0 : 1 }).format(value);
}
