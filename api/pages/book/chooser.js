/** Choosing a time: with whom, on which day, when. */
import { signal } from '@preact/signals';
import { ask } from '../js/rest.js';
import { html } from '../js/views/html.js';
import { turns } from '../kit/turns.js';
import { clock, clockWithZone, day, dayKey, shortDay, t, zone } from './words.js';

const LOOK_AHEAD_S = 14 * 86_400;

/** What is free, or null while it is asked for. */
export const slots = signal(null);
/** The chosen time: `{start_at, end_at, professional, name}`; professional is empty where anybody will do. */
export const chosen = signal(null);
const person = signal('');
const shownDay = signal('');
const from = signal(0);
const turn = turns();

/** Ask for the free times of a service from `since` on, and forget what was chosen. */
export async function look(service, language, since = Date.now() / 1000) {
  slots.value = null;
  await lookAgain(service, language, since);
  shownDay.value = '';
}

/** The same with the day that was chosen, for where a time has gone meanwhile. */
export async function lookAgain(service, language, since = from.peek()) {
  const isLast = turn();
  chosen.value = null;
  from.value = since;
  const query = new URLSearchParams({ service, language, from: Math.floor(since), until: Math.floor(since + LOOK_AHEAD_S) });
  const { professionals, times } = await ask('GET', `/api/v1/booking/slots?${query}`);
  if (!isLast()) return;
  const found = times.flatMap(({ start_at, end_at, free }) => free.map((place) => ({ start_at, end_at, ...professionals[place] })));
  slots.value = found;
  if (!found.some((slot) => slot.professional === person.value)) person.value = '';
}

const zones = () => [...new Set([zone.value, ...(Intl.supportedValuesOf?.('timeZone') ?? ['UTC'])])].sort();

function ZoneChoice() {
  return html`
    <label>
      <span>${t('zone')}</span>
      <select id="zone" value=${zone.value} onChange=${(event) => { zone.value = event.target.value; shownDay.value = ''; }}>
        ${zones().map((name) => html`<option key=${name} value=${name} selected=${name === zone.value}>${name.replaceAll('_', ' ')}</option>`)}
      </select>
    </label>
  `;
}

/** One button for each time; at a time several may be free. */
function Times({ free }) {
  const clocks = free.map((slot) => clock(slot.start_at));
  return html`
    <div class="times" role="group" aria-label=${day(free[0].start_at)}>
      ${free.map((slot, place) => html`
        <button key=${slot.start_at} type="button" class="time" aria-pressed=${String(chosen.value?.start_at === slot.start_at)}
          onClick=${() => (chosen.value = { ...slot, professional: person.value, name: person.value ? slot.name : '' })}>
          ${clocks.indexOf(clocks[place]) === clocks.lastIndexOf(clocks[place]) ? clocks[place] : clockWithZone(slot.start_at)}
        </button>`)}
    </div>
  `;
}

const once = (list, key) => [...new Map(list.map((each) => [key(each), each])).values()];

/** `onLater`: asks for the times after those shown. */
export function Chooser({ onLater }) {
  if (!slots.value) return html`<p class="fine" role="status">${t('looking')}</p>`;
  const people = once(slots.value, (slot) => slot.professional).sort((one, other) => one.name.localeCompare(other.name));
  const free = once(slots.value.filter((slot) => !person.value || slot.professional === person.value), (slot) => slot.start_at);
  const days = once(free, (slot) => dayKey(slot.start_at));
  const shown = days.some((slot) => dayKey(slot.start_at) === shownDay.value) ? shownDay.value : days.length ? dayKey(days[0].start_at) : '';
  return html`
    <div class="column" id="chooser">
      <div class="pair">
        ${people.length > 1 && html`
          <label>
            <span>${t('with')}</span>
            <select id="person" value=${person.value} onChange=${(event) => { person.value = event.target.value; chosen.value = null; }}>
              <option value="">${t('with.anybody')}</option>
              ${people.map((each) => html`<option key=${each.professional} value=${each.professional} selected=${each.professional === person.value}>${each.name}</option>`)}
            </select>
          </label>`}
        <${ZoneChoice} />
      </div>
      ${days.length === 0 && html`<p id="no-times">${t('no_times')}</p>`}
      ${days.length > 0 && html`
        <div class="days" role="group" aria-label=${t('day')}>
          ${days.map((slot) => html`
            <button key=${dayKey(slot.start_at)} type="button" class="day" aria-pressed=${String(dayKey(slot.start_at) === shown)}
              onClick=${() => { shownDay.value = dayKey(slot.start_at); chosen.value = null; }}>${shortDay(slot.start_at)}</button>`)}
        </div>
        <h3>${day(days.find((slot) => dayKey(slot.start_at) === shown).start_at)}</h3>
        <${Times} free=${free.filter((slot) => dayKey(slot.start_at) === shown)} />`}
      <button type="button" class="plain" data-do="later" onClick=${() => onLater(from.value + LOOK_AHEAD_S)}>${t('later')}</button>
    </div>
  `;
}
