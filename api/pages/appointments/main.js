/** The professional's day: who comes when, who waits in the room, and what can be done about it; hours and absences. */
import { effect, signal } from '@preact/signals';
import { h, render } from 'preact';
import { Chooser, chosen, look, lookAgain } from '../book/chooser.js';
import { attempt, busy, now, said, wrong, wrongWords } from '../book/state.js';
import { clock, day, dayKey, language, midnight, moment, momentOf, speak, t, walled, zone } from '../book/words.js';
import { LANGUAGES } from '../kit/words.js';
import { ask } from '../js/rest.js';
import * as link from '../js/link.js';
import { session } from '../js/session.js';
import { Door } from '../kit/door.js';
import { Skip, TopBar } from '../kit/frame.js';
import { html } from '../kit/html.js';
import { Telephone } from '../kit/telephone.js';
import { turns } from '../kit/turns.js';

const TICK_MS = 15_000;
const SOON_MS = 300;
const DAY_S = 86_400;
const STANDING = ['booked', 'confirmed', 'moved'];
const OPEN = [...STANDING, 'arrived', 'under_way'];

const list = signal([]);
const calendars = signal([]);
const absences = signal([]);
const span = signal('day');
/** Midnight of the first day that is shown. */
const first = signal(0);
const moving = signal('');
const sure = signal('');
const services = signal([]);
/** What is being booked for a customer. */
const booking = signal({ service: '', spoken: '' });
let idem = crypto.randomUUID();

const own = () => calendars.value.find((each) => each.professional === session.value?.identity);

const today = () => midnight(Date.now() / 1000);

const turn = turns();

async function fetchAll() {
  if (!session.peek()) return;
  const isLast = turn();
  const until = first.peek() + (span.peek() === 'week' ? 7.2 : 1.2) * DAY_S;
  const query = new URLSearchParams({ from: first.peek(), until });
  const shown = (await ask('GET', `/api/v1/appointments?${query}`)).appointments;
  const last = span.peek() === 'week' ? dayKey(first.peek() + 6.5 * DAY_S) : dayKey(first.peek() + DAY_S / 2);
  const away = (await ask('GET', '/api/v1/absences')).absences;
  if (!isLast()) return;
  list.value = shown.filter((each) => dayKey(each.start_at) <= last);
  absences.value = away;
}

async function enter() {
  calendars.value = (await ask('GET', '/api/v1/calendars')).calendars;
  services.value = (await ask('GET', '/api/v1/booking/services')).services;
  if (own()) zone.value = own().zone;
  first.value = today();
  await fetchAll();
}

const go = (to) => attempt(async () => {
  first.value = to;
  await fetchAll();
});

const take = (each, body, word) => attempt(async () => {
  await ask('POST', `/api/v1/appointments/${each.appointment_id}/steps`, body);
  moving.value = sure.value = '';
  await fetchAll();
  said.value = t(word);
});

const startMoving = (each, since) => attempt(async () => {
  moving.value = each.appointment_id;
  sure.value = '';
  booking.value = { service: '', spoken: '' };
  await look(each.service_id, each.language, since);
});

function Actions({ each }) {
  const id = each.appointment_id;
  const standing = STANDING.includes(each.state);
  const begun = now.value >= each.start_at;
  if (!OPEN.includes(each.state)) return null;
  return html`
    <div class="actions">
      ${each.room_id && html`<a class="button primary" data-do="join" href=${`/consultation#${each.room_id}`}>${t(each.state === 'arrived' ? 'join.waiting' : 'join')}</a>`}
      ${each.state === 'under_way' && html`<button type="button" data-do="end" disabled=${busy.value} onClick=${() => take(each, { step: 'end' }, 'ended')}>${t('end')}</button>`}
      ${standing && begun && html`<button type="button" data-do="miss" disabled=${busy.value} onClick=${() => take(each, { step: 'miss' }, 'missed')}>${t('miss')}</button>`}
      ${standing && html`<button type="button" data-do="move" disabled=${busy.value} aria-expanded=${String(moving.value === id)} onClick=${() => (moving.value === id ? (moving.value = '') : startMoving(each))}>${t('move')}</button>`}
      ${standing && html`<button type="button" data-do="cancel" aria-expanded=${String(sure.value === id)} onClick=${() => { sure.value = sure.value === id ? '' : id; moving.value = ''; }}>${t('cancel')}</button>`}
    </div>
    ${sure.value === id && html`
      <div class="card" role="group" aria-label=${t('sure')}>
        <p>${t('sure')}</p>
        <button type="button" class="stop" data-do="really" disabled=${busy.value} onClick=${() => take(each, { step: 'cancel' }, 'cancelled')}>${t('sure.yes')}</button>
      </div>`}
    ${moving.value === id && html`
      <div class="card">
        <${Chooser} onLater=${(since) => startMoving(each, since)} />
        <button type="button" class="primary" data-do="moved" disabled=${!chosen.value || busy.value}
          onClick=${() => take(each, { step: 'move', start_at: chosen.value.start_at, professional: chosen.value.professional }, 'moved')}>${t('move.do')}</button>
      </div>`}
  `;
}

