/** Phrases that this person writes again and again: one click puts one into the note. Kept in this browser; none of a customer's data belongs there. */
import { signal } from '@preact/signals';
import { t } from '../catalogue.js';
import { html } from './html.js';

const KEPT = 'centralita.phrases';
const MOST = 20;
const LONGEST = 300;
const USUAL = ['phrases.usual.call_back', 'phrases.usual.sent', 'phrases.usual.nobody'];

/** What this person made of them, or null: the usual ones. */
const own = signal(JSON.parse(localStorage.getItem(KEPT) ?? 'null'));

function keep(phrases) {
  own.value = phrases.slice(-MOST);
  localStorage.setItem(KEPT, JSON.stringify(own.value));
}

/** `text`: what stands in the note. `onChoose(phrase)` puts one there. */
export function Phrases({ text, onChoose }) {
  const phrases = own.value ?? USUAL.map((id) => t(id));
  const line = text.trim().split('\n').at(-1).slice(0, LONGEST);
  return html`
    <details class="details" data-part="phrases">
      <summary>${t('phrases.title')}</summary>
      <ul class="plain-list">
        ${phrases.map(
          (phrase) => html`
            <li key=${phrase} class="phrase">
              <button type="button" class="small" data-do="phrase" onClick=${() => onChoose(phrase)}><bdi>${phrase}</bdi></button>
              <button type="button" class="small quiet" data-do="phrase-forget" aria-label=${t('phrases.forget', { phrase })} onClick=${() => keep(phrases.filter((each) => each !== phrase))}><span aria-hidden="true">${'×'}</span></button>
            </li>
          `,
        )}
      </ul>
      <button type="button" class="small" data-do="phrase-keep" disabled=${!line || phrases.includes(line)} onClick=${() => keep([...phrases, line])}>${t('phrases.keep')}</button>
    </details>
  `;
}
