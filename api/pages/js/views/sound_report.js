/** A call sounded bad: one click tells the supervisors, who see its seconds. */
import { useState } from 'preact/hooks';
import { alsoSpeak, explain, t } from '../catalogue.js';
import * as link from '../link.js';
import { Refusal } from '../session.js';
import { html } from './html.js';

await alsoSpeak('calls');

const WHAT = ['hear_badly', 'heard_badly', 'echo', 'broke_off'];

export function SoundReport({ callId }) {
  const [told, setTold] = useState(null);
  const report = async (what) => {
    try {
      await link.ask('sound.report', { call_id: callId, what });
      setTold({ words: t('report.done') });
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      setTold({ words: explain(refusal), bad: true });
    }
  };
  return html`
    <div class="sound-report" role="group" aria-labelledby=${`report-${callId}`} data-part="sound-report">
      <p class="fine" id=${`report-${callId}`}>${t('report.title')}</p>
      ${!(told && !told.bad) && html`<div class="picker-row">${WHAT.map((what) => html`<button type="button" key=${what} class="small" data-do=${`report-${what}`} onClick=${() => report(what)}>${t(`report.${what}`)}</button>`)}</div>`}
      <p role="status" class=${told?.bad ? 'notice bad' : 'fine'} data-part="reported" hidden=${!told}>${told?.words}</p>
    </div>
  `;
}
