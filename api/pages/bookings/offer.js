/** For who leads: tours with their texts, and departures with seats and prices. */
import { t } from '../kit/words.js';
import { $, say, tell } from '../kit/still.js';
import { ask } from '../js/rest.js';
import { day, element, link, money, onOffer, row, title } from './words.js';

const CURRENCIES = ['EUR', 'USD', 'GBP', 'CHF', 'MXN', 'COP', 'ARS', 'PEN'];
let tours = [];
let departures = [];
let changed = null;

const cents = (field) => Math.round(Number(field.value) * 100);

/** Seconds since the epoch of a time as clocks show it in a zone. A zone's own clock is asked twice: the first answer may lie beyond a change. */
function instant(text, timeZone) {
  const shown = Date.parse(`${text}Z`);
  const clock = (at) => Date.parse(`${new Date(at).toLocaleString('sv', { timeZone }).replace(' ', 'T')}Z`);
  const first = shown - (clock(shown) - shown);
  return (shown - (clock(first) - first)) / 1000;
}

function departureRow(each) {
  const taken = each.seats - each.free;
  const line = [t('departure.line', { taken, seats: each.seats, price: money(each.seat_price_cents, each.currency) }), !each.on_sale && t('departure.rests')];
  const change = element('button', t('terms'), { type: 'button' });
  change.dataset.do = 'terms';
  change.addEventListener('click', () => open(each));
  return row(link(`#departure/${each.departure_id}`, day(each.starts_at, each.zone)), element('span', line.filter(Boolean).join(' · ')), change);
}

function open(departure) {
  changed = departure;
  const form = $('#terms');
  $('#terms-of').textContent = t('terms.of', { date: day(departure.starts_at, departure.zone) });
  form.seats.value = departure.seats;
  form.price.value = (departure.seat_price_cents / 100).toFixed(2);
  form.deposit.value = departure.deposit_percent;
  form.on_sale.checked = departure.on_sale;
  form.hidden = false;
  $('#terms-of').focus();
}

function drawTour() {
  const tour = tours.find((each) => each.tour_id === $('#offered').value);
  const theirs = departures.filter((each) => each.tour_id === tour?.tour_id);
  $('#departures').replaceChildren(...theirs.map(departureRow));
  $('#terms').hidden = true;
  for (const [name, value] of Object.entries(tour ?? {})) if (name in $('#text').elements) $('#text').elements[name].value = value;
  $('#depart').zone.value = theirs[0]?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (theirs[0]) $('#depart').currency.value = theirs[0].currency;
}

const terms = (form, onSale) => ({
  seats: Number(form.seats.value), seat_price_cents: cents(form.price), deposit_percent: Number(form.deposit.value), on_sale: onSale,
});

async function change() {
  await ask('PUT', `/api/v1/departures/${encodeURIComponent(changed.departure_id)}`, terms($('#terms'), $('#terms').on_sale.checked));
}

async function depart() {
  const form = $('#depart');
  const [starts, ends] = [form.starts, form.ends].map((field) => instant(field.value, form.zone.value));
  await ask('POST', '/api/v1/departures', {
    tour_id: $('#offered').value, starts_at: starts, ends_at: ends, zone: form.zone.value, currency: form.currency.value, terms: terms(form, true),
  });
  form.reset();
}

async function keepText() {
  const { tour_id: id, days, ...text } = Object.fromEntries(new FormData($('#text')));
  await ask('PUT', `/api/v1/tours/${encodeURIComponent(id)}`, { ...text, days: Number(days) });
  return id;
}

/** What is on offer, the same tour chosen as before, or this one. */
export async function drawOffer(chosen = $('#offered').value, fresh = false) {
  ({ tours, departures } = await onOffer(fresh));
  $('#offered').replaceChildren(...tours.map((each) => new Option(title(each), each.tour_id)));
  if (tours.some((each) => each.tour_id === chosen)) $('#offered').value = chosen;
  drawTour();
}

for (const [form, work] of [['#terms', change], ['#depart', depart], ['#text', keepText]]) {
  $(form).addEventListener('submit', (event) => {
    event.preventDefault();
    tell(async () => {
      await drawOffer((await work()) ?? $('#offered').value, true);
      say(t('done'));
    });
  });
}
$('#offered').addEventListener('change', drawTour);
$('#depart').currency.replaceChildren(...CURRENCIES.map((each) => new Option(each)));
