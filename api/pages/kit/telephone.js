/**
 * Telephone numbers as people read them: +34 600 111 222. Space alone stands between the groups, no character: who copies one, looks for
 * one or has it read aloud has the number as it is dialled.
 */
import { html } from './html.js';

/** How long a country's code is (ITU E.164): one digit, two, else three. */
const CODE = /^\+(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})/;
const WHOLE = /^\+\d{7,15}$/;
const GROUPS = /\d{3}(?=\d{2})|\d+$/g;

/** The groups of a number in E.164; anything else is one. */
export function groupsOf(text) {
  if (!WHOLE.test(text)) return [text];
  const [code] = CODE.exec(text);
  return [code, ...text.slice(code.length).match(GROUPS)];
}

const ATTRIBUTES = { dir: 'ltr', class: 'tel' };

/** `text`: a number, or whatever stands in its place. */
export function Telephone({ text }) {
  const groups = groupsOf(text ?? '');
  return groups.length > 1 ? html`<bdi ...${ATTRIBUTES}>${groups.map((group) => html`<span>${group}</span>`)}</bdi>` : html`<bdi>${text}</bdi>`;
}

/** The same for pages without components. */
export function telephone(text) {
  const groups = groupsOf(text ?? '');
  const made = document.createElement('bdi');
  if (groups.length === 1) {
    made.textContent = text ?? '';
    return made;
  }
  Object.entries(ATTRIBUTES).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...groups.map((group) => Object.assign(document.createElement('span'), { textContent: group })));
  return made;
}
