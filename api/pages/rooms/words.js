/** Texts of this page by id, and how this person writes times. The choice of language is the softphone's too. */
import { signal } from '@preact/signals';

export const LANGUAGES = { en: 'English', es: 'Español' };
const KEPT = 'centralita.language';

/** The language shown; every view that reads a text follows it. */
export const language = signal('');
let texts = {};

/** Load a catalogue and show it. `chosen` is kept for the next visit. */
export async function speak(chosen) {
  const wanted = [chosen, localStorage.getItem(KEPT), ...navigator.languages.map((tag) => tag.slice(0, 2)), 'en'];
  const code = wanted.find((each) => each in LANGUAGES);
  texts = await (await fetch(new URL(`text/${code}.json`, import.meta.url))).json();
  if (chosen) localStorage.setItem(KEPT, chosen);
  document.documentElement.lang = code;
  language.value = code;
}

/** The text of an id with its {places} filled. A `count` picks the plural form: `id.one`, `id.other`. */
export function t(id, values = {}) {
  const form = 'count' in values ? `${id}.${new Intl.PluralRules(language.value).select(values.count)}` : id;
  const text = texts[form] ?? texts[`${id}.other`];
  if (text === undefined) {
    console.error(`no text ${form} in ${language.value}`);
    return form;
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** What to tell the person about a refusal. The server's own sentence knows most but is English; our words are for the other languages. */
export function explain(refusal) {
  if (language.value === 'en' && refusal.message) return refusal.message;
  const id = `error.${refusal.code}`;
  return id in texts ? t(id) : refusal.message || t('error.unknown');
}

/** How this person writes times: the browser's region where its language is the one shown, else the language's own way. */
const notation = () => navigator.languages.find((tag) => tag.startsWith(language.value)) ?? language.value;
const dated = (epoch, style) => new Intl.DateTimeFormat(notation(), style).format(new Date(epoch * 1000));
const sameDay = (one, other) => new Date(one * 1000).toDateString() === new Date(other * 1000).toDateString();

export const clock = (epoch) => dated(epoch, { timeStyle: 'short' });
export const fullMoment = (epoch) => dated(epoch, { dateStyle: 'full', timeStyle: 'short' });

/** In brief: the time today, the day before. */
export const moment = (epoch) => (sameDay(epoch, Date.now() / 1000) ? clock(epoch) : dated(epoch, { day: 'numeric', month: 'short' }));

/** The day as one says it. */
export function day(epoch) {
  const now = Date.now() / 1000;
  const relative = new Intl.RelativeTimeFormat(language.value, { numeric: 'auto' });
  if (sameDay(epoch, now)) return relative.format(0, 'day');
  if (sameDay(epoch, now - 86_400)) return relative.format(-1, 'day');
  return dated(epoch, { weekday: 'long', day: 'numeric', month: 'long' });
}

/** Several names as one says them. */
export const listed = (names) => new Intl.ListFormat(language.value, { type: 'conjunction' }).format(names);

/** A number of bytes as one reads it. */
export function bytes(size) {
  const [unit, value] = size < 1_000_000 ? ['kilobyte', Math.max(1, size / 1_000)] : ['megabyte', size / 1_000_000];
  return new Intl.NumberFormat(notation(), { style: 'unit', unit, maximumFractionDigits: unit === 'kilobyte' ? 0 : 1 }).format(value);
}
