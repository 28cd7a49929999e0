/** One's own appointment, by the token of its link: see it, come in, put it into a calendar, move it, cancel it; and every wrong moment. */
import { signal } from '@preact/signals';
import { ask } from '../js/rest.js';
import { Telephone } from '../kit/telephone.js';
import { html } from '../js/views/html.js';
import { Chooser, chosen, look } from './chooser.js';
import { attempt, busy, focusTitle, mine, now, said, token } from './state.js';
import { clock, language, moment, t, zone } from './words.js';

const STANDING = ['booked', 'confirmed', 'moved'];
const MET = ['arrived', 'under_way'];
const moving = signal(false);
const sure = signal(false);

/** What the page says of this appointment just now: one word of the catalogue's family `own`. */
export function stage(own, at) {
  if (own.state === 'cancelled') return 'cancelled';
  if (own.state === 'done') return 'done';
  if (at >= own.closes_at) return own.state === 'no_show' ? 'missed' : 'past';
  if (own.state === 'no_show') return 'late';
  if (MET.includes(own.state) || at >= own.opens_at) return 'open';
  return 'ahead';
}

const send = (path, body = {}) => ask('POST', `/api/v1/booking/own${path}`, { token: token.value, ...body });

export async function fetchOwn() {
  mine.value = await send('');
}

const take = (path, word) => attempt(async () => {
  mine.value = { ...mine.value, ...(await send(path)) };
  sure.value = moving.value = false;
  said.value = t(word);
  focusTitle();
});

const startMoving = (since) => attempt(async () => {
  moving.value = true;
  sure.value = false;
  await look(mine.value.service_id, mine.value.language, since);
});

const move = () => attempt(async () => {
  mine.value = await send('/move', { start_at: chosen.value.start_at, professional: chosen.value.professional });
  moving.value = false;
  said.value = t('moved');
  focusTitle();
}, () => look(mine.value.service_id, mine.value.language));

function saveCalendar() {
  const address = URL.createObjectURL(new Blob([mine.value.calendar], { type: 'text/calendar' }));
  Object.assign(document.createElement('a'), { href: address, download: `${mine.value.number}.ics` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

const Actions = ({ own }) => html`
  <div class="actions">
    ${own.state !== 'confirmed' && html`<button type="button" class="primary" data-do="confirm" disabled=${busy.value} onClick=${() => take('/confirm', 'confirmed')}>${t('confirm')}</button>`}
    <button type="button" data-do="calendar" onClick=${saveCalendar}>${t('calendar')}</button>
    <button type="button" data-do="move" disabled=${busy.value} aria-expanded=${String(moving.value)} onClick=${() => (moving.value ? (moving.value = false) : startMoving())}>${t('move')}</button>
    <button type="button" class="grave" data-do="cancel" aria-expanded=${String(sure.value)} onClick=${() => { sure.value = !sure.value; moving.value = false; }}>${t('cancel')}</button>
  </div>
  ${sure.value && html`
    <div class="card" id="sure" role="group" aria-labelledby="sure-what">
      <p id="sure-what">${t('sure')}</p>
      <div class="actions">
        <button type="button" data-do="keep" onClick=${() => (sure.value = false)}>${t('sure.no')}</button>
        <button type="button" class="stop" data-do="really" disabled=${busy.value} onClick=${() => take('/cancel', 'cancelled')}>${t('sure.yes')}</button>
      </div>
    </div>`}
  ${moving.value && html`
    <section class="card" aria-labelledby="moving">
      <h3 id="moving">${t('moving')}</h3>
      <${Chooser} onLater=${startMoving} />
      <button type="button" class="primary" data-do="moved" disabled=${!chosen.value || busy.value} onClick=${move}>${t('moving.do')}</button>
    </section>`}
`;

export function Own() {
  const own = mine.value;
  const at = stage(own, now.value);
  const open = at === 'open' || at === 'late';
  return html`
    <section class="card" data-stage=${at} aria-labelledby="title">
      <h2 id="title" tabindex="-1">${t(`own.${at}`)}</h2>
      <p class="when">${moment(own.start_at)}</p>
      <dl>
        <div><dt>${t('number')}</dt><dd class="number" id="number">${own.number}</dd></div>
        <div><dt>${t('service')}</dt><dd>${own.names[language.value]}</dd></div>
        <div><dt>${t('with')}</dt><dd>${own.with_name}</dd></div>
        <div><dt>${t('zone')}</dt><dd>${zone.value.replaceAll('_', ' ')}</dd></div>
        <div><dt>${t('reach')}</dt><dd>${[own.name, own.email, own.phone].filter(Boolean).map((words, at) => html`${at > 0 && ' · '}<${Telephone} text=${words} />`)}</dd></div>
      </dl>
      ${at === 'ahead' && html`<p>${t('own.opens', { time: clock(own.opens_at) })}</p>`}
      ${at === 'ahead' && html`<p class="fine">${t('own.keep')}</p>`}
      ${open && own.link && html`<a class="button primary" id="join" href=${`/consultation#${own.link}`}>${t('join')}</a>`}
      ${open && !own.link && html`<p>${t('own.no_link')}</p>`}
      ${at === 'ahead' && STANDING.includes(own.state) && html`<${Actions} own=${own} />`}
      ${!open && at !== 'ahead' && html`<a class="button primary" href="/book">${t('again')}</a>`}
    </section>
  `;
}
