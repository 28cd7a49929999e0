/** What the keyboard does. */
import { t } from '../catalogue.js';
import { ACTIONS, setShortcuts, shortcuts } from '../keys.js';
import { Dialog } from './dialog.js';
import { html } from './html.js';

const MODIFIERS = ['keys.ctrl', 'keys.shift'];

export const Shortcuts = ({ onClose }) => html`
  <${Dialog} id="shortcuts" title=${t('keys.title')} onClose=${onClose}>
    <dl class="keys">
      ${Object.keys(ACTIONS).map(
        (letter) => html`
          <div key=${letter}>
            <dt>${MODIFIERS.map((id) => html`<kbd>${t(id)}</kbd>${' '}`)}<kbd>${letter}</kbd></dt>
            <dd>${t(`keys.${letter}`)}</dd>
          </div>
        `,
      )}
      <div>
        <dt><kbd>${'0'}</kbd>${' – '}<kbd>${'9'}</kbd>${' '}<kbd>${'*'}</kbd>${' '}<kbd>${'#'}</kbd></dt>
        <dd>${t('keys.digits')}</dd>
      </div>
    </dl>
    <label class="check"><input type="checkbox" checked=${shortcuts.value} onChange=${(event) => setShortcuts(event.currentTarget.checked)} />${t('keys.on')}</label>
    <p class="fine">${t('keys.escape')}</p>
  <//>
`;
