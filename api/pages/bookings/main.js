/** Bookings: the search, one booking with what may be done to it, and a new one for a customer. */
import { telephone } from '../kit/telephone.js';
import { t } from '../kit/words.js';
import { $, frame, mindDoor, say, tell } from '../kit/still.js';
import { give } from '../js/give.js';
import { ask } from '../js/rest.js';
import { session } from '../js/session.js';
import { day, element, language, link, money, onOffer, row, time, title, when } from './words.js';

const STATES = {
  initiated: 'state.initiated', reserved: 'state.reserved', confirmed: 'state.confirmed',
  cancelled: 'state.cancelled', failed: 'state.failed', expired: 'state.expired',
};
const STEPS = {
  initiate: 'step.initiate', reserve: 'step.reserve', pay: 'step.pay', confirm: 'step.confirm', move: 'step.move',
  resize: 'step.resize', refund: 'step.refund', cancel: 'step.cancel', fail: 'step.fail', expire: 'step.expire',
};
const METHODS = { card: 'method.card', transfer: 'method.transfer', cash: 'method.cash', voucher: 'method.voucher' };
/** What may be done in which state: as in `api/travel/booking.py`, which decides. */
const MAY = {
  initiated: ['reserve', 'change', 'fail'], reserved: ['pay', 'confirm', 'change', 'fail'], confirmed: ['pay', 'change'], expired: ['reserve'],
  cancelled: [], failed: [],
};
const CUSTOMER = '#contact/';
const DEPARTURE = '#departure/';

let booking = null;
let found = [];
let tours = [];
let departures = [];
let manages = false;
let key = '';

const nameOf = (customer) => customer.name || t('customer.unknown');
/** Each thing that somebody sets out to do is done once, however often it is sent. */
const newKey = () => (key = crypto.getRandomValues(new Uint32Array(4)).join('-'));

function badge(state) {
  const made = element('strong', t(STATES[state]), { className: 'state' });
  made.dataset.state = state;
  return made;
}

function tripRow(each) {
  const trip = element('span', '', { className: 'trip' });
  const whole = [nameOf(each.customer), day(each.starts_at, each.zone), each.due_cents > 0 && t('due.of', { amount: money(each.due_cents, each.currency) })];
  trip.append(element('span', title(each)), element('span', whole.filter(Boolean).join(' · '), { className: 'soft' }));
  return row(link(`#${each.reference}`, each.reference), trip, badge(each.state));
}

const fill = (list, trips) => $(list).replaceChildren(...trips.map(tripRow));

/** Those that were found; a booking that somebody here has made or changed is shown among them as it is now. */
function drawFound(trips) {
  found = trips;
  fill('#found', found);
}

const among = (made) => drawFound(found.some((each) => each.reference === made.reference) ? found.map((each) => (each.reference === made.reference ? made : each)) : [made, ...found]);

function optionOf(departure) {
  const values = { date: day(departure.starts_at, departure.zone), price: money(departure.seat_price_cents, departure.currency), free: departure.free };
  const made = new Option(t(departure.free ? 'departure.free' : 'departure.full', values), departure.departure_id);
  made.disabled = !departure.free || !departure.on_sale;
  return made;
}

/** Departures of a tour into a choice; one that can be had is chosen. */
function offer(choice, tourId, but = '') {
  const offered = departures.filter((each) => each.tour_id === tourId && each.departure_id !== but);
  choice.replaceChildren(...offered.map(optionOf));
  choice.value = [...choice.options].find((each) => !each.disabled)?.value ?? '';
  return choice.value !== '';
}

