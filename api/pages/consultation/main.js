/**
 * The consultation page: plan one, come in by a link or signed in, wait, see and hear one another. A link's token is in the fragment, which
 * no server is sent; a fragment without dots is a room's id, for who is signed in.
 */
import { effect } from '@preact/signals';
import { drawDoor, frame } from '../kit/still.js';
import { explain, t } from '../kit/words.js';
import * as link from '../js/link.js';
import { forget, keep, session } from '../js/session.js';
import { browser, refusedBefore } from './browsers.js';
import { Chat } from './chat.js';
import { Captions } from './captions.js';
import { CheckIn } from './checkin.js';
import { Connection } from './connection.js';
import { Devices } from './devices.js';
import { Ending } from './ending.js';
import { drawIcons } from './icons.js';
import { Itinerary } from './itinerary.js';
import { People, testOf } from './people.js';
import { Recording } from './recording.js';
import { Saver } from './saver.js';
import { Telephone } from './telephone.js';
import { Tiles } from './tiles.js';
import { chosenTime, left, moment, span } from './times.js';
import { drawWaiting } from './waiting.js';

const VIEWS = ['entrance', 'plan', 'made', 'welcome', 'enter', 'tested', 'early', 'wait', 'room', 'over'];
const NAME = 'centralita.consultation.name';
const DEVICE = 'centralita.consultation.device';
const SEAT = 'centralita.consultation.seat';
const LARGER = 'centralita.consultation.larger';
const REACTIONS = ['👍', '👏', '❤️', '😂', '🎉', '😮'];
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const METER_MS = 100;
const SECOND_MS = 1_000;
const CONNECTED_WITHIN_MS = 15_000;
/** Refusals of coming in, and ways out, that a page of their own explains. */
const OVER = {
  link_invalid: 'over.invalid',
  link_expired: 'over.expired',
  link_revoked: 'over.revoked',
  revoked: 'over.revoked',
  room_over: 'over.ended',
  ended: 'over.ended',
  too_late: 'over.ended',
  room_cancelled: 'over.cancelled',
  removed: 'over.removed',
  denied: 'over.denied',
  lost: 'over.lost',
  moved: 'over.moved',
  left: 'over.left',
  taken_over: 'over.taken',
  room_locked: 'over.locked',
  room_full: 'over.full',
  forbidden: 'over.unknown',
  waiting_full: 'over.full',
  unknown_room: 'over.unknown',
};
const TITLES = {
  left: 'over.title',
  link_invalid: 'moment.wrong',
  link_expired: 'moment.late',
  too_late: 'moment.late',
  link_revoked: 'moment.taken_back',
  revoked: 'moment.taken_back',
  room_over: 'moment.ended',
  ended: 'moment.ended',
  room_cancelled: 'moment.cancelled',
  room_full: 'moment.full',
  waiting_full: 'moment.full',
  room_locked: 'moment.locked',
  lost: 'moment.lost',
};
/** Ways out that trying again cannot change. */
const FINAL = new Set(['link_invalid', 'link_expired', 'link_revoked', 'revoked', 'room_over', 'ended', 'too_late', 'room_cancelled', 'removed', 'unknown_room']);
/** Ways out after which one may want another appointment. */
const REBOOK = new Set(['left', 'ended', 'room_over', 'too_late', 'room_cancelled', 'link_expired', 'link_revoked', 'revoked']);
const RECORDED = { off: 'room.unrecorded', recording: 'room.recorded', paused: 'room.paused' };
const SESSION_OVER = new Set(['session_expired', 'token_expired', 'token_revoked']);

const $ = (selector) => document.querySelector(selector);
const button = (name) => $(`[data-do="${name}"]`);
const say = (text) => ($('#said').textContent = text);
const hash = () => location.hash.slice(1);
const isLink = () => hash().includes('.');

/** What a link says about itself, unchecked: only the server believes links, and only signed ones. */
function claims() {
  try {
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(hash().split('.')[1].replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))));
  } catch {
    return {};
  }
}

