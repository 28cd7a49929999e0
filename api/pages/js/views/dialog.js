/** A native modal dialog: keeps the focus, closes with Escape, gives the focus back. */
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../catalogue.js';
import { html } from './html.js';
import { Icon } from './icon.js';

export function Dialog({ id, title, onClose, children }) {
  const box = useRef();
  useEffect(() => {
    box.current.showModal();
  }, []);
  const outside = (event) => event.target === box.current && box.current.close();
  return html`
    <dialog ref=${box} id=${id} class="card dialog" aria-labelledby=${`${id}-title`} onClose=${onClose} onClick=${outside}>
      <div class="dialog-inner">
        <header class="dialog-head">
          <h2 id=${`${id}-title`}>${title}</h2>
          <button type="button" class="round plain" data-do="close" aria-label=${t('dialog.close')} onClick=${() => box.current.close()}><${Icon} name="close" /></button>
        </header>
        ${children}
      </div>
    </dialog>
  `;
}
