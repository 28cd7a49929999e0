/** The session is over in mid-call: the same person signs in again, beside the call that goes on. */
import { useEffect } from 'preact/hooks';
import { alsoSpeak, t } from '../catalogue.js';
import { open, opened, shut } from '../opened.js';
import { session } from '../session.js';
import { Door } from '../../kit/door.js';
import { Dialog } from './dialog.js';
import { html } from './html.js';
import { Icon } from './icon.js';

await alsoSpeak('calls');

const NAME = 'sign-in-again';
const isTyping = () => document.activeElement?.matches('input, textarea, select') ?? false;

/** A banner, and the dialog, which waits for who is typing. */
export function Again() {
  useEffect(() => {
    if (!isTyping()) open(NAME);
    return () => opened.peek() === NAME && shut();
  }, []);
  return html`
    <div class="banner bad" data-banner="session">
      <${Icon} name="warning" />
      <div class="banner-text"><p>${t('again.banner')}</p><button type="button" class="small" data-do="sign-in-again" onClick=${() => open(NAME)}>${t('again.do')}</button></div>
    </div>
    ${opened.value === NAME && html`<${Dialog} id="again" title=${t('again.title')} onClose=${shut}><${Door} lead=${t('again.lead')} user=${session.value.identity} /><//>`}
  `;
}