const devices = new Devices();
let view = '';
/** `coming`, `waiting` or `in` this room; '' while none of it. */
let place = '';
let roomId = '';
let room = null;
let media = { people: [], recording: 'off' };
let me = '';
let screen = null;
let connection = null;
let known = null;
/** As last said to the person. */
let recorded = 'off';
let timer = 0;
let over = '';
/** Names of who expects us. */
let hosts = [];
/** What the consultation is called. */
let called = '';
/** What the server says of the consultation to who comes by its link. */
let facts = {};
/** When the room opens, for who is too early. */
let opens = 0;
/** How it stands with who waits, as last told. */
let queue = null;
/** What our test of the connection found. */
let checked = null;

const tiles = new Tiles($('#tiles'), (track) => (track === 'screen' ? screen : devices.camera), measure);
const chat = new Chat($('#chat'), (count) => badge('chat', count), refused);
const people = new People($('#people'), $('#waiting'), refused, offerLink);
const checkIn = new CheckIn(devices, aboutRoomSoon, show, (found) => {
  checked = found;
  come();
});
const telephone = new Telephone((type, fields) => aboutRoom(type, fields), () => place === 'waiting' || place === 'in');
const ending = new Ending(post, () => (isLink() ? hash() : ''));
const saver = new Saver(() => connection, () => Boolean(devices.camera) || tiles.watched().length > 0);
const captions = new Captions(
  $('#captions'),
  (line) => aboutRoom('caption.say', line).catch(() => undefined), // a line that is lost is followed by the next
  nameOf,
  () => me,
  () => devices.microphone,
);
/** A conversation that took place: with whom, and from when until when (s since the epoch). */
let was = null;
const itinerary = new Itinerary(nameOf, refused, say, onItinerary);
const recording = new Recording((action) => aboutRoom('room.record', { action }).catch(refused));

/** The view of this name; who reads with the keyboard or by ear begins at its heading. */
function show(name) {
  const former = view;
  view = name;
  for (const each of VIEWS) $(`#${each}`).hidden = each !== name;
  document.body.dataset.view = name;
  if (!former || former === name) return;
  const heading = $(`#${name} :is(h1, h2)`);
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

const badge = (name, count) => (button(name).querySelector('b').textContent = count ? String(count) : '');
function refused(refusal) {
  say(refusal.code === 'unlinked' ? t('host.unlinked') : explain(refusal.code));
}
const aboutRoom = (type, fields = {}) => link.ask(type, { room_id: roomId, ...fields });

/** The same, as soon as the hub is there. */
async function aboutRoomSoon(type, fields) {
  await new Promise((done) => {
    setTimeout(done, CONNECTED_WITHIN_MS);
    const stop = effect(() => link.link.value === 'up' && queueMicrotask(() => (stop(), done())));
  });
  return aboutRoom(type, fields);
}

// --- planning ------------------------------------------------------------------------------------------------------------------------

async function post(path, body) {
  const token = session.peek()?.token;
  const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  } catch {
    throw Object.assign(new Error(), { code: 'signalling_lost' });
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok && answer.status === 204) return {};
  if (!answer.ok) throw Object.assign(new Error(told.detail), told.error ?? { code: 'unknown' });
  return told;
}

async function plan(event) {
  event.preventDefault();
  const form = new FormData($('#plan'));
  const starts = chosenTime(form.get('starts'));
  const times = starts === null ? {} : { starts_at: starts, ends_at: starts + 60 * Number(form.get('minutes')) };
  try {
    const made = await post('/api/v1/consultations', { name: form.get('name').trim(), waiting_room: form.has('waiting'), ...times });
    $('#address').value = `${location.origin}/consultation#${made.token}`;
    $('#made-when').textContent = times.starts_at ? span(times.starts_at, times.ends_at) : t('made.until', { time: moment(made.expires_at) });
    roomId = made.room_id;
    show('made');
    say('');
  } catch (refusal) {
    say(explain(refusal.code));
  }
}

/** Who waits in my consultations, by room. */
let waitingIn = new Map();

/** My consultations: those that I am in, made, or am invited to; who waits there, and how their tests went. */
function list({ rooms, invitations, waiting = [] }) {
  waitingIn = new Map(waiting.map((each) => [each.room_id, each.waiting]));
  const mine = [...rooms, ...invitations].filter(({ kind }) => kind === 'consultation').sort((a, b) => (a.starts_at ?? 0) - (b.starts_at ?? 0));
  $('#mine').hidden = !mine.length;
  $('#mine ul').replaceChildren(
    ...mine.map((each) => {
      const row = document.createElement('li');
      const way = Object.assign(document.createElement('a'), { href: `#${each.room_id}`, textContent: each.name || t('title') });
      const when = Object.assign(document.createElement('p'), { className: 'fine', textContent: each.starts_at ? span(each.starts_at, each.ends_at) : t('plan.running') });
      row.append(way, when, ...(waitingIn.get(each.room_id) ?? []).map(drawWaits));
      return row;
    }),
  );
}