async function drawBooking(reference) {
  const told = await ask('GET', `/api/v1/bookings/${encodeURIComponent(reference)}`);
  booking = told.booking;
  newKey();
  const may = MAY[booking.state];
  const cents = (amount) => money(amount, booking.currency);
  $('#reference').textContent = booking.reference;
  $('#state').textContent = t(STATES[booking.state]);
  $('#state').dataset.state = booking.state;
  $('#trip').textContent = title(booking);
  $('#whose').replaceChildren(link(`${CUSTOMER}${booking.customer.contact_id}`, nameOf(booking.customer)));
  $('#dates').replaceChildren(link(`${DEPARTURE}${booking.departure_id}`, `${day(booking.starts_at, booking.zone)} – ${day(booking.ends_at, booking.zone)}`));
  $('#seats').textContent = booking.seats;
  $('#price').textContent = cents(booking.price_cents);
  $('#paid').textContent = cents(booking.paid_cents);
  $('#due').textContent = t('due.deposit', { amount: cents(booking.due_cents), deposit: cents(Math.max(0, booking.deposit_cents - booking.paid_cents)) });
  if (booking.state === 'confirmed') $('#due').textContent = cents(booking.due_cents);
  $('#owed').textContent = cents(booking.owed_cents);
  $('#hold').textContent = booking.hold_until ? t('hold.until', { time: time(booking.hold_until) }) : '';
  $('#due-row').hidden = !booking.due_cents;
  $('#owed-row').hidden = !booking.owed_cents;
  $('#hold-row').hidden = !booking.hold_until;
  $('[data-do=reserve]').hidden = !may.includes('reserve');
  $('[data-do=reserve]').textContent = t(booking.state === 'expired' ? 'again' : 'new.hold');
  $('[data-do=confirm]').hidden = !manages || !may.includes('confirm');
  const pays = may.includes('pay') && booking.due_cents > 0;
  const owes = manages && booking.owed_cents > 0;
  $('#pay').hidden = !pays && !owes;
  $('[data-do=pay]').hidden = !pays;
  $('[data-do=refund]').hidden = !owes;
  $('#pay').amount.value = ((pays ? booking.due_cents : booking.owed_cents) / 100).toFixed(2);
  $('#pay').paper.value = $('#end').reason.value = '';
  $('#change').hidden = !may.includes('change');
  $('[data-do=fail]').hidden = !may.includes('fail');
  $('#resize').seats.value = booking.seats;
  $('#move').hidden = !offer($('#move').departure, booking.tour_id, booking.departure_id);
  $('#steps').replaceChildren(...told.steps.map(stepRow));
  $('#booking').hidden = false;
}

function stepRow(step) {
  const amount = step.cents && money(Math.abs(step.cents), booking.currency);
  const what = [t(STEPS[step.step]), amount, step.method && t(METHODS[step.method]), step.paper, step.said];
  return row(element('span', what.filter(Boolean).join(' · ')), element('span', [step.by || t('step.time'), when(step.at)].join(' · '), { className: 'soft' }));
}

async function drawCustomer(contactId) {
  const [{ contact }, { bookings }] = await Promise.all([
    ask('GET', `/api/v1/contacts/${encodeURIComponent(contactId)}`),
    ask('GET', `/api/v1/bookings?${new URLSearchParams({ contact: contactId })}`),
  ]);
  newKey();
  $('#name').textContent = [contact.first, contact.last].filter(Boolean).join(' ') || contact.company;
  const call = contact.numbers[0] && element('button', t('call', { number: contact.numbers[0] }), { type: 'button' });
  call?.addEventListener('click', () => tell(() => give(contact.numbers[0])));
  $('#reach').replaceChildren(...[call, link(`/contacts#${contactId}`, t('contact'))].filter(Boolean));
  fill('#theirs', bookings);
  $('#none-theirs').hidden = bookings.length > 0;
  drawTours();
  $('#customer').hidden = false;
}

function drawTours() {
  const kept = $('#new').tour.value;
  $('#new').tour.replaceChildren(...tours.map((each) => new Option(title(each), each.tour_id)));
  if (kept) $('#new').tour.value = kept;
  drawTour();
}

function drawTour() {
  const tour = tours.find((each) => each.tour_id === $('#new').tour.value);
  $('#about').textContent = tour ? (language() === 'es' ? tour.about_es : tour.about_en) : '';
  const some = tour !== undefined && offer($('#new').departure, tour.tour_id);
  $('#no-departures').hidden = some;
  for (const button of document.querySelectorAll('#new button')) button.disabled = !some;
  drawSum();
}

function drawSum() {
  const chosen = departures.find((each) => each.departure_id === $('#new').departure.value);
  const seats = Number($('#new').seats.value) || 0;
  const values = chosen && {
    price: money(seats * chosen.seat_price_cents, chosen.currency),
    deposit: money(Math.ceil((seats * chosen.seat_price_cents * chosen.deposit_percent) / 100), chosen.currency),
  };
  $('#sum').textContent = chosen ? t('sum', values) : '';
}

/** What the address names; else the search alone. */
async function drawNamed() {
  for (const part of ['#booking', '#customer']) $(part).hidden = true;
  if (!session.peek()) return;
  const named = decodeURIComponent(location.hash);
  if (named.length < 2) return;
  ({ tours, departures } = await onOffer());
  if (named.startsWith(DEPARTURE)) {
    await drawDeparture(named.slice(DEPARTURE.length));
    $('#of-departure').focus();
  } else if (named.startsWith(CUSTOMER)) {
    await drawCustomer(named.slice(CUSTOMER.length));
    $('#name').focus();
  } else {
    await drawBooking(named.slice(1));
    $('#reference').focus();
  }
}

