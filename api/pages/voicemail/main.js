/** Voicemail: the messages that callers left in my boxes. Heard here, marked, erased; calling back is the telephone's, and nothing dials. */
import { stamp as when } from '../kit/formats.js';
import { telephone } from '../kit/telephone.js';
import { t } from '../kit/words.js';
import { $, frame, mindDoor, say, tell } from '../kit/still.js';
import { give } from '../js/give.js';
import { ask } from '../js/rest.js';
import { Refusal, session } from '../js/session.js';
import { turns } from '../kit/turns.js';

const LOOK_EVERY_MS = 30_000;
const lasting = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
const hidden = (message) => !message.caller || message.caller === 'anonymous';
const nameOf = (message) => message.caller_name || (hidden(message) ? t('caller.hidden') : message.caller);
const titles = new Map();
const turn = turns();
/** Where the list goes on. */
let cursor = null;
const titleOf = (box) => titles.get(box)?.[document.documentElement.lang] ?? box;

function made(tag, text, more = {}) {
  return Object.assign(document.createElement(tag), { textContent: text }, more);
}

function button(act, text, label, onclick) {
  const found = made('button', text, { type: 'button', onclick });
  found.dataset.do = act;
  found.setAttribute('aria-label', label);
  return found;
}

/** The sound of a message, for its player. */
async function soundOf(message) {
  const answer = await fetch(`/api/v1/voicemails/${message.voicemail_id}/sound`, { headers: { authorization: `Bearer ${session.peek().token}` } })
    .catch(() => { throw new Refusal({ code: 'server_unreachable' }); });
  if (!answer.ok) throw new Refusal((await answer.json().catch(() => ({}))).error ?? { code: 'unknown' });
  return URL.createObjectURL(await answer.blob());
}

async function play(message, item) {
  await tell(async () => {
    for (const other of document.querySelectorAll('audio')) other.pause();
    let player = item.querySelector('audio');
    if (!player) {
      player = made('audio', '', { controls: true, src: await soundOf(message) });
      player.setAttribute('aria-label', t('player', { name: nameOf(message) }));
      item.append(player);
    }
    await player.play().catch(() => player.focus());
    if (message.heard_at === null) await mark(message, item, true);
  });
}

async function mark(message, item, heard) {
  const changed = await ask('PUT', `/api/v1/voicemails/${message.voicemail_id}`, { heard });
  Object.assign(message, changed);
  dress(message, item);
  await countBoxes();
}

async function erase(message, item) {
  $('#sure-what').textContent = t('sure.what', { name: nameOf(message), when: when(message.left_at) });
  $('#sure').returnValue = 'no';
  $('#sure').showModal();
  await new Promise((resolve) => $('#sure').addEventListener('close', resolve, { once: true }));
  if ($('#sure').returnValue !== 'yes') return;
  await tell(async () => {
    await ask('DELETE', `/api/v1/voicemails/${message.voicemail_id}`);
    forgetSound(item);
    item.remove();
    await draw();
    $('#heading').focus();
    say(t('erased'));
  });
}

function forgetSound(item) {
  const player = item.querySelector('audio');
  if (player) URL.revokeObjectURL(player.src);
}

/** Everything of a message but its player, which goes on. */
function dress(message, item) {
  const unheard = message.heard_at === null;
  const focused = item.contains(document.activeElement) ? document.activeElement.dataset.do : '';
  item.className = unheard ? 'unheard' : '';
  const who = made('div', '', { className: 'who' });
  const name = made('strong', '');
  name.append(telephone(nameOf(message)));
  who.append(name);
  if (message.caller_name && !hidden(message)) who.append(telephone(message.caller));
  if (unheard) who.append(made('span', t('new'), { className: 'new' }));
  const heard = unheard ? '' : t('heard_by', { who: message.heard_by, when: when(message.heard_at) });
  const about = [when(message.left_at), lasting(message.duration_s), titleOf(message.box), heard].filter(Boolean).join(' · ');
  const acts = made('div', '', { className: 'acts' });
  const named = { name: nameOf(message) };
  acts.append(button('play', t('play'), t('play.of', named), () => play(message, item)));
  if (!hidden(message)) {
    const back = made('a', t('call_back'), { href: `/dial?${new URLSearchParams({ number: message.caller })}` });
    back.setAttribute('aria-label', t('call_back.of', named));
    back.addEventListener('click', (event) => {
      event.preventDefault();
      give(message.caller).then((taken) => say(taken ? t('given') : t('opened')));
    });
    acts.append(back);
  }
  const [text, label] = unheard ? [t('mark_heard'), t('mark_heard.of', named)] : [t('mark_new'), t('mark_new.of', named)];
  acts.append(button('mark', text, label, () => tell(() => mark(message, item, unheard))));
  acts.append(button('erase', t('erase'), t('erase.of', named), () => erase(message, item)));
  acts.lastChild.className = 'grave';
  const player = item.querySelector('audio');
  const parts = [who, made('p', about, { className: 'fine' }), acts];
  for (const old of [...item.children]) if (old !== player) old.remove();
  item.prepend(...parts);
  if (focused) item.querySelector(`[data-do=${focused}]`)?.focus();
}