function drawWaits({ name, checked: test }) {
  const words = [t('people.waits', { name }), testOf(test)].filter(Boolean).join(' ');
  return Object.assign(document.createElement('p'), { className: 'waits', textContent: words });
}

/** On the page where one plans: somebody waits, or waits no more. */
function onPlanning(notice) {
  if (['session.snapshot', 'room.waiting', 'room.invited'].includes(notice.type)) askMine();
}

async function askMine() {
  try {
    list(await link.ask('room.list'));
  } catch (refusal) {
    say(explain(refusal.code));
  }
}

async function copy() {
  await navigator.clipboard.writeText($('#address').value);
  say(t('made.copied'));
}

async function offerLink(token) {
  $('#address').value = `${location.origin}/consultation#${token}`;
  await copy().catch(() => say($('#address').value));
}

// --- before coming in ------------------------------------------------------------------------------------------------------------------

/** A page keeps its own seat: whoever reloads, or opens the link again in this browser, is the same guest. */
function device() {
  const kept = localStorage.getItem(DEVICE) ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  localStorage.setItem(DEVICE, kept);
  return kept;
}

const seat = () => JSON.parse(sessionStorage.getItem(SEAT) ?? 'null');
const isStaff = () => Boolean(session.peek()) && session.peek().role !== 'customer';

async function visit(name) {
  const told = await post('/api/v1/guests', { link: hash(), name, device: device() });
  roomId = told.room_id;
  called = told.room_name;
  ({ hosts } = told);
  const { starts_at: starts, ends_at: ends, opens_at: from, calendar, called: bookedBy } = told;
  facts = { starts, ends, opens: from, calendar, bookedBy, rings: told.rings, number: told.number };
  Object.assign(telephone, { rings: told.rings, known: told.number });
  keep(told);
}

/** A file for one's own calendar. */
function saveCalendar() {
  const address = URL.createObjectURL(new Blob([facts.calendar], { type: 'text/calendar' }));
  Object.assign(document.createElement('a'), { href: address, download: 'consultation.ics' }).click();
  URL.revokeObjectURL(address);
}

/** Text half as large again, kept for the next visit. */
function enlarge(large) {
  if (large) localStorage.setItem(LARGER, 'true');
  else localStorage.removeItem(LARGER);
  drawSize();
}

function drawSize() {
  const large = localStorage.getItem(LARGER) === 'true';
  document.documentElement.dataset.size = large ? 'large' : '';
  for (const each of document.querySelectorAll('[data-do="larger"], [data-do="larger-room"]')) each.ariaPressed = String(large);
}

/** What changes with the language, and with the times that a link says. */
function word() {
  const { starts = facts.starts, ends = facts.ends } = claims();
  const when = starts ? span(starts, ends) : '';
  const names = hosts.join(', ');
  for (const each of ['#enter-when', '#welcome-when']) $(each).hidden = !starts;
  $('#enter-when').textContent = $('#early-when').textContent = $('#welcome-when').textContent = when;
  $('#enter-title').textContent = isStaff() ? called || t('enter.title') : t('hear.title');
  $('#enter-hosts').hidden = !hosts.length;
  $('#enter-hosts').textContent = $('#early-with').textContent = names ? t('enter.hosts', { names }) : called;
  $('#welcome-title').textContent = names ? t('welcome.with', { names }) : called || t('enter.title');
  $('#welcome-about').hidden = !called || !names;
  $('#welcome-about').textContent = called;
  for (const each of ['calendar', 'early-calendar']) button(each).hidden = !facts.calendar;
  drawEarly();
  drawWaiting(queue, facts.starts ?? null, checked);
  telephone.word();
  captions.follow();
  captions.word();
  drawTrouble();
  if (view === 'enter' && isStaff()) wordDevices();
  else checkIn.word();
}

/** To who came by being signed in, and needs no more. */
function wordDevices() {
  if (devices.asked) $('#devices').textContent = t(devices.camera ? (devices.microphone ? 'devices.all' : 'devices.no_microphone') : devices.microphone ? 'devices.no_camera' : 'devices.none');
}

