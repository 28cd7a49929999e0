/** Calls that wait to be picked up. Loaded when there is one. */
import { Telephone } from '../../kit/telephone.js';
import { alarm } from '../attention.js';
import { alsoSpeak, clockface, explain, t } from '../catalogue.js';
import { canDial, pickUp } from '../phone.js';
import { Refusal } from '../session.js';
import { now, parked } from '../state.js';
import { html } from './html.js';
import { useTicks } from './ticks.js';

await alsoSpeak('calls');

async function take(callId) {
  try {
    await pickUp(callId);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
}

export function Parked() {
  useTicks(1_000);
  return html`
    <section class="card" aria-labelledby="parked-title">
      <h2 id="parked-title">${t('parked.title')}</h2>
      <ul class="plain-list">
        ${parked.value.map(
          (call) => html`
            <li key=${call.call_id} class="sound-row" data-part="parked">
              <span>${t('parked.place', { slot: call.slot })} · <${Telephone} text=${call.name || call.number} /> · <span role="timer" aria-live="off">${clockface(now() - call.since)}</span></span>
              <button type="button" class="small" data-do="pick-up" disabled=${!canDial.value} aria-label=${t('parked.pick_up_who', { who: call.name || call.number })} onClick=${() => take(call.call_id)}>${t('parked.pick_up')}</button>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}
