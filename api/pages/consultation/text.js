/** Texts of this page in the person's language; the choice is the softphone's too. */
const LANGUAGES = { en: 'English', es: 'Español' };
const KEPT = 'centralita.language';
let texts = {};

/** The text of an id with its {places} filled. */
export const t = (id, values = {}) => (texts[id] ?? id).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));

/** What to tell the person about a refusal by its code. */
export const explain = (code) => t(`error.${code}` in texts ? `error.${code}` : 'error.unknown');

/** Write every fixed text of the page. */
function write() {
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t(node.dataset.tLabel));
  document.title = `${t('title')} · Centralita`;
}

/** Load a catalogue of the page at `base` and show it; `chosen` is kept for the next visit. */
async function speak(chosen, onSpoken, base) {
  const wanted = [chosen, localStorage.getItem(KEPT), ...navigator.languages.map((tag) => tag.slice(0, 2)), 'en'];
  const code = wanted.find((each) => each in LANGUAGES);
  texts = await (await fetch(new URL(`text/${code}.json`, base))).json();
  if (chosen) localStorage.setItem(KEPT, chosen);
  document.documentElement.lang = code;
  write();
  onSpoken();
  return code;
}

/** Show the texts and let the person choose; `onSpoken()` after each change. `base`: the page whose catalogue it is. */
export async function mindLanguage(select, onSpoken, base = import.meta.url) {
  for (const [code, name] of Object.entries(LANGUAGES)) select.append(new Option(name, code));
  select.addEventListener('change', () => speak(select.value, onSpoken, base));
  select.value = await speak(null, onSpoken, base);
}

/** Light or dark: the softphone's choice, changed by the button. */
export function mindTheme(button) {
  const kept = localStorage.getItem('centralita.theme');
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
  button.addEventListener('click', () => {
    const shown = document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
    const next = shown === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    localStorage.setItem('centralita.theme', next);
  });
}