/** In the room: why one is not heard there, and what to do. */
function drawTrouble() {
  $('#trouble').hidden = Boolean(devices.microphone) || !devices.asked || telephone.alive || isStaff();
  $('#trouble-said').textContent = t('room.unheard');
}

/** On the telephone the page is silent, or one would hear oneself. */
function onTelephone() {
  $('#sound').muted = telephone.talks;
  if (telephone.talks && devices.microphone?.enabled) toggleMicrophone();
  drawTrouble();
}

function drawEarly() {
  $('#early-opens').textContent = t('early.opens', { time: moment(opens) });
  $('#early-left').textContent = opens ? left(opens - Date.now() / 1000) : '';
}

/** What the browser is about to ask, or what one has to undo first. */
async function wordAsk() {
  const refused_ = await refusedBefore();
  $('#welcome-ask').dataset.tone = refused_ ? 'warn' : '';
  $('#welcome-ask').textContent = refused_ ? t(`denied.${browser}`) : t(`asks.${browser}`);
}

async function begin() {
  over = '';
  if (!hash() && isStaff()) {
    link.open(onPlanning, false);
    return show('plan');
  }
  if (!hash()) return show('entrance');
  roomId = isLink() ? claims().room ?? '' : hash();
  if (!isLink() && !isStaff()) return show('entrance');
  if (seat()?.room === roomId && session.peek()) return comeBack();
  if (isLink() && !isStaff()) {
    if (session.peek()) forget('signed_out_guest');
    try {
      await visit(t('enter.guest'));
    } catch (refusal) {
      return leave(refusal.code);
    }
    if (facts.opens && facts.opens > Date.now() / 1000) return early(facts.opens - Date.now() / 1000);
    return greet();
  }
  await enterAsStaff();
}

/** Step one: whom one is going to talk with, when, and what the browser will ask. */
function greet() {
  clearTimeout(timer);
  place = '';
  word();
  wordAsk();
  $('#called input').value = localStorage.getItem(NAME) || facts.bookedBy || '';
  show('welcome');
}

async function enterAsStaff() {
  document.body.dataset.staff = 'true';
  show('enter');
  word();
  $('#devices').textContent = t('devices.asked');
  await devices.open();
  word();
}

/** Step two: the name is known, the browser asks, and one sees and hears oneself. */
async function start(event) {
  event.preventDefault();
  const name = $('#called input').value.trim();
  if (!name) return;
  localStorage.setItem(NAME, name);
  const box = button('start');
  box.disabled = true;
  try {
    await visit(name);
    link.open(onNotice, false);
  } catch (refusal) {
    leave(refusal.code);
    return;
  } finally {
    box.disabled = false;
  }
  document.body.dataset.staff = '';
  show('enter');
  word();
  $('#devices').textContent = t(`asks.${browser}`);
  await askDevices();
}

async function askDevices() {
  await devices.open();
  if (view === 'enter' && !isStaff()) checkIn.begin(session.peek()?.ice_servers ?? []);
}

/** After a reload: the same seat, without being asked again. */
async function comeBack() {
  const before = seat();
  ({ hosts = [], called = '', facts = {}, checked = null } = before);
  Object.assign(telephone, { rings: Boolean(facts.rings), known: facts.number ?? '' });
  come();
  await devices.open();
  if (devices.microphone) devices.microphone.enabled = before.microphone;
  if (!before.camera) await devices.film(false);
  follow();
  if (place === 'in') tellMicrophone();
}

/** The session of a guest is over, by time or with its link: ask for another. */
async function comeAgain() {
  try {
    await visit(localStorage.getItem(NAME) ?? t('enter.guest'));
    link.open(onNotice, false);
  } catch (refusal) {
    leave(refusal.code);
  }
}

function join(event) {
  event.preventDefault();
  if (isStaff()) come();
}

function come() {
  place = 'coming';
  me = session.peek().identity;
  tiles.me = me;
  say(t('said.connecting'));
  if (link.isOpen()) knock();
  else link.open(onNotice, false);
}