const Appointment = ({ each, others }) => html`
  <li class="card appointment" data-state=${each.state} key=${each.appointment_id}>
    <div class="head">
      <h3>${clock(each.start_at)} – ${clock(each.end_at)}</h3>
      <span class=${`chip ${each.state === 'arrived' ? 'bad' : OPEN.includes(each.state) ? 'good' : ''}`}>${t(`state.${each.state}`)}</span>
    </div>
    <p><strong>${each.name || t('forgotten')}</strong> · ${each.names[language.value] ?? each.service_id} · <span lang=${each.language}>${LANGUAGES[each.language]}</span></p>
    ${others && html`<p class="fine">${t('with.name', { name: each.with_name })}</p>`}
    <p class="fine">${[each.number, each.phone, each.email].filter(Boolean).map((words, at) => html`${at > 0 && ' · '}<${Telephone} text=${words} />`)}</p>
    ${each.note && html`<p class="note">${each.note}</p>`}
    ${each.zone !== zone.value && html`<p class="fine">${t('their_zone', { zone: each.zone.replaceAll('_', ' ') })}</p>`}
    <${Actions} each=${each} />
  </li>
`;

function Days() {
  const others = list.value.some((each) => each.professional !== session.value.identity);
  const days = [...new Set(list.value.map((each) => dayKey(each.start_at)))];
  const waiting = list.value.filter((each) => each.state === 'arrived');
  const step = (span.value === 'week' ? 7 : 1) * DAY_S;
  return html`
    <section class="column" aria-labelledby="shown">
      <div class="head">
        <h2 id="shown" tabindex="-1">${span.value === 'week' ? t('week', { from: day(first.value), until: day(first.value + 6.5 * DAY_S) }) : day(first.value)}</h2>
        <div class="actions">
          <button type="button" data-do="before" aria-label=${t('before')} onClick=${() => go(midnight(first.value - step + DAY_S / 2))}>‹</button>
          <button type="button" data-do="today" onClick=${() => go(today())}>${t('today')}</button>
          <button type="button" data-do="after" aria-label=${t('after')} onClick=${() => go(midnight(first.value + step + DAY_S / 2))}>›</button>
          <button type="button" aria-pressed=${String(span.value === 'week')} data-do="week" onClick=${() => { span.value = span.value === 'week' ? 'day' : 'week'; go(first.value); }}>${t('whole_week')}</button>
        </div>
      </div>
      <p class="fine">${t('zone.shown', { zone: zone.value.replaceAll('_', ' ') })}</p>
      <p id="waiting" role="status">${waiting.length ? t('waiting', { names: waiting.map((each) => each.name).join(', ') }) : ''}</p>
      ${list.value.length === 0 && html`<p id="none">${t('none')}</p>`}
      ${days.map((key) => html`
        <div key=${key} class="column">
          ${span.value === 'week' && html`<h3>${day(list.value.find((each) => dayKey(each.start_at) === key).start_at)}</h3>`}
          <ul class="column">${list.value.filter((each) => dayKey(each.start_at) === key).map((each) => html`<${Appointment} key=${each.appointment_id} each=${each} others=${others} />`)}</ul>
        </div>`)}
    </section>
  `;
}

