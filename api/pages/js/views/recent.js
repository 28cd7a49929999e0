/** The last calls, each one click from being called again. */
import { clockface, fullMoment, has, moment, t } from '../catalogue.js';
import { Telephone } from '../../kit/telephone.js';
import { who } from '../attention.js';
import { canDial } from '../phone.js';
import { recent } from '../state.js';
import { call } from './dial.js';
import { html } from './html.js';
import { Icon } from './icon.js';

const MISSED = new Set(['gave_up', 'no_answer', 'nobody_available']);

/** How a call came out, in a word or two. */
export function outcome(ended) {
  if (ended.answered_at && ended.reason === 'completed') return clockface(ended.ended_at - ended.answered_at);
  const id = `reason.${ended.direction}.${ended.reason}`;
  return t(has(id) ? id : 'reason.unknown');
}

function Row({ ended }) {
  const missed = ended.direction === 'in' && !ended.answered_at && MISSED.has(ended.reason);
  const kind = missed ? 'missed' : ended.direction;
  return html`
    <li class=${`row ${kind}`}>
      <span class="row-icon"><${Icon} name=${kind} /><span class="visually-hidden">${t(`recent.${kind}`)}</span></span>
      <span class="row-who"><span class="name"><${Telephone} text=${who(ended)} /></span>${ended.name && ended.number && html`<span class="number" dir="ltr"><${Telephone} text=${ended.number} /></span>`}</span>
      <span class="row-when"><time datetime=${new Date(ended.started_at * 1000).toISOString()} title=${fullMoment(ended.started_at)}>${moment(ended.started_at)}</time><span>${outcome(ended)}</span></span>
      <button type="button" class="round" disabled=${!canDial.value || !ended.number} aria-label=${t('recent.again', { who: who(ended) })} title=${t('recent.again', { who: who(ended) })}
        data-do="redial" onClick=${() => call(ended.number)}><${Icon} name="call" /></button>
    </li>
  `;
}

export const Recent = () => html`
  <section class="card recent" aria-labelledby="recent-title">
    <h2 id="recent-title">${t('recent.title')}</h2>
    ${recent.value.length
      ? html`<ul class="rows">${recent.value.map((ended) => html`<${Row} key=${ended.call_id} ended=${ended} />`)}</ul>`
      : html`<p class="empty">${t('recent.empty')}</p>`}
  </section>
`;
