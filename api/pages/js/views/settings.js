/** Devices with a live meter, notifications, colours, language. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { t } from '../catalogue.js';
import { canChooseOutput, canChooseRing, choose, devices, pick } from '../devices.js';
import * as microphone from '../microphone.js';
import { setSounding, sounding } from '../news.js';
import { testTone } from '../sound.js';
import { serverVersion } from '../state.js';
import { THEMES, setTheme, theme } from '../theme.js';
import { Dialog } from './dialog.js';
import { html } from './html.js';
import { later } from './later.js';
import { LanguageSwitch } from './language.js';
import { Level } from './level.js';

const Headset = later(() => import('./headset.js'), 'Headset');
const Handling = later(() => import('./handling.js'), 'Handling');
const SoundCheckButton = later(() => import('./check_button.js'), 'SoundCheckButton');
const HOLDER = 'settings';
const permission = signal('Notification' in window ? Notification.permission : 'unsupported');

function Picker({ use, children }) {
  const id = `device-${use}`;
  return html`
    <div class="picker">
      <label for=${id}>${t(`settings.${use}`)}</label>
      <div class="picker-row">
        <select id=${id} data-do=${id} onChange=${(event) => choose(use, event.currentTarget.value)}>
          <option value="" selected=${pick(use) === ''}>${t('settings.default')}</option>
          ${devices.value[use].map(
            (device, index) => html`
              <option key=${device.deviceId} value=${device.deviceId} selected=${pick(use) === device.deviceId}>
                ${device.label || t(`settings.${use}_unnamed`, { number: index + 1 })}
              </option>
            `,
          )}
        </select>
        ${children}
      </div>
    </div>
  `;
}

const Test = ({ use }) => html`<button type="button" class="small" data-do=${`test-${use}`} onClick=${() => testTone(use)}>${t('settings.test')}</button>`;

function Microphone() {
  const cause = microphone.problem.value;
  useEffect(() => {
    microphone.hold(HOLDER);
    return () => microphone.release(HOLDER);
  }, []);
  return html`
    <${Picker} use="input" />
    <div class="sound-row"><span>${t('settings.speak')}</span><${Level} /></div>
    <div role="status">${cause && html`<p class="notice bad">${t(`microphone.${cause}`)}${' '}${t(`microphone.${cause}.do`)}</p>`}</div>
  `;
}

function Notifications() {
  const ask = async () => {
    permission.value = await Notification.requestPermission();
  };
  return html`
    <h3>${t('settings.notifications')}</h3>
    <label class="check"><input type="checkbox" data-do="news-sound" checked=${sounding.value} onChange=${(event) => setSounding(event.currentTarget.checked)} />${t('settings.news_sound')}</label>
    <p>${t(`settings.notifications.${permission.value}`)}</p>
    ${permission.value === 'default' && html`<button type="button" class="small" data-do="notify" onClick=${ask}>${t('settings.notifications.ask')}</button>`}
  `;
}

function Themes() {
  return html`
    <h3>${t('kit.theme')}</h3>
    <div class="switch" role="group" aria-label=${t('kit.theme')}>
      ${THEMES.map((name) => html`<button type="button" data-do=${`theme-${name}`} aria-pressed=${String(theme.value === name)} onClick=${() => setTheme(name)}>${t(`kit.theme.${name}`)}</button>`)}
    </div>
  `;
}

const handle = () => ['tel', 'web+tel'].forEach((scheme) => navigator.registerProtocolHandler(scheme, `${location.origin}/dial?number=%s`));

const Links = () => html`
  <h3>${t('settings.links')}</h3>
  <p>${t('settings.links.what')}</p>
  <button type="button" class="small" data-do="handle-links" onClick=${handle}>${t('settings.links.do')}</button>
`;

export const Settings = ({ onClose }) => html`
  <${Dialog} id="settings" title=${t('settings.title')} onClose=${onClose}>
    <h3>${t('settings.sound')}</h3>
    <${Microphone} />
    <${SoundCheckButton} />
    ${canChooseOutput ? html`<${Picker} use="output"><${Test} use="output" /><//>` : html`<p class="fine">${t('settings.output_by_system')}</p>`}
    ${canChooseRing && html`<${Picker} use="ring"><${Test} use="ring" /><//>`}
    ${'hid' in navigator && html`<${Headset} />`}
    <${Notifications} />
    <${Handling} />
    ${'registerProtocolHandler' in navigator && html`<${Links} />`}
    <${Themes} />
    <h3>${t('kit.language')}</h3>
    <${LanguageSwitch} />
    <p class="fine">${t('settings.version', { version: serverVersion.value })}</p>
  <//>
`;
