/** The colleagues with what they do now; in a call of ours each is one click from being asked or given it. */
import { useEffect, useState } from 'preact/hooks';
import { alsoSpeak, t } from '../catalogue.js';
import { colleagues, reachable, sorted, watchColleagues } from '../colleagues.js';
import { living } from '../state.js';
import { giveTo } from './call.js';
import { reasonOf } from '../../kit/reasons.js';
import { html } from './html.js';

await alsoSpeak('calls');

const FEW = 8;
const TONES = { available: 'good', wrap_up: 'warn', ringing: 'warn', on_call: 'warn', consulting: 'warn', break: 'bad', offline: '' };

function Colleague({ someone, call }) {
  const state = someone.state === 'break' && someone.reason ? t('colleagues.break', { reason: reasonOf(someone.reason) }) : t(`moves.state.${someone.state}`);
  return html`
    <li class="colleague" data-colleague=${someone.identity} data-state=${someone.state}>
      <span class="colleague-name"><bdi>${someone.name}</bdi></span>
      <span class=${`chip ${TONES[someone.state] ?? ''}`}><i class="dot" aria-hidden="true"></i>${state}</span>
      ${call && reachable(someone) && html`<button type="button" class="small" data-do="give" aria-label=${t('palette.give', { who: someone.name })} onClick=${() => giveTo(call.call_id, `@${someone.identity}`)}>${t('call.transfer')}</button>`}
    </li>
  `;
}

export function Colleagues() {
  const [all, setAll] = useState(false);
  useEffect(watchColleagues, []);
  const people = sorted(colleagues.value);
  if (!people.length) return null;
  const call = living.value.find((each) => each.state === 'live' && each.owned && !each.move);
  const shown = all ? people : people.slice(0, FEW);
  return html`
    <section class="card" aria-labelledby="colleagues-title">
      <h2 id="colleagues-title">${t('colleagues.title')}</h2>
      <ul class="plain-list">${shown.map((someone) => html`<${Colleague} key=${someone.identity} someone=${someone} call=${call} />`)}</ul>
      ${people.length > FEW && html`<button type="button" class="small" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${t(all ? 'colleagues.fewer' : 'colleagues.all', { number: people.length })}</button>`}
    </section>
  `;
}