const startBooking = (service, spoken, since) => attempt(async () => {
  booking.value = { service, spoken };
  moving.value = sure.value = '';
  if (service) await look(service, spoken, since);
});

function bookFor(event) {
  event.preventDefault();
  const form = event.target;
  const { service, spoken } = booking.value;
  attempt(async () => {
    const made = await ask('POST', '/api/v1/appointments', {
      service_id: service,
      start_at: chosen.value.start_at,
      professional: chosen.value.professional,
      name: form.name.value.trim(),
      email: form.email.value.trim(),
      number: form.number.value.trim(),
      note: form.note.value.trim(),
      language: spoken,
      zone: zone.value,
      consent: form.consent.checked ? t('book.consent') : '',
      idem,
    });
    idem = crypto.randomUUID();
    form.reset();
    booking.value = { service: '', spoken: '' };
    await fetchAll();
    said.value = t('booked', { number: made.number, time: moment(made.start_at) });
  }, () => lookAgain(service, spoken));
}

/** For who calls: the same times as customers see, and what they say. */
function Booking() {
  const { service, spoken } = booking.value;
  const found = services.value.find((each) => each.service_id === service);
  return html`
    <details class="card" id="book">
      <summary><h2>${t('book')}</h2></summary>
      <div class="pair">
        <label>
          <span>${t('service')}</span>
          <select id="service" value=${service} onChange=${(event) => startBooking(event.target.value, services.value.find((each) => each.service_id === event.target.value)?.languages[0] ?? '')}>
            <option value="" selected=${!service}>${t('service.choose')}</option>
            ${services.value.map((each) => html`<option key=${each.service_id} value=${each.service_id} selected=${each.service_id === service}>${each.names[language.value]}</option>`)}
          </select>
        </label>
        ${found && html`
          <label>
            <span>${t('spoken')}</span>
            <select id="spoken" value=${spoken} onChange=${(event) => startBooking(service, event.target.value)}>
              ${found.languages.map((code) => html`<option key=${code} value=${code} selected=${code === spoken}>${LANGUAGES[code] ?? code}</option>`)}
            </select>
          </label>`}
      </div>
      ${found && html`
        <${Chooser} onLater=${(since) => startBooking(service, spoken, since)} />
        <form id="book-for" onSubmit=${bookFor}>
          <p class="when" role="status">${chosen.value ? moment(chosen.value.start_at) : ''}</p>
          <label><span>${t('name')}</span><input name="name" maxlength="200" required /></label>
          <label><span>${t('email')}</span><input name="email" type="email" maxlength="320" /></label>
          <label><span>${t('phone')}</span><input name="number" type="tel" maxlength="40" /></label>
          <label><span>${t('note')}</span><input name="note" maxlength="1000" /></label>
          <label class="check"><input name="consent" type="checkbox" required /><span>${t('book.consent')}</span></label>
          <button type="submit" class="primary" disabled=${!chosen.value || busy.value}>${t('book.do')}</button>
        </form>`}
    </details>
  `;
}

function addAbsence(event) {
  event.preventDefault();
  const form = event.target;
  const at = (name) => momentOf(form[name].value);
  attempt(async () => {
    const made = await ask('POST', '/api/v1/absences', { from_at: at('from'), until_at: at('until'), reason: form.reason.value.trim() });
    form.reset();
    await fetchAll();
    said.value = made.colliding.length ? t('absent.colliding', { count: made.colliding.length }) : t('absent');
  });
}

const dropAbsence = (each) => attempt(async () => {
  await ask('DELETE', `/api/v1/absences/${each.absence_id}`);
  await fetchAll();
  said.value = t('absent.not');
});

