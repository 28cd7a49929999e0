/** Texts of the pages of appointments by id, and moments in the zone that somebody chose. The choice of language is the softphone's too. */
import { signal } from '@preact/signals';

export const LANGUAGES = { en: 'English', es: 'Español' };
const KEPT = 'centralita.language';

/** The language shown; every view that reads a text follows it. */
export const language = signal('');
/** The zone in which times are shown. */
export const zone = signal(Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC');
let texts = {};
let folder = import.meta.url;

/** Load the catalogue of the page at `base` and show it. `chosen` is kept for the next visit. */
export async function speak(chosen, base = folder) {
  folder = base;
  const wanted = [chosen, localStorage.getItem(KEPT), ...navigator.languages.map((tag) => tag.slice(0, 2)), 'en'];
  const code = wanted.find((each) => each in LANGUAGES);
  texts = await (await fetch(new URL(`text/${code}.json`, folder))).json();
  if (chosen) localStorage.setItem(KEPT, chosen);
  document.documentElement.lang = code;
  language.value = code;
  document.title = `${t('title')} · Centralita`;
}

/** The text of an id with its {places} filled. */
export function t(id, values = {}) {
  void language.value;
  return (texts[id] ?? id).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** What to tell the person about a refusal by its code. */
export const explain = (code) => t(`error.${code}` in texts ? `error.${code}` : 'error.unknown');

const notation = () => navigator.languages.find((tag) => tag.startsWith(language.value)) ?? language.value;
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
