/** The twelve keys, for dialling and in a call. */
import { t } from '../catalogue.js';
import { keyTone } from '../sound.js';
import { html } from './html.js';

const KEYS = [['1', ''], ['2', 'ABC'], ['3', 'DEF'], ['4', 'GHI'], ['5', 'JKL'], ['6', 'MNO'], ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'], ['*', ''], ['0', '+'], ['#', '']];
const NAMES = { '*': 'keypad.star', '#': 'keypad.hash' };

export function Keypad({ label, onKey }) {
  const press = (key) => {
    keyTone(key);
    onKey(key);
  };
  return html`
    <div class="keypad" dir="ltr" role="group" aria-label=${label}>
      ${KEYS.map(
        ([key, letters]) => html`
          <button type="button" class="key" data-key=${key} aria-label=${NAMES[key] ? t(NAMES[key]) : key} onClick=${() => press(key)}>
            <span class="key-digit">${key}</span><span class="key-letters" aria-hidden="true">${letters}</span>
          </button>
        `,
      )}
    </div>
  `;
}
