/** Recording a call: on, paused (card numbers are said), or off, and always in words. Loaded with the first call where calls are recorded. */
import { alsoSpeak, t } from '../catalogue.js';
import * as link from '../link.js';
import { about } from '../phone.js';
import { html } from './html.js';
import { Icon } from './icon.js';

await alsoSpeak('calls');

const NEXT = { off: ['start'], announcing: ['stop'], recording: ['pause', 'stop'], paused: ['resume', 'stop'], failed: ['stop'] };

export function Recording({ call }) {
  const ask = (action) => about(call.call_id, () => link.ask('call.record', { call_id: call.call_id, action }));
  return html`
    <div class="recording" role="group" aria-label=${t('recording.title')} data-recording=${call.recording}>
      <p role="status"><${Icon} name="record" />${t(`recording.${call.recording}`)}</p>
      ${(NEXT[call.recording] ?? []).map((action) => html`<button key=${action} type="button" class="small" data-do=${`record-${action}`} onClick=${() => ask(action)}>${t(`recording.do.${action}`)}</button>`)}
    </div>
  `;
}