/** Ask to be in, at first and whenever the hub is back. */
async function knock() {
  clearTimeout(timer);
  try {
    const joined = await aboutRoom('room.join');
    if (joined.waiting) wait(joined.queue);
    else await enter(joined.room);
    telephone.fulfil();
  } catch (refusal) {
    if (refusal.code === 'too_early') early(refusal.retryAfter);
    else if (refusal.code === 'unknown_room' && isLink() && isStaff()) asGuest();
    else if (refusal.code in OVER) leave(refusal.code);
    else if (!SESSION_OVER.has(refusal.code)) {
      say(explain(refusal.code));
      timer = setTimeout(() => place && knock(), 2_000);
    }
  }
}

/** Somebody of the house who is not invited comes as a guest, as the link lets everybody. */
function asGuest() {
  link.close();
  place = '';
  sessionStorage.removeItem(SEAT);
  forget('signed_out_guest');
  begin();
}

function early(seconds) {
  opens = Date.now() / 1000 + seconds;
  word();
  show('early');
  say('');
  clearTimeout(timer);
  timer = setTimeout(() => (place ? knock() : greet()), Math.min(Math.max(1, seconds) * 1000, LONGEST_TIMER_MS));
}

function wait(how) {
  place = 'waiting';
  queue = how ?? queue;
  if (view !== 'wait') say('');
  remember();
  word();
  show('wait');
}

// --- in the room -----------------------------------------------------------------------------------------------------------------------

async function enter(state) {
  const first = place !== 'in';
  place = 'in';
  room = state;
  was ??= { names: hosts.join(', ') || state.name, since: Date.now() / 1000, until: 0 };
  if (first) known = null;
  remember();
  show('room');
  meet();
  chat.begin(roomId, me).catch(refused);
  itinerary.me = me;
  itinerary.begin(roomId);
  if (first) captions.enter(true);
  if (people.hosts) askWaiting();
  if (connection) connection.resume();
  else connect();
  await tellMicrophone();
}

function remember() {
  const now = { room: roomId, hosts, called, facts: { ...facts, calendar: '' }, checked, microphone: devices.microphone?.enabled ?? true, camera: devices.asked ? Boolean(devices.camera) : (seat()?.camera ?? true) };
  sessionStorage.setItem(SEAT, JSON.stringify(now));
}

/** Who waits, for a host whose page was not there when they came. */
async function askWaiting() {
  try {
    const { waiting } = await link.ask('room.list');
    people.wait(waiting.find((each) => each.room_id === roomId)?.waiting ?? []);
  } catch (refusal) {
    refused(refusal);
  }
}

async function tellMicrophone() {
  try {
    media = await aboutRoom('room.microphone', { on: Boolean(devices.microphone?.enabled) });
    meet();
  } catch (refusal) {
    refused(refusal);
  }
}

function connect() {
  const made = (connection = new Connection(aboutRoom, session.peek().ice_servers));
  window.consultation = made;
  follow();
  made.addEventListener('shown', draw);
  made.addEventListener('sound', ({ detail }) => ($('#sound').srcObject = new MediaStream([detail])));
  made.addEventListener('refused', ({ detail }) => say(explain(detail.code)));
  made.addEventListener('state', ({ detail }) => {
    document.body.dataset.media = detail;
    if (detail === 'failed' || detail === 'disconnected') say(t('said.lost'));
    if (detail === 'connected') say('');
  });
  made.addEventListener('over', ({ detail }) => made === connection && leave(detail));
  $('#sound').srcObject = new MediaStream([made.audio.receiver.track]);
}

/** Everybody, from what the room and its media say of them. */
function meet() {
  if (!room) return;
  const heard = new Map(media.people.map((person) => [person.identity, person]));
  tiles.people = room.members.map(({ identity, name, role, state, hand_at }) => {
    const { microphone = true, tracks = [], consent = '', muted = false, phone = false } = heard.get(identity) ?? {};
    return { identity, name, role, away: state === 'away' && !phone, hand: hand_at !== null, microphone, tracks, consent, muted, phone };
  });
  obey(heard.get(me));
  announce();
  $('#room-name').textContent = room.name || t('title');
  $('#locked').hidden = !room.locked;
  recording.draw(media.recording, heard.get(me)?.consent ?? '');
  people.draw(room, me, tiles.people);
  itinerary.know(people.hosts, tiles.people.filter(({ identity, phone }) => identity !== me && !phone).map(({ name }) => name));
  onItinerary(false);
  badge('people', room.members.length);
  button('hand').ariaPressed = String(tiles.people.some(({ identity, hand }) => identity === me && hand));
  draw();
}

