/** Where no call goes on, one's sound can be tried. */
import { alsoSpeak, t } from '../catalogue.js';
import { open } from '../opened.js';
import { canDial } from '../phone.js';
import { html } from './html.js';
import { Icon } from './icon.js';

await alsoSpeak('calls');

export const SoundCheckButton = () => html`
  <button type="button" class="small" data-do="sound-check" disabled=${!canDial.value} onClick=${() => open('sound-check')}><${Icon} name="mic" />${t('sound_check.open')}</button>
`;
