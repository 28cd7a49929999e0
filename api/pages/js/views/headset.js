/** Headset buttons, as a part of the settings: which headset, or none. */
import { useState } from 'preact/hooks';
import { alsoSpeak, t } from '../catalogue.js';
import { chooseHeadset, headset, leaveHeadset } from '../headset.js';
import { html } from './html.js';

await alsoSpeak('calls');

export function Headset() {
  const [none, setNone] = useState(false);
  const choose = async () => setNone(!(await chooseHeadset()));
  return html`
    <h3>${t('headset.title')}</h3>
    <p>${headset.value ? t('headset.on', { name: headset.value }) : t('headset.what')}</p>
    ${none && !headset.value && html`<p class="notice" role="status">${t('headset.none')}</p>`}
    ${headset.value
      ? html`<button type="button" class="small" data-do="leave-headset" onClick=${leaveHeadset}>${t('headset.leave')}</button>`
      : html`<button type="button" class="small" data-do="choose-headset" onClick=${choose}>${t('headset.choose')}</button>`}
  `;
}