/** A host turned our microphone off: so it is here too, and we turn it on again. */
function obey(mine) {
  if (!mine?.muted || !devices.microphone?.enabled) return;
  devices.microphone.enabled = false;
  say(t('said.muted'));
  follow();
}

/** Say who came, who went, who raised a hand. */
function announce() {
  const now = new Map(tiles.people.map((person) => [person.identity, person]));
  const former = known;
  known = now;
  if (media.recording !== recorded) {
    recorded = media.recording;
    return say(t(RECORDED[recorded]));
  }
  if (former === null) return say(now.size > 1 ? '' : t('said.alone'));
  const others = (found) => [...found.values()].filter(({ identity }) => identity !== me);
  const came = others(now).find(({ identity }) => !former.has(identity));
  const gone = others(former).find(({ identity }) => !now.has(identity));
  const raised = others(now).find(({ identity, hand }) => hand && !former.get(identity)?.hand);
  if (came) say(t('said.joined', { name: came.name }));
  else if (gone) say(t('said.left', { name: gone.name }));
  else if (raised) say(t('said.hand', { name: raised.name }));
}

function draw() {
  tiles.draw(connection);
  for (const [name, on] of Object.entries({ microphone: devices.microphone?.enabled, camera: devices.camera, screen })) button(name).ariaPressed = String(Boolean(on));
  measure();
}

/** Tell the server what is to be seen, a moment after the last change. */
let measuring = 0;
function measure() {
  clearTimeout(measuring);
  measuring = setTimeout(() => {
    tiles.draw(connection);
    connection?.watch(saver.on ? [] : tiles.watched());
  }, 250);
}

function nameOf(identity) {
  return room?.members.find((member) => member.identity === identity)?.name ?? '';
}

function onNotice(notice) {
  if (notice.type === 'session.snapshot') {
    if (place) knock();
    return;
  }
  if (notice.room_id !== roomId || !place) return;
  if (notice.type === 'room.state') {
    if (place === 'in') {
      room = notice;
      meet();
    } else if (notice.members.some(({ identity }) => identity === me)) enter(notice);
  } else if (notice.type === 'room.exit') leave(notice.reason);
  else if (notice.type === 'room.itinerary') itinerary.hear(notice);
  else if (notice.type === 'itinerary.found') itinerary.take(notice);
  else if (notice.type === 'room.phone') telephone.hear(notice);
  else if (notice.type === 'room.queue') {
    queue = notice;
    drawWaiting(queue, facts.starts ?? null, checked);
  } else if (notice.type === 'room.waiting') {
    people.wait(notice.waiting);
    if (notice.waiting.length) say(t('people.waits', { name: notice.waiting.at(-1).name }));
  } else if (notice.type === 'room.media') {
    media = notice;
    meet();
  } else if (notice.type === 'room.speaker') {
    tiles.speaker = notice.identity;
    draw();
  } else if (notice.type === 'reaction') {
    tiles.react(notice.identity, notice.emoji, draw);
    if (notice.identity !== me) say(`${nameOf(notice.identity)}: ${notice.emoji}`);
  } else if (notice.type === 'chat.message') chat.take(notice);
  else if (notice.type === 'caption.said') {
    if (captions.take(notice)) say(t('captions.begun'));
  } else if (notice.type === 'typing.indicator') chat.types(notice.people.filter((identity) => identity !== me).map(nameOf));
  else connection?.hear(notice);
}

/** Out of it, and why. */
function leave(code) {
  clearTimeout(timer);
  const left = connection;
  connection = null;
  left?.close(code);
  place = '';
  room = null;
  over = code;
  tiles.people = [];
  tiles.draw(null);
  checkIn.reset();
  telephone.forget();
  itinerary.forget();
  captions.enter(false);
  telephone.word();
  saver.set(false);
  saver.forget();
  if (was) was.until = Date.now() / 1000;
  devices.close();
  screen?.stop();
  screen = null;
  sessionStorage.removeItem(SEAT);
  link.close();
  if (session.peek()?.role === 'customer') forget('signed_out_guest');
  drawOver();
}

