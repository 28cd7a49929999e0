/** What the keyboard does, and which letters it does it with. */
import { useState } from 'preact/hooks';
import { say } from '../attention.js';
import { t } from '../catalogue.js';
import { ACTIONS, letters, setLetter, setShortcuts, shortcuts, usualLetters } from '../keys.js';
import { Dialog } from './dialog.js';
import { html } from './html.js';

const MODIFIERS = ['keys.ctrl', 'keys.shift'];

function Row({ name }) {
  const [asking, setAsking] = useState(false);
  const letter = letters.value[name];
  const take = (event) => {
    if (!asking || ['Control', 'Shift', 'Alt', 'Meta', 'Tab'].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    setAsking(false);
    const chosen = event.code.replace(/^Key/, '');
    if (event.key !== 'Escape' && setLetter(name, chosen)) say(t('keys.changed', { what: t(`keys.${name}`), letter: chosen }));
  };
  return html`
    <div>
      <dt>${MODIFIERS.map((id) => html`<kbd>${t(id)}</kbd>${' '}`)}<kbd>${letter}</kbd></dt>
      <dd>
        <span>${t(`keys.${name}`)}</span>
        <button type="button" class="small quiet" data-do=${`key-${name}`} aria-label=${t('keys.change_what', { what: t(`keys.${name}`) })} aria-pressed=${String(asking)}
          onClick=${() => setAsking(!asking)} onKeyDown=${take} onBlur=${() => setAsking(false)}>${t(asking ? 'keys.press' : 'keys.change')}</button>
      </dd>
    </div>
  `;
}

export const Shortcuts = ({ onClose }) => html`
  <${Dialog} id="shortcuts" title=${t('keys.title')} onClose=${onClose}>
    <dl class="keys">
      ${Object.keys(ACTIONS).map((name) => html`<${Row} key=${name} name=${name} />`)}
      <div>
        <dt><kbd>${t('keys.ctrl')}</kbd>${' '}<kbd>${'K'}</kbd></dt>
        <dd>${t('palette.title')}</dd>
      </div>
      <div>
        <dt><kbd>${'?'}</kbd></dt>
        <dd>${t('keys.title')}</dd>
      </div>
      <div>
        <dt><kbd>${'0'}</kbd>${' – '}<kbd>${'9'}</kbd>${' '}<kbd>${'*'}</kbd>${' '}<kbd>${'#'}</kbd></dt>
        <dd>${t('keys.digits')}</dd>
      </div>
    </dl>
    <label class="check"><input type="checkbox" checked=${shortcuts.value} onChange=${(event) => setShortcuts(event.currentTarget.checked)} />${t('keys.on')}</label>
    <p class="picker-row"><button type="button" class="small" data-do="usual-keys" onClick=${usualLetters}>${t('keys.usual')}</button></p>
    <p class="fine">${t('keys.browser')}${' '}${t('keys.escape')}</p>
  <//>
`;
