/** Moments (seconds since the epoch) in the reader's own zone and notation. */
import { notation } from '../kit/formats.js';

export { notation };
const date = (epoch) => new Date(epoch * 1000);

export const shortTime = (epoch) => new Intl.DateTimeFormat(notation(), { timeStyle: 'short' }).format(date(epoch));

/** Date, time and the zone's name, so that nobody wonders whose clock it is. */
export const moment = (epoch) =>
  new Intl.DateTimeFormat(notation(), { weekday: 'long', day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' }).format(date(epoch));

/** From and until, with the date said once. */
export const span = (from, until) =>
  new Intl.DateTimeFormat(notation(), { weekday: 'long', day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' }).formatRange(
    date(from),
    date(until),
  );

/** So long until then, in words: days and hours, hours and minutes, or minutes and seconds. */
export function left(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const parts = { days: Math.floor(whole / 86_400), hours: Math.floor(whole / 3_600) % 24, minutes: Math.floor(whole / 60) % 60, seconds: whole % 60 };
  const names = Object.keys(parts);
  const first = Math.min(names.findIndex((name) => parts[name] > 0) & 3, 2);
  const pair = names.slice(first, first + 2);
  const shown = pair.filter((name, place) => parts[name] > 0 || (place && first === 2)).map((name) => new Intl.NumberFormat(notation(), { style: 'unit', unit: name.slice(0, -1), unitDisplay: 'long' }).format(parts[name]));
  return new Intl.ListFormat(notation(), { type: 'conjunction' }).format(shown);
}

/** What an `<input type="datetime-local">` says, or null. */
export const chosenTime = (text) => (text ? new Date(text).getTime() / 1000 : null);
