/** Appointments for customers: choose a service, a language, a day and a time, and book it; or look after one's own. Nobody signs in. */
import { signal } from '@preact/signals';
import { h, render } from 'preact';
import { ask } from '../js/rest.js';
import { Skip, TopBar } from '../kit/frame.js';
import { html } from '../kit/html.js';
import { Chooser, chosen, look, lookAgain } from './chooser.js';
import { Own, fetchOwn } from './own.js';
import { attempt, busy, focusTitle, mine, now, said, token, wrong, wrongWords } from './state.js';
import { clock, language, moment, shortDay, speak, t, zone } from './words.js';

const SPOKEN = { en: 'English', es: 'Español' };
const TICK_MS = 15_000;
const LOOK_EVERY_MS = 60_000;
const SOON_S = 1_800;
/** What an address is told that leads to no appointment, or is not whole. */
const NO_APPOINTMENT = ['unknown_appointment', 'bad_message'];
const services = signal(null);
const service = signal('');
const spoken = signal('');
const near = signal(null);
let idem = crypto.randomUUID();

const found = () => services.value?.find((each) => each.service_id === service.value);

const lookNow = (since) => attempt(() => look(service.value, spoken.value, since));

function choose(service_id) {
  service.value = service_id;
  const languages = found().languages;
  spoken.value = languages.includes(language.value) ? language.value : languages[0];
  near.value = null;
  lookNow();
}

const Services = () => html`
  <section class="card" aria-labelledby="title">
    <h2 id="title" tabindex="-1">${t('choose')}</h2>
    ${services.value.length === 0 && html`<p>${t('choose.none')}</p>`}
    <div class="column" role="radiogroup" aria-labelledby="title">${services.value.map((each) => html`
      <label class="choice" key=${each.service_id}>
        <input type="radio" name="service" value=${each.service_id} checked=${each.service_id === service.value} onChange=${() => choose(each.service_id)} />
        <span><strong>${each.names[language.value]}</strong> <span class="fine">${t('minutes', { minutes: each.length_min })}</span>
          <span class="fine about">${each.about[language.value]}</span></span>
      </label>`)}</div>
    ${found() && found().languages.length > 1 && html`
      <label>
        <span>${t('spoken')}</span>
        <select id="spoken" value=${spoken.value} onChange=${(event) => { spoken.value = event.target.value; near.value = null; lookNow(); }}>
          ${found().languages.map((code) => html`<option key=${code} value=${code} lang=${code} selected=${code === spoken.value}>${SPOKEN[code] ?? code}</option>`)}
        </select>
      </label>`}
  </section>
`;

/** Times near one that has gone. */
function Near() {
  const lists = [['near.same_professional', near.value.same_professional], ['near.same_day', near.value.same_day], ['near.others', near.value.others]];
  const none = lists.every(([, list]) => list.length === 0);
  return html`
    <section class="card" id="near" aria-labelledby="near-title">
      <h2 id="near-title" tabindex="-1">${t('near')}</h2>
      ${none && html`<p>${t('near.none')}</p>`}
      ${lists.filter(([, list]) => list.length).map(([name, list]) => html`
        <h3 key=${name}>${t(name)}</h3>
        <div class="times">
          ${list.map((slot) => html`
            <button key=${`${slot.start_at}${slot.professional}`} type="button" class="time"
              aria-pressed=${String(chosen.value?.start_at === slot.start_at && chosen.value?.professional === slot.professional)}
              onClick=${() => (chosen.value = slot)}>${shortDay(slot.start_at)}, ${clock(slot.start_at)} · ${slot.name}</button>`)}
        </div>`)}
    </section>
  `;
}

async function showNear(gone) {
  const query = new URLSearchParams({ service: service.value, start: gone.start_at, language: spoken.value, professional: gone.professional, zone: zone.value });
  near.value = await ask('GET', `/api/v1/booking/alternatives?${query}`);
  await lookAgain(service.value, spoken.value);
  requestAnimationFrame(() => document.querySelector('#near-title')?.focus());
}

