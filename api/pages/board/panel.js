/** The call that is looked at: what may be done in it, and each way of its legs with what it costs. */
import { Telephone } from '../kit/telephone.js';
import { length, number, percent } from '../kit/formats.js';
import { Actions } from './actions.js';
import { Badge, Button, Card, html, t } from './kit.js';
import { clock } from './live.js';
import { Mos, fault } from './rows.js';

/** MOS with its scale, loss and jitter of one way. */
function Way({ label, name, mos, scale, loss, jitterMs, cause }) {
  const facts = [scale && t(`scale.${scale}`), loss !== null && loss !== undefined && t('loss', { percent: percent(loss) })];
  if (jitterMs !== null && jitterMs !== undefined) facts.push(t('jitter', { ms: number(jitterMs) }));
  const why = cause && !['good', 'unclassified', 'upstream'].includes(cause) ? t(`cause.${cause}`) : '';
  return html`
    <dt class="fine">${label}</dt>
    <dd class="way" data-way=${name}><${Mos} mos=${mos} /><span class="fine">${facts.filter(Boolean).join(' · ') || t('unmeasured')}</span>
      ${why && html`<${Badge} tone="bad">${why}<//>`}</dd>
  `;
}

function Leg({ leg }) {
  const trip = leg.round_trip_ms === null ? '' : t('round_trip', { ms: number(leg.round_trip_ms) });
  return html`
    <li class="leg" data-side=${leg.side}>
      <p class="leg-head"><strong>${t(`side.${leg.side}`)}</strong><span class="fine">${[leg.codec, trip].filter(Boolean).join(' · ')}</span></p>
      <dl class="ways">
        <${Way} name="from" label=${t('way.from')} mos=${leg.mos} scale=${leg.scale} loss=${leg.loss} jitterMs=${leg.jitter_ms} cause=${leg.cause} />
        <${Way} name="to" label=${t('way.to')} mos=${leg.far_mos} scale=${leg.far_scale} loss=${leg.far_loss} jitterMs=${leg.far_jitter_ms} cause=${leg.far_cause} />
      </dl>
    </li>
  `;
}

/** Both legs of a call as they are now. */
export const Legs = ({ call }) => html`<ul class="legs">${call.legs.map((leg, at) => html`<${Leg} key=${`${leg.side}${at}`} leg=${leg} />`)}</ul>`;

/** `of`: the call's signal. */
export function Panel({ of, onClose }) {
  const call = of.value;
  const about = [t(`direction.${call.direction}`), call.agent, call.queue, t(call.held ? 'state.held' : `state.${call.state}`), length(clock.value - (call.answered_at ?? call.started_at))];
  const actions = html`<a class="button-link" href=${`#${call.call_id}`} data-do="open-call">${t('call.open')}</a><${Button} kind="quiet" icon="close" label=${t('kit.close')} data-do="close-panel" onClick=${onClose} />`;
  return html`
    <${Card} class="panel" data-part="panel" data-hop=${call.hop} title=${html`${call.name && html`<bdi>${call.name}</bdi> · `}<${Telephone} text=${call.number} />`} actions=${actions}>
      <p class="fine">${about.filter(Boolean).join(' · ')}</p>
      ${call.hop && html`<p class="verdict">${fault(call)}</p>`}
      <${Actions} call=${call} />
      <${Legs} call=${call} />
    <//>
  `;
}
