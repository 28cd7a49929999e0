/**
 * Texts by id, in the person's language. Catalogues are JSON files with the same ids in each language: the kit's own, and those of the
 * page, whose folder the page's body names (`data-texts`).
 */
import { signal } from '@preact/signals';
import { pseudo } from './pseudo.js';

export const LANGUAGES = { en: 'English', es: 'Español' };
const KEPT = 'centralita.language';

/** The language shown; every view that reads a text follows it. */
export const language = signal('');
let texts = {};
const folders = new Set(['kit/text', ...(document.body.dataset.texts ?? '').split(' ').filter(Boolean)]);

/** The real language of a pseudo-locale, or the language itself: for `Intl`. */
export const spoken = () => pseudo(language.value)?.of ?? language.value;

/** The first language of the browser that we have, unless one was chosen. In a demo, an address may ask for one: `?lang=en-XA`. */
function preferred() {
  const asked = document.body.dataset.demo === 'true' ? new URLSearchParams(location.search).get('lang') : null;
  const wanted = [asked, localStorage.getItem(KEPT), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((code) => code in LANGUAGES || (code === asked && pseudo(code))) ?? 'en';
}

async function textsOf(folder, code) {
  const made = pseudo(code);
  const read = await (await fetch(new URL(`../${folder}/${made?.of ?? code}.json`, import.meta.url))).json();
  return made ? Object.fromEntries(Object.entries(read).map(([id, text]) => [id, made.text(text)])) : read;
}

const coming = new Map();

async function add(folder) {
  folders.add(folder);
  if (!language.peek()) return;
  const more = await textsOf(folder, language.peek());
  texts = { ...texts, ...more }; // those that came meanwhile stay
}

/** Have the texts of this folder of `api/pages` too, from now on. Whoever asks for them waits until they are there. */
export function alsoSpeak(folder) {
  if (!coming.has(folder)) coming.set(folder, add(folder));
  return coming.get(folder);
}

/** Load the catalogues and show them. `chosen` is kept for the next visit. */
export async function speak(chosen) {
  const code = chosen ?? preferred();
  let all = [];
  // What is asked for meanwhile comes too.
  while (all.length < folders.size) all = await Promise.all([...folders].map((folder) => textsOf(folder, code)));
  texts = Object.assign({}, ...all);
  if (chosen) localStorage.setItem(KEPT, chosen);
  document.documentElement.lang = code;
  document.documentElement.dir = pseudo(code)?.dir ?? 'ltr';
  language.value = code;
}

/** Is there a text of this id? For codes that come from the server and may be newer than this page. */
export const has = (id) => id in texts;

/** The text of an id with its {places} filled. A `count` picks the plural form: `id.one`, `id.other`. */
export function t(id, values = {}) {
  if (!language.value) return '';
  const form = 'count' in values ? `${id}.${new Intl.PluralRules(spoken()).select(values.count)}` : id;
  const text = texts[form] ?? texts[`${id}.other`] ?? texts[id];
  if (text === undefined) {
    console.error(`no text ${form} in ${language.value}`);
    return form;
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** What to tell the person about a refusal, or its code. The server's own sentence knows most but is English; our words are for the other languages. */
export function explain(refusal) {
  const { code, message = '', retryAfter } = typeof refusal === 'string' ? { code: refusal } : refusal;
  const id = `error.${code}`;
  const seconds = Math.ceil(retryAfter ?? 0);
  if (language.value === 'en' && message) return message;
  if (seconds > 0 && has(`${id}.wait.other`)) return t(`${id}.wait`, { count: seconds });
  return has(id) ? t(id) : message || t('error.unknown');
}
