/** Moments in the zone that somebody chose, for the pages of appointments. */
import { computed, effect, signal } from '@preact/signals';
import { notation } from '../kit/formats.js';
import * as words from '../kit/words.js';

export { explain, t } from '../kit/words.js';

/** The language in which services and texts of the house are shown. */
export const language = computed(() => words.spoken());
/** The zone in which times are shown. */
export const zone = signal(Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC');

/** Load the texts, and name the page. */
export async function speak() {
  await words.speak();
  effect(() => {
    document.title = `${words.t('title')} · ${words.t('kit.product')}`;
  });
}

const said = (epoch, style) => new Intl.DateTimeFormat(notation(), { timeZone: zone.value, ...style }).format(new Date(epoch * 1000));

export const clock = (epoch) => said(epoch, { hour: '2-digit', minute: '2-digit' });
/** A time that comes twice, where clocks are put back, says which one it is. */
export const clockWithZone = (epoch) => said(epoch, { hour: '2-digit', minute: '2-digit', timeZoneName: 'short' });
export const day = (epoch) => said(epoch, { weekday: 'long', day: 'numeric', month: 'long' });
export const shortDay = (epoch) => said(epoch, { weekday: 'short', day: 'numeric', month: 'short' });
export const moment = (epoch) =>
  said(epoch, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' });

/** The day in the chosen zone, as a key. */
export const dayKey = (epoch) => new Intl.DateTimeFormat('en-CA', { timeZone: zone.value }).format(new Date(epoch * 1000));

/** When this day began in the chosen zone. Zones differ by quarters of an hour, and the first one of the day is found wherever in it one asks. */
export function midnight(epoch) {
  const key = dayKey(epoch);
  let low = epoch - 27 * 3600;
  for (let step = 0; step < 30 * 4 && dayKey(low) !== key; step++) low += 900;
  return Math.floor(low / 900) * 900;
}

/** A moment as the chosen zone's clocks show it, in the notation of `<input type="datetime-local">`. */
export const walled = (epoch) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: zone.value, dateStyle: 'short', timeStyle: 'medium' }).format(new Date(epoch * 1000)).replace(' ', 'T').slice(0, 16);

/** The moment at which the clocks of the chosen zone show this. */
export function momentOf(text) {
  const utc = (wall) => Date.parse(`${wall}:00Z`) / 1000;
  const wanted = utc(text);
  const near = wanted - (utc(walled(wanted)) - wanted);
  return wanted - (utc(walled(near)) - near);
}
