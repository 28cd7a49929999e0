/** Texts of the page by id, in the person's language. Catalogues are the JSON files in ../text/, with the same ids in each. */
import { signal } from '@preact/signals';

export const LANGUAGES = { en: 'English', es: 'Español' };
const KEPT = 'centralita.language';

/** The language shown; every view that reads a text follows it. */
export const language = signal('');
let texts = {};
/** Folders of further catalogues, loaded with the views that need them. */
const further = new Set();

/** The first language of the browser that we have, unless one was chosen. */
function preferred() {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((code) => code in LANGUAGES) ?? 'en';
}

const textsOf = async (folder, code) => (await fetch(new URL(`../${folder}/${code}.json`, import.meta.url))).json();

/** Have the texts of this folder too, from now on. */
export async function alsoSpeak(folder) {
  further.add(folder);
  texts = { ...texts, ...(await textsOf(folder, language.peek())) };
}

/** Load a catalogue and show it. `chosen` is kept for the next visit. */
export async function speak(chosen) {
  const code = chosen ?? preferred();
  const all = await Promise.all(['text', ...further].map((folder) => textsOf(folder, code)));
  texts = Object.assign({}, ...all);
  if (chosen) localStorage.setItem(KEPT, chosen);
  document.documentElement.lang = code;
  language.value = code;
}

/** Is there a text of this id? For codes that come from the server and may be newer than this page. */
export const has = (id) => id in texts;

/** The text of an id with its {places} filled. A `count` picks the plural form: `id.one`, `id.other`. */
export function t(id, values = {}) {
  const code = language.value;
  const form = 'count' in values ? `${id}.${new Intl.PluralRules(code).select(values.count)}` : id;
  const text = texts[form] ?? texts[`${id}.other`];
  if (text === undefined) {
    console.error(`no text ${form} in ${code}`);
    return form;
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** What to tell the person about a refusal. The server's own sentence knows most but is English; our words are for the other languages. */
export function explain(refusal) {
  const id = `error.${refusal.code}`;
  const seconds = Math.ceil(refusal.retryAfter ?? 0);
  if (language.value === 'en' && refusal.message) return refusal.message;
  if (seconds > 0 && has(`${id}.wait.other`)) return t(`${id}.wait`, { count: seconds });
  return has(id) ? t(id) : refusal.message || t('error.unknown');
}

/** How this person writes numbers and times: the browser's region where its language is the one shown, else the language's own way. */
const notation = () => navigator.languages.find((tag) => tag.startsWith(language.value)) ?? language.value;

/** A number in the person's own notation. */
export const figure = (value, digits = 0) =>
  new Intl.NumberFormat(notation(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

/** A fraction 0-1 as a percentage. */
export const percent = (value) => new Intl.NumberFormat(notation(), { style: 'percent', maximumFractionDigits: 1 }).format(value);

/** A sum of money; of a currency that nobody knows, as it was said. */
export function money(sum, currency) {
  try {
    return new Intl.NumberFormat(notation(), { style: 'currency', currency }).format(sum);
  } catch {
    return `${sum} ${currency}`.trim();
  }
}

/** The day of a moment, with its year. */
export const day = (epoch) => new Intl.DateTimeFormat(notation(), { dateStyle: 'medium' }).format(new Date(epoch * 1000));

/** A moment (seconds since the epoch) in brief: the time today, the day before. */
export function moment(epoch) {
  const when = new Date(epoch * 1000);
  const today = when.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(notation(), today ? { timeStyle: 'short' } : { day: 'numeric', month: 'short' }).format(when);
}

/** The same moment in full. */
export const fullMoment = (epoch) =>
  new Intl.DateTimeFormat(notation(), { dateStyle: 'full', timeStyle: 'short' }).format(new Date(epoch * 1000));

/** The time of day now in a time zone; without one, here. */
export const hourIn = (timeZone, epoch) => new Intl.DateTimeFormat(notation(), { timeStyle: 'short', timeZone }).format(new Date(epoch * 1000));

/** A country by its ISO code. */
export const countryName = (code) => new Intl.DisplayNames(language.value, { type: 'region', fallback: 'code' }).of(code);

/** A duration as a clock shows it: 0:07, 12:30, 1:02:03. */
export function clockface(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(minutes).padStart(hours ? 2 : 1, '0')}:${String(rest).padStart(2, '0')}`;
  return hours ? `${hours}:${tail}` : tail;
}