const Absences = () => html`
  <details class="card" id="absences">
    <summary><h2>${t('absences')}</h2></summary>
    <ul class="rows">
      ${absences.value.map((each) => html`
        <li key=${each.absence_id}>
          <span>${each.professional !== session.value.identity ? `${each.professional}: ` : ''}${moment(each.from_at)} – ${moment(each.until_at)}${each.reason ? ` · ${each.reason}` : ''}</span>
          <button type="button" data-do="drop" disabled=${busy.value} aria-label=${t('absence.drop', { from: moment(each.from_at) })} onClick=${() => dropAbsence(each)}>${t('drop')}</button>
        </li>`)}
    </ul>
    <form id="absence" onSubmit=${addAbsence}>
      <label><span>${t('from')}</span><input name="from" type="datetime-local" required min=${walled(now.value)} /></label>
      <label><span>${t('until')}</span><input name="until" type="datetime-local" required min=${walled(now.value)} /></label>
      <label><span>${t('reason')}</span><input name="reason" maxlength="200" /></label>
      <button type="submit" disabled=${busy.value}>${t('absence.add')}</button>
    </form>
  </details>
`;

function keepHours(event) {
  event.preventDefault();
  const form = event.target;
  const words = (name) => form[name].value.split(/[\s,]+/).filter(Boolean);
  attempt(async () => {
    await ask('PUT', `/api/v1/calendars/${encodeURIComponent(session.value.identity)}`, {
      hours: form.hours.value,
      languages: words('languages'),
      skills: words('skills'),
      buffer_min: Number(form.buffer.value),
      notice_min: Number(form.notice.value),
      horizon_days: Number(form.horizon.value),
    });
    await enter();
    said.value = t('hours.kept');
  });
}

const EXAMPLE = '[hours]\nzone = "Europe/Madrid"\n\n[hours.weekly]\nmonday-friday = ["09:00-14:00", "16:00-18:00"]\n\n[breaks]\nzone = "Europe/Madrid"\n\n[breaks.weekly]\nmonday-friday = ["11:00-11:30"]\n';

const Hours = () => html`
  <details class="card" id="hours">
    <summary><h2>${t('hours')}</h2></summary>
    <p class="fine">${t('hours.explained')}</p>
    <form id="keep-hours" onSubmit=${keepHours}>
      <label><span>${t('hours.text')}</span><textarea name="hours" rows="10" spellcheck="false" required value=${own()?.hours ?? EXAMPLE}></textarea></label>
      <label><span>${t('languages')}</span><input name="languages" value=${(own()?.languages ?? [language.value]).join(' ')} /></label>
      <label><span>${t('skills')}</span><input name="skills" value=${(own()?.skills ?? []).join(' ')} /></label>
      <div class="pair">
        <label><span>${t('buffer')}</span><input name="buffer" type="number" min="0" max="240" step="5" value=${own()?.buffer_min ?? 10} /></label>
        <label><span>${t('notice')}</span><input name="notice" type="number" min="0" max="43200" value=${own()?.notice_min ?? 120} /></label>
        <label><span>${t('horizon')}</span><input name="horizon" type="number" min="1" max="365" value=${own()?.horizon_days ?? 60} /></label>
      </div>
      <button type="submit" disabled=${busy.value}>${t('hours.keep')}</button>
    </form>
  </details>
`;

const App = () => html`
  <${Skip} />
  <${TopBar} />
  <main id="main" tabindex="-1" class="kit-main" aria-busy=${String(busy.value)}>
    ${session.value && html`<h1 class="kit-title">${t('title')}</h1>`}
    <p id="said" role="status">${said.value}</p>
    <p id="wrong" role="alert">${wrongWords()}</p>
    ${session.value ? html`<${Days} /><${Booking} /><${Absences} /><${Hours} />` : html`<${Door} lead=${t('door.lead')} />`}
  </main>
`;

/** Several changes that come together are looked at once. */
let looking = 0;

function onNotice(notice) {
  if (!['appointment.changed', 'session.snapshot'].includes(notice.type)) return;
  clearTimeout(looking);
  looking = setTimeout(() => session.peek() && first.peek() && fetchAll().catch(() => {}), SOON_MS);
}

async function begin() {
  await speak();
  render(h(App), document.getElementById('page'));
  effect(() => {
    const open = Boolean(session.value);
    if (!open) list.value = absences.value = calendars.value = [];
    setTimeout(async () => {
      await attempt(async () => open && (await enter()));
      document.body.dataset.ready = 'true';
    });
  });
  effect(() => {
    if (!session.value) link.close();
    else if (!link.isOpen()) link.open(onNotice, false);
  });
  setInterval(() => (now.value = Date.now() / 1000), TICK_MS);
}

begin();
