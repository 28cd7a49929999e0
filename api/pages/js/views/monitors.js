/** Supervisors in a call of ours, as far as we are told. Loaded when there is one, with its texts. */
import { alsoSpeak, t } from '../catalogue.js';
import { html } from './html.js';

await alsoSpeak('calls');

export function Monitors({ call }) {
  const words = call.monitors.map((each) => t(`monitors.${each.mode}`, { who: each.identity }));
  if (call.mode) words.splice(0, words.length, t('monitors.mine', { who: call.by }));
  return html`<p class="fine" role="status" data-part="monitors">${words.join(' ')}</p>`;
}