function rowOf(message) {
  const item = document.createElement('li');
  item.dataset.id = message.voicemail_id;
  dress(message, item);
  return item;
}

function query(more = {}) {
  const { box, unheard } = $('#filter');
  return new URLSearchParams({ ...(box.value && { box: box.value }), ...(unheard.checked && { unheard: 'true' }), ...more });
}

function showBoxes(boxes) {
  for (const box of boxes) titles.set(box.name, box.titles);
  const select = $('#filter').box;
  const chosen = select.value;
  const all = boxes.reduce((sum, box) => sum + box.unheard, 0);
  const named = (title, unheard) => (unheard ? t('box.unheard', { title, unheard }) : title);
  select.replaceChildren(new Option(named(t('box.all'), all), ''), ...boxes.map((box) => new Option(named(titleOf(box.name), box.unheard), box.name)));
  select.value = boxes.some((box) => box.name === chosen) ? chosen : '';
  $('#filter').hidden = boxes.length === 0;
  $('#no-boxes').hidden = boxes.length > 0;
}

async function countBoxes() {
  const { boxes } = await ask('GET', `/api/v1/voicemails?${query({ limit: 1 })}`);
  showBoxes(boxes);
}

/** The newest messages; what is shown already keeps its player. */
async function draw() {
  if (!session.peek()) return;
  const isLast = turn();
  const { boxes, voicemails, next } = await ask('GET', `/api/v1/voicemails?${query()}`);
  if (!isLast()) return;
  showBoxes(boxes);
  const shown = new Map([...$('#messages').children].map((item) => [item.dataset.id, item]));
  const rows = voicemails.map((message) => {
    const item = shown.get(message.voicemail_id);
    if (!item) return rowOf(message);
    shown.delete(message.voicemail_id);
    dress(message, item);
    return item;
  });
  for (const gone of shown.values()) forgetSound(gone);
  const before = [...$('#messages').children];
  if (rows.length !== before.length || rows.some((row, at) => row !== before[at])) $('#messages').replaceChildren(...rows);
  $('#none').hidden = voicemails.length > 0 || boxes.length === 0;
  $('[data-do=older]').hidden = !next;
  cursor = next;
}

async function older() {
  await tell(async () => {
    const { voicemails, next } = await ask('GET', `/api/v1/voicemails?${query({ cursor })}`);
    const rows = voicemails.map(rowOf);
    $('#messages').append(...rows);
    $('[data-do=older]').hidden = !next;
    cursor = next;
    rows[0]?.querySelector('button').focus();
  });
}

/** Who looks at the first page of messages sees what comes. */
function look() {
  const quiet = ![...document.querySelectorAll('audio')].some((player) => !player.paused) && !$('#sure').open;
  if (document.visibilityState === 'visible' && session.peek() && quiet && $('[data-do=older]').hidden) draw().catch(() => {});
}

async function begin() {
  await frame(() => document.body.dataset.ready && tell(draw));
  $('#filter').addEventListener('submit', (event) => event.preventDefault());
  $('#filter').addEventListener('change', () => tell(draw));
  $('[data-do=older]').addEventListener('click', older);
  addEventListener('visibilitychange', look);
  setInterval(look, LOOK_EVERY_MS);
  mindDoor(draw, () => $('#messages').replaceChildren());
}

begin();
