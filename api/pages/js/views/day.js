/** One's own day: how many calls, how long one talked, hour by hour. Looked for anew after each call, while it is open, until that is in it. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { alsoSpeak, clockface, figure, moment, t } from '../catalogue.js';
import * as link from '../link.js';
import { Refusal } from '../session.js';
import { recent } from '../state.js';
import { html } from './html.js';

await alsoSpeak('calls');

const HOUR_S = 3_600;
/** A call's record is written a moment after it: a second as a rule, more on a busy machine. The first wait is so long, each next one longer by it. */
const WRITTEN_MS = 1_000;
const MOST_LOOKS = 8;
const day = signal([]);

const midnight = () => new Date().setHours(0, 0, 0, 0) / 1000;

async function look() {
  try {
    day.value = (await link.ask('day.read', { since: midnight() })).calls;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // what was known is shown
  }
}

/** Is this call among them? Its record may tell its beginning a little differently. */
const holds = (call) => !call || day.peek().some((each) => Math.abs(each.started_at - call.started_at) < 1);

/** Look until this call is there; the function that stops it. */
function lookFor(newest) {
  let looks = 0;
  let stopped = false;
  let timer = 0;
  const again = async () => {
    await look();
    looks += 1;
    if (!stopped && looks < MOST_LOOKS && !holds(newest)) timer = setTimeout(again, WRITTEN_MS * looks);
  };
  timer = setTimeout(again, day.peek().length ? WRITTEN_MS : 0);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

const talked = (call) => (call.answered_at ? call.ended_at - call.answered_at : 0);
const sum = (values) => values.reduce((total, value) => total + value, 0);

function hours(calls) {
  const found = new Map();
  for (const call of calls) {
    const hour = new Date(call.started_at * 1000).setMinutes(0, 0, 0) / 1000;
    found.set(hour, [...(found.get(hour) ?? []), call]);
  }
  return [...found];
}

function Chart({ calls }) {
  const answered = calls.filter((call) => call.answered_at);
  const figures = [
    ['day.taken', figure(answered.filter((call) => call.direction === 'in').length)],
    ['day.made', figure(answered.filter((call) => call.direction === 'out').length)],
    ['day.missed', figure(calls.filter((call) => call.direction === 'in' && !call.answered_at).length)],
    ['day.talked', clockface(sum(calls.map(talked)))],
    ['day.mean', answered.length ? clockface(sum(calls.map(talked)) / answered.length) : t('details.none')],
  ];
  return html`
    <dl class="figures">${figures.map(([id, value]) => html`<div key=${id}><dt>${t(id)}</dt><dd>${value}</dd></div>`)}</dl>
    ${
      calls.length > 0 &&
      html`
        <table class="day">
          <caption class="visually-hidden">${t('day.hours')}</caption>
          <thead><tr><th scope="col">${t('day.hour')}</th><th scope="col">${t('day.calls')}</th><th scope="col">${t('day.talked')}</th></tr></thead>
          <tbody>
            ${hours(calls).map(([hour, own]) => html`<tr key=${hour}><th scope="row">${moment(hour)}</th><td>${figure(own.length)}</td><td><meter min="0" max=${HOUR_S} value=${Math.min(HOUR_S, sum(own.map(talked)))} aria-label=${t('day.talked')}></meter> ${clockface(sum(own.map(talked)))}</td></tr>`)}
          </tbody>
        </table>
      `
    }
  `;
}

export function Day() {
  const [open, setOpen] = useState(false);
  const newest = recent.value[0]?.call_id;
  const up = link.link.value === 'up';
  useEffect(() => {
    if (!open || !up) return undefined;
    return lookFor(recent.peek()[0]);
  }, [open, up, newest]);
  return html`
    <section class="card" aria-labelledby="day-title" data-part="day">
      <h2 id="day-title"><button type="button" class="heading" data-do="day" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${t('day.title')}</button></h2>
      ${open && html`<${Chart} calls=${day.value} />`}
    </section>
  `;
}