/** Who comes along, in place of what was found. */
async function drawDeparture(departureId) {
  const [departure, { bookings }] = await Promise.all([
    ask('GET', `/api/v1/departures/${encodeURIComponent(departureId)}`),
    ask('GET', `/api/v1/bookings?${new URLSearchParams({ departure: departureId })}`),
  ]);
  const tour = tours.find((each) => each.tour_id === departure.tour_id);
  const values = { tour: title(tour), date: day(departure.starts_at, departure.zone), free: departure.free, seats: departure.seats };
  $('#of-departure').textContent = t('departure.of', values);
  $('#of-departure').hidden = false;
  $('#people').replaceChildren();
  drawFound(bookings);
  $('#none').hidden = bookings.length > 0;
}

/** Bookings with these words, and customers, to make one for; without words what was changed last. */
async function search() {
  const words = $('#search').q.value.trim();
  const [{ bookings }, people] = await Promise.all([
    ask('GET', `/api/v1/bookings?${new URLSearchParams({ q: words })}`),
    words ? ask('GET', `/api/v1/contacts?${new URLSearchParams({ q: words })}`) : { contacts: [] },
  ]);
  const rows = people.contacts.map((each) => {
    const name = [each.first, each.last].filter(Boolean).join(' ') || each.company;
    const reach = element('span', '', { className: 'soft' });
    reach.append(each.numbers[0] ? telephone(each.numbers[0]) : each.email);
    return row(link(`${CUSTOMER}${each.contact_id}`, name), reach);
  });
  $('#of-departure').hidden = true;
  $('#people').replaceChildren(...rows);
  drawFound(bookings);
  $('#none').hidden = bookings.length + rows.length > 0;
}

/** Do a step to the booking as it is shown, and show what came of it. */
async function step(name, body) {
  const headers = { 'idempotency-key': key, 'if-match': `"${booking.revision}"` };
  const { reference } = booking;
  try {
    await ask('POST', `/api/v1/bookings/${encodeURIComponent(reference)}/${name}`, body, headers);
  } finally {
    await drawBooking(reference);
    among(booking);
  }
  say(t('done'));
}

function payment() {
  const { amount, method, paper } = $('#pay');
  return { cents: Math.round(Number(amount.value) * 100), currency: booking.currency, method: method.value, paper: paper.value };
}

async function end(name) {
  if (!confirm(t('sure', { reference: booking.reference }))) return;
  await step(name, { reason: $('#end').reason.value });
}

async function make(reserve) {
  const { departure, seats, note } = $('#new');
  const body = {
    contact_id: decodeURIComponent(location.hash).slice(CUSTOMER.length), departure_id: departure.value, seats: Number(seats.value), note: note.value, reserve,
  };
  const made = await ask('POST', '/api/v1/bookings', body, { 'idempotency-key': key });
  $('#new').reset();
  among(made);
  await onOffer(true);
  location.hash = made.reference;
}

/** A customer who is not known yet; who is known by number or address is not made again. */
async function meet() {
  const { contact_id: made } = await ask('POST', '/api/v1/contacts', Object.fromEntries(new FormData($('#person'))));
  $('#person').reset();
  location.hash = `${CUSTOMER}${made}`;
}

const sent = (form, work) => $(form).addEventListener('submit', (event) => {
  event.preventDefault();
  tell(() => work(event.submitter?.dataset.do));
});

async function drawAll() {
  if (!session.peek()) return;
  manages = (await ask('GET', '/api/v1/account')).permissions.includes('bookings.manage');
  await search();
  await drawNamed();
  $('#offer').hidden = !manages;
  await drawOpened();
}

/** What is on offer, once somebody who leads opens it. */
async function drawOpened() {
  if (manages && $('#offer').open) await (await import('./offer.js')).drawOffer();
}

async function begin() {
  await frame(() => document.body.dataset.ready && tell(drawAll));
  sent('#search', search);
  sent('#person', meet);
  $('#offer').addEventListener('toggle', () => tell(drawOpened));
  sent('#pay', (what) => (what === 'refund' ? step('refunds', payment()) : step('payments', payment())));
  sent('#move', () => step('move', { departure_id: $('#move').departure.value }));
  sent('#resize', () => step('seats', { seats: Number($('#resize').seats.value) }));
  sent('#end', end);
  sent('#new', (what) => make(what !== 'wish'));
  $('[data-do=reserve]').addEventListener('click', () => tell(() => step('reserve', {})));
  $('[data-do=confirm]').addEventListener('click', () => tell(() => step('confirm', {})));
  $('#new').tour.addEventListener('change', drawTour);
  $('#new').addEventListener('input', drawSum);
  addEventListener('hashchange', () => tell(drawNamed));
  mindDoor(drawAll, () => {
    for (const list of ['#found', '#people', '#theirs', '#steps']) $(list).replaceChildren();
    for (const part of ['#booking', '#customer', '#offer']) $(part).hidden = true;
  });
}

begin();