function drawOver() {
  const { starts, ends, exp } = claims();
  $('#over-title').textContent = t(TITLES[over] ?? 'over.sorry');
  $('#over-why').textContent = t(OVER[over] ?? 'over.unknown');
  const ended_ = over === 'link_expired' && !starts && exp;
  $('#over-when').hidden = !starts && !ended_;
  $('#over-when').textContent = starts ? t('over.when', { time: span(starts, ends) }) : ended_ ? t('over.until', { time: moment(exp) }) : '';
  button('again').hidden = FINAL.has(over);
  ending.draw(was, !isStaff() && REBOOK.has(over));
  say('');
  show('over');
}

// --- what we send ------------------------------------------------------------------------------------------------------------------------

/** Our tracks may be others now: send those, and show them. */
function follow() {
  connection?.speak(devices.microphone);
  captions.follow();
  if (connection && connection.tracks.camera !== devices.camera) connection.send('camera', devices.camera);
  const shown = $('#preview').srcObject?.getTracks()[0] ?? null;
  if (shown !== devices.camera) $('#preview').srcObject = devices.camera ? new MediaStream([devices.camera]) : null;
  $('#dark').textContent = devices.camera ? '' : t('enter.dark');
  button('try-microphone').ariaPressed = String(Boolean(devices.microphone?.enabled));
  button('try-camera').ariaPressed = String(Boolean(devices.camera));
  for (const select of document.querySelectorAll('#choose select')) {
    const found = devices.list.filter(({ kind }) => kind === select.dataset.kind);
    const canChoose = found.length > 0 && (select.dataset.kind !== 'audiooutput' || 'setSinkId' in HTMLMediaElement.prototype);
    select.parentElement.hidden = !canChoose;
    select.replaceChildren(new Option(t('devices.default'), ''), ...found.map(({ deviceId, label }) => new Option(label || t('devices.unnamed'), deviceId)));
    select.value = devices.pick(select.dataset.kind);
  }
  $('#sound').setSinkId?.(devices.pick('audiooutput')).catch(() => undefined);
  drawTrouble();
  if (place === 'in') {
    remember();
    draw();
  }
}

function toggleMicrophone() {
  if (!devices.microphone) {
    say(t('devices.no_microphone'));
    return;
  }
  devices.microphone.enabled = !devices.microphone.enabled;
  follow();
  if (place === 'in') tellMicrophone();
}

async function toggleCamera() {
  if (!devices.camera) saver.set(false);
  if (!(await devices.film(!devices.camera))) say(t('devices.no_camera'));
}

async function toggleScreen() {
  if (screen) {
    screen.stop();
    screen = null;
  } else {
    try {
      [screen] = (await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 } })).getVideoTracks();
    } catch {
      say(t('error.screen'));
      return;
    }
    const shared = screen;
    shared.contentHint = 'detail';
    shared.addEventListener('ended', () => shared === screen && toggleScreen());
  }
  await connection?.send('screen', screen);
  draw();
}

/** Sound alone, because the way is weak or somebody wants it so. */
async function onSaving() {
  button('saver').ariaPressed = String(saver.on);
  $('#saving-said').textContent = saver.on ? t(saver.weak ? 'saver.weak' : 'saver.on') : '';
  if (saver.on && devices.camera) await devices.film(false);
  measure();
}

function toggleHand() {
  const raised = button('hand').ariaPressed !== 'true';
  aboutRoom('hand.raise', { raised }).catch(refused);
}

function toggleReactions(open = $('#reactions').hidden) {
  $('#reactions').hidden = !open;
  button('react').ariaExpanded = String(open);
}

/** What there is room for on wide screens alone. */
function toggleMore() {
  const open = button('more').ariaExpanded !== 'true';
  button('more').ariaExpanded = String(open);
  $('.deck').dataset.more = String(open);
}

/** Something is shown beside the video, or nothing any more: a new one opens by itself, unless somebody is writing. */
function onItinerary(isNew) {
  const isShown = Boolean(itinerary.shown.booking);
  button('itinerary').hidden = !isShown && !people.hosts;
  const open = !$('#itinerary').hidden;
  if (isNew && !open && $('#chat').hidden) toggle('itinerary');
  else if (open && !isShown && !people.hosts) toggle('itinerary');
  button('itinerary').querySelector('b').textContent = isShown && $('#itinerary').hidden ? '•' : '';
}

