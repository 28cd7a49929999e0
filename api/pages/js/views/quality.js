/** How well do both sides hear each other, in bars and in words; the numbers are in the details. */
import { useState } from 'preact/hooks';
import { figure, has, t } from '../catalogue.js';
import { quality } from '../state.js';
import { html } from './html.js';
import { later } from './later.js';

const Tables = later(() => import('./details.js'), 'Tables');

const SIDES = ['agent', 'phone'];
/** MOS from which a bar is lit, per scale of the E-model (G.107 narrowband tops out near 4.4, wideband and fullband near 4.5). */
const STEPS = [1.5, 2.8, 3.5, 4.0];

const lit = (mos) => STEPS.filter((step) => mos >= step).length;

function Side({ leg }) {
  const measured = leg.mos !== null && leg.cause !== 'unclassified';
  const bars = measured ? lit(leg.mos) : 0;
  const id = `quality.cause.${leg.side}.${leg.cause}`;
  const reason = t(has(id) ? id : 'quality.cause.unknown');
  const words = measured ? t('quality.mos', { mos: figure(leg.mos, 1) }) : t('quality.unmeasured');
  return html`
    <div class="side" data-side=${leg.side} data-cause=${leg.cause} data-level=${bars}>
      <span class="side-name">${t(`quality.${leg.side}`)}</span>
      <span class="bars" data-lit=${bars} aria-hidden="true"><i></i><i></i><i></i><i></i></span>
      <span class="side-mos">${words}</span>
      <span class="side-reason">${reason}</span>
    </div>
  `;
}

export function Quality({ call }) {
  const legs = quality.value[call.call_id]?.legs ?? [];
  const shown = SIDES.map((side) => legs.find((leg) => leg.side === side)).filter(Boolean);
  if (!shown.length) return null;
  return html`<div class="quality" role="group" aria-label=${t('quality.title')}>${shown.map((leg) => html`<${Side} key=${leg.side} leg=${leg} />`)}</div>`;
}

export function Details({ call }) {
  const [shown, setShown] = useState(false);
  return html`
    <details class="details" data-part="numbers" onToggle=${(event) => setShown(event.currentTarget.open)}>
      <summary>${t('details.title')}</summary>
      ${shown && html`<${Tables} call=${call} />`}
    </details>
  `;
}