function book(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const wanted = chosen.value;
  attempt(async () => {
    const made = await ask('POST', '/api/v1/booking/appointments', {
      service_id: service.value,
      start_at: wanted.start_at,
      professional: wanted.professional,
      name: form.get('name').trim(),
      email: form.get('email').trim(),
      number: form.get('number').trim(),
      note: form.get('note').trim(),
      language: spoken.value,
      zone: zone.value,
      consent: form.has('consent') ? t('consent') : '',
      survey: form.has('survey') ? t('survey') : '',
      idem,
    });
    idem = crypto.randomUUID();
    token.value = made.token;
    history.replaceState(null, '', `#${made.token}`);
    mine.value = made;
    said.value = t('booked');
    focusTitle();
  }, () => showNear(wanted));
}

const Details = () => html`
  <form class="card" id="details" onSubmit=${book}>
    <h2>${t('details')}</h2>
    <p class="when" id="chosen" role="status">${chosen.value ? [moment(chosen.value.start_at), chosen.value.name].filter(Boolean).join(' · ') : t('details.time')}</p>
    <label><span>${t('name')}</span><input name="name" autocomplete="name" maxlength="200" required /></label>
    <label><span>${t('email')}</span><input name="email" type="email" autocomplete="email" maxlength="320" /></label>
    <label><span>${t('phone')}</span><input name="number" type="tel" autocomplete="tel" maxlength="40" placeholder="+34 600 111 222" /></label>
    <p class="fine">${t('details.reach')}</p>
    <label><span>${t('note')}</span><textarea name="note" rows="2" maxlength="1000"></textarea></label>
    <label class="check"><input name="consent" type="checkbox" required /><span>${t('consent')}</span></label>
    <label class="check"><input name="survey" type="checkbox" /><span>${t('survey')}</span></label>
    <button type="submit" class="primary wide" disabled=${!chosen.value || busy.value}>${t('book')}</button>
  </form>
`;

const Booking = () => html`
  ${services.value && html`<${Services} />`}
  ${service.value && html`
    <section class="card" aria-labelledby="time-title">
      <h2 id="time-title">${t('time')}</h2>
      <${Chooser} onLater=${lookNow} />
    </section>`}
  ${near.value && html`<${Near} />`}
  ${service.value && html`<${Details} />`}
`;

const Lost = () => html`
  <section class="card" data-stage="unknown" aria-labelledby="title">
    <h2 id="title" tabindex="-1">${t('own.unknown')}</h2>
    <p>${t('own.unknown.what')}</p>
    <a class="button primary" href="/book">${t('again')}</a>
  </section>
`;

const App = () => html`
  <${Skip} />
  <${TopBar} />
  <main id="main" tabindex="-1" class="kit-main">
    <h1 class="kit-title">${t('title')}</h1>
    <p id="said" role="status">${said.value}</p>
    <p id="wrong" role="alert">${NO_APPOINTMENT.includes(wrong.value) && token.value && !mine.value ? '' : wrongWords()}</p>
    ${mine.value ? html`<${Own} />` : token.value && NO_APPOINTMENT.includes(wrong.value) ? html`<${Lost} />` : !token.value && html`<${Booking} />`}
  </main>
`;

async function open() {
  token.value = location.hash.slice(1);
  mine.value = near.value = null;
  await attempt(async () => {
    if (token.value) return fetchOwn();
    services.value = (await ask('GET', '/api/v1/booking/services')).services;
    const wanted = new URLSearchParams(location.search).get('service') ?? (services.value.length === 1 ? services.value[0].service_id : '');
    if (services.value.some((each) => each.service_id === wanted)) setTimeout(() => choose(wanted));
  });
}

async function begin() {
  await speak();
  render(h(App), document.getElementById('page'));
  await open();
  addEventListener('hashchange', open);
  setInterval(() => {
    now.value = Date.now() / 1000;
  }, TICK_MS);
  // Only where something may change by itself soon: who asks without a sign-in may not ask often.
  setInterval(() => {
    const soon = mine.value && Math.abs(mine.value.start_at - Date.now() / 1000) < SOON_S;
    if (soon && document.visibilityState === 'visible') fetchOwn().catch(() => {});
  }, LOOK_EVERY_MS);
  document.body.dataset.ready = 'true';
}

begin();