/** The chat, the people or the itinerary beside the tiles; the same again closes it. */
function toggle(name) {
  const open = $(`#${name}`).hidden;
  for (const each of ['chat', 'people', 'itinerary']) {
    $(`#${each}`).hidden = each !== name || !open;
    button(each).ariaExpanded = String(each === name && open);
  }
  $('#panel').hidden = !open;
  if (name === 'chat' && open) {
    chat.read();
    $('#say input').focus();
  }
  if (name === 'itinerary' && open) {
    itinerary.open();
    $('#panel').scrollIntoView({ block: 'nearest' });
  }
  onItinerary(false);
  measure();
}

function measureVoice() {
  if (view !== 'enter') return;
  const level = devices.microphone?.enabled ? devices.level : 0;
  $('#level').value = level;
  checkIn.look(level);
}

async function leaveRoom() {
  if (link.isOpen()) await aboutRoom('room.leave').catch(() => undefined);
  if (place) leave('left');
}

function signOut() {
  forget('signed_out');
  location.reload();
}

const DO = {
  copy,
  open: () => {
    location.hash = roomId;
  },
  'try-microphone': toggleMicrophone,
  'try-camera': toggleCamera,
  calendar: saveCalendar,
  'early-calendar': saveCalendar,
  larger: () => enlarge(localStorage.getItem(LARGER) !== 'true'),
  'try-now': greet,
  'ask-again': askDevices,
  heard: () => checkIn.answer(true),
  unheard: () => checkIn.answer(false),
  'heard-not': () => checkIn.advance(),
  'go-on': () => checkIn.finish(),
  'give-up': leaveRoom,
  'stop-waiting': leaveRoom,
  more: toggleMore,
  captions: () => captions.set(!captions.on),
  saver: () => saver.set(!saver.on),
  'show-again': () => {
    saver.set(false);
    if (!devices.camera) toggleCamera();
  },
  'larger-room': () => enlarge(localStorage.getItem(LARGER) !== 'true'),
  microphone: toggleMicrophone,
  camera: toggleCamera,
  screen: toggleScreen,
  hand: toggleHand,
  react: () => toggleReactions(),
  chat: () => toggle('chat'),
  people: () => toggle('people'),
  itinerary: () => toggle('itinerary'),
  leave: leaveRoom,
  again: begin,
};

async function begins() {
  drawIcons();
  drawSize();
  $('.deck').addEventListener('click', ({ target }) => target.closest('.second') && button('more').ariaExpanded === 'true' && toggleMore());
  for (const [name, act] of Object.entries(DO)) button(name).addEventListener('click', act);
  for (const emoji of REACTIONS) {
    const made = Object.assign(document.createElement('button'), { type: 'button', textContent: emoji });
    made.addEventListener('click', () => {
      aboutRoom('reaction', { emoji }).catch(refused);
      toggleReactions(false);
      button('react').focus();
    });
    $('#reactions').append(made);
  }
  $('#plan').addEventListener('submit', plan);
  $('#enter').addEventListener('submit', join);
  $('#welcome').addEventListener('submit', start);
  for (const select of document.querySelectorAll('#choose select')) select.addEventListener('change', () => devices.choose(select.dataset.kind, select.value));
  devices.addEventListener('changed', follow);
  saver.addEventListener('changed', onSaving);
  captions.addEventListener('changed', () => (button('captions').ariaPressed = String(captions.on)));
  button('screen').hidden = !navigator.mediaDevices?.getDisplayMedia;
  telephone.addEventListener('changed', onTelephone);
  telephone.addEventListener('wished', () => checkIn.finish());
  document.addEventListener('visibilitychange', measure);
  addEventListener('hashchange', () => location.reload());
  setInterval(measureVoice, METER_MS);
  setInterval(() => {
    if (view === 'early') drawEarly();
    if (view === 'wait') drawWaiting(queue, facts.starts ?? null, checked);
  }, SECOND_MS);
  drawDoor($('#entrance'));
  effect(() => {
    if (session.value && view === 'entrance') begin();
  });
  effect(() => {
    if (session.value || !place) return;
    if (isLink()) comeAgain();
    else leave('lost');
  });
  effect(() => {
    if (link.link.value === 'lost' && place) say(t('said.lost'));
    else if (link.link.value === 'up' && place === 'in') say('');
  });
  await frame(() => {
    if (view === 'over') drawOver();
    word();
    follow();
    meet();
    chat.draw();
    itinerary.draw();
  }, signOut);
  begin();
}

begins();
