/** Tickets: those that wait for me, my teams or anybody; one of them with all that happened to it; a new one. */
import { notation, stamp as when } from '../kit/formats.js';
import { telephone } from '../kit/telephone.js';
import { t } from '../kit/words.js';
import { $, frame, mindDoor, say, tell } from '../kit/still.js';
import { ask } from '../js/rest.js';
import { session } from '../js/session.js';
import { turns } from '../kit/turns.js';

const LOOK_EVERY_MS = 30_000;
const PRIORITIES = { low: 'priority.low', normal: 'priority.normal', high: 'priority.high', urgent: 'priority.urgent' };
const STATES = { open: 'state.open', waiting: 'state.waiting', solved: 'state.solved', closed: 'state.closed', reopened: 'state.reopened' };
const ACTS = { ask: 'act.ask', hear: 'act.hear', solve: 'act.solve', close: 'act.close', reopen: 'act.reopen' };
const WHAT = { opened: 'what.opened', changed: 'what.changed', commented: 'what.commented', escalated: 'what.escalated', linked: 'what.linked' };
const LINKS = { call: 'link.call', recording: 'link.recording', booking: 'link.booking', appointment: 'link.appointment' };
const FIELDS = {
  title: 'field.title', priority: 'field.priority', category: 'field.category', team: 'field.team', agent: 'field.agent', state: 'field.state',
  step: 'field.step', ...LINKS,
};
const STEPS = { due_soon: 'step.due_soon', late: 'step.late', far_late: 'step.far_late' };
const WHOSE = { mine: 'whose.mine', team: 'whose.team', all: 'whose.all', late: 'whose.late' };

const CHANGED = ['title', 'priority', 'category', 'team', 'agent'];

let shown = null;
/** The ticket as the form of changes took it: what differs from it is somebody's wish. */
let base = null;
/** What was to be changed and was not, because somebody else changed the same. */
let refused = null;
const turn = turns();
/** Where the list goes on. */
let cursor = null;

const isLate = (ticket) => ticket.due_at !== null && ticket.due_at * 1000 <= Date.now();

function made(tag, text, more = {}) {
  return Object.assign(document.createElement(tag), { textContent: text }, more);
}

function link(href, text) {
  return made('a', text, { href });
}

/** When it is due, in words: in how long, or for how long it has been late. */
function due(ticket) {
  if (ticket.due_at === null) return '';
  const hours = (ticket.due_at * 1000 - Date.now()) / 3_600_000;
  const [size, unit] = Math.abs(hours) >= 48 ? [hours / 24, 'day'] : Math.abs(hours) >= 1 ? [hours, 'hour'] : [hours * 60, 'minute'];
  const ways = new Intl.RelativeTimeFormat(notation(), { numeric: 'always' });
  return t(isLate(ticket) ? 'late' : 'due', { when: ways.format(Math.trunc(size), unit) });
}

function about(ticket) {
  return [t(STATES[ticket.state]), t(PRIORITIES[ticket.priority]), ticket.category, ticket.team, ticket.agent].filter(Boolean).join(' · ');
}

function rowOf(ticket) {
  const item = document.createElement('li');
  item.dataset.id = ticket.ticket_id;
  item.dataset.late = isLate(ticket);
  const words = made('span', about(ticket), { className: 'fine' });
  const time = made('span', due(ticket), { className: isLate(ticket) ? 'late' : 'fine' });
  item.append(link(`#${ticket.ticket_id}`, ticket.title || t('erased')), words, time);
  return item;
}

function query(more = {}) {
  const { of, standing } = $('#filter');
  const late = of.value === 'late';
  return new URLSearchParams({ of: late ? 'all' : of.value, standing: late ? 'open' : standing.value, ...(late && { late: 'true' }), ...more });
}

function showCounts(counts) {
  const select = $('#filter').of;
  const chosen = select.value || (counts.mine ? 'mine' : 'team');
  select.replaceChildren(...Object.entries(WHOSE).map(([of, text]) => new Option(t('counted', { what: t(text), count: counts[of] }), of)));
  select.value = chosen;
}

/** The list; nobody's place in it is lost by looking again. */
async function drawList() {
  if (!session.peek()) return;
  const isLast = turn();
  if (!$('#filter').of.value) showCounts((await ask('GET', '/api/v1/tickets?limit=1')).counts);
  const { tickets, next, counts } = await ask('GET', `/api/v1/tickets?${query()}`);
  if (!isLast()) return;
  showCounts(counts);
  const focused = document.activeElement?.closest?.('#tickets > li')?.dataset.id;
  $('#tickets').replaceChildren(...tickets.map(rowOf));
  if (focused) $(`#tickets > li[data-id="${focused}"] > a`)?.focus();
  $('#none').hidden = tickets.length > 0;
  $('[data-do=older]').hidden = !next;
  cursor = next;
}

async function older() {
  await tell(async () => {
    const { tickets, next } = await ask('GET', `/api/v1/tickets?${query({ cursor })}`);
    const rows = tickets.map(rowOf);
    $('#tickets').append(...rows);
    $('[data-do=older]').hidden = !next;
    cursor = next;
    rows[0]?.querySelector('a').focus();
  });
}

function worded(name, value) {
  if (!value) return '–';
  if (name === 'state') return t(STATES[value] ?? value);
  if (name === 'step') return value.split(' ').map((step) => t(STEPS[step] ?? step)).join(', ');
  return name === 'priority' ? t(PRIORITIES[value] ?? value) : value;
}

function changeWords([name, [before, after]]) {
  const field = t(FIELDS[name] ?? name);
  return before ? t('changed.from', { field, before: worded(name, before), after: worded(name, after) }) : t('changed.to', { field, after: worded(name, after) });
}

function entryRow(entry) {
  const item = document.createElement('li');
  item.dataset.internal = entry.internal;
  const kind = entry.what === 'commented' && !entry.internal ? 'what.said' : WHAT[entry.what];
  const by = entry.by === 'clock' ? t('by.clock') : entry.by;
  item.append(made('span', [when(entry.at), by, t(kind)].filter(Boolean).join(' · '), { className: 'fine' }));
  if (entry.text) item.append(made('p', entry.text));
  const changes = Object.entries(entry.changes).map(changeWords);
  if (changes.length) item.append(made('span', changes.join('; '), { className: 'fine' }));
  return item;
}

function linkRow(each) {
  const item = document.createElement('li');
  const words = [t(LINKS[each.kind]), each.title || each.target].join(': ');
  const there = each.url && (each.expires_at === null || each.expires_at * 1000 > Date.now());
  item.append(there ? link(each.url, words) : made('span', words));
  return item;
}

function showActs(acts) {
  const mine = made('button', t('take'), { type: 'button', onclick: () => change({ agent: session.peek().identity }) });
  mine.dataset.do = 'take';
  const wanted = acts.filter((act) => act !== 'ask' && act !== 'hear').map((act) => {
    const button = made('button', t(ACTS[act]), { type: 'button', onclick: () => change({ act }) });
    button.dataset.do = act;
    return button;
  });
  $('#acts').replaceChildren(...(shown.ticket.agent === session.peek().identity ? [] : [mine]), ...wanted);
}

const edited = () => (base ? CHANGED.filter((name) => $('#change').elements[name].value !== base[name]) : []);

/** What somebody is changing keeps what it says, and the revision upon which they wrote it. */
function fill(ticket, anew) {
  const kept = anew ? [] : edited();
  const before = base;
  base = { ...ticket, ...(kept.length && { revision: before.revision }) };
  for (const name of CHANGED) {
    if (kept.includes(name)) base[name] = before[name];
    else $('#change').elements[name].value = ticket[name];
  }
}

/** The one ticket that the address names. */
async function drawTicket({ anew = true } = {}) {
  const id = location.hash.slice(1);
  if (!session.peek() || !id) {
    $('#ticket').hidden = true;
    shown = base = null;
    return;
  }
  const view = await ask('GET', `/api/v1/tickets/${encodeURIComponent(id)}`);
  if (id !== location.hash.slice(1)) return;
  fill(view.ticket, anew);
  shown = view;
  const { ticket, contact } = view;
  $('#ticket-title').textContent = ticket.title || t('erased');
  $('#ticket-about').textContent = [ticket.ticket_id, about(ticket), due(ticket)].filter(Boolean).join(' · ');
  $('#ticket-about').classList.toggle('late', isLate(ticket));
  const name = contact && ([contact.first, contact.last].filter(Boolean).join(' ') || contact.company);
  const whose = contact ? [link(`/contacts#${contact.contact_id}`, name || t('erased'))] : [];
  if (ticket.number) {
    whose.push(link(`/dial?${new URLSearchParams({ number: ticket.number })}`, ''));
    whose.at(-1).append(telephone(ticket.number));
  }
  $('#ticket-whose').replaceChildren(...whose.flatMap((each, place) => (place ? [' · ', each] : [each])));
  $('#ticket-links').replaceChildren(...view.links.map(linkRow));
  $('#journal').replaceChildren(...view.entries.map(entryRow));
  showActs(view.acts);
  $('#ticket').hidden = false;
}

async function openTicket() {
  refused = null;
  $('#conflict').hidden = true;
  $('#comment').reset();
  await drawTicket();
  if (shown) $('#ticket-title').focus();
}

/** Change it; where somebody else changed the same meanwhile, both are shown. */
async function change(wanted, revision = shown.ticket.revision) {
  await tell(async () => {
    try {
      await ask('PATCH', `/api/v1/tickets/${shown.ticket.ticket_id}`, { revision, ...wanted });
    } catch (refusal) {
      if (refusal.code !== 'ticket_conflict') throw refusal;
      showConflict(wanted, refusal.answer.now);
      return;
    }
    refused = null;
    $('#conflict').hidden = true;
    await drawTicket();
    await drawList();
    say(t('saved'));
  });
}

function showConflict(wanted, now) {
  refused = { wanted, now };
  const differing = Object.entries(wanted).filter(([name, value]) => name !== 'act' && now[name] !== value);
  const lines = differing.map(([name, value]) =>
    made('li', t('conflict.field', { field: t(FIELDS[name]), theirs: worded(name, now[name]), mine: worded(name, value) })));
  if (wanted.act) lines.push(made('li', t('conflict.state', { state: t(STATES[now.state]), mine: t(ACTS[wanted.act]) })));
  $('#conflict-fields').replaceChildren(...lines);
  $('#conflict').hidden = false;
  $('[data-do=take-theirs]').focus();
}

async function takeTheirs() {
  refused = null;
  $('#conflict').hidden = true;
  await tell(drawTicket);
}

function save(event) {
  event.preventDefault();
  const wanted = Object.fromEntries(edited().map((name) => [name, $('#change').elements[name].value]));
  if (Object.keys(wanted).length) change(wanted, base.revision);
}

async function comment(event) {
  event.preventDefault();
  const form = $('#comment');
  const { text, who } = Object.fromEntries(new FormData(form));
  const key = (form.dataset.key ||= crypto.randomUUID());
  await tell(async () => {
    const act = who === 'ask' || who === 'hear' ? { act: who } : {};
    await ask('POST', `/api/v1/tickets/${shown.ticket.ticket_id}/comments`, { text, internal: who === 'internal', idem: key, ...act });
    form.reset();
    delete form.dataset.key;
    await drawTicket({ anew: false });
    await drawList();
    say(t('commented'));
  });
}

async function make(event) {
  event.preventDefault();
  const form = $('#new');
  const key = (form.dataset.key ||= crypto.randomUUID());
  await tell(async () => {
    const ticket = await ask('POST', '/api/v1/tickets', { ...Object.fromEntries(new FormData(form)), idem: key });
    form.reset();
    delete form.dataset.key;
    $('#make').open = false;
    await drawList();
    location.hash = ticket.ticket_id;
  });
}

async function drawChoices() {
  if (!session.peek()) return;
  const choices = await ask('GET', '/api/v1/ticket-choices');
  for (const name of ['categories', 'teams', 'agents']) $(`#${name}`).replaceChildren(...choices[name].map((each) => new Option(each)));
}

function drawWords() {
  for (const form of [$('#change'), $('#new')]) {
    const select = form.elements.priority;
    const chosen = select.value || 'normal';
    select.replaceChildren(...Object.entries(PRIORITIES).map(([priority, text]) => new Option(t(text), priority)));
    select.value = chosen;
  }
}

async function draw() {
  drawWords();
  await drawChoices();
  await drawList();
  await openTicket();
}

/** Who looks at the first page sees what changes. */
function look() {
  if (document.visibilityState !== 'visible' || !session.peek() || refused) return;
  if ($('[data-do=older]').hidden) drawList().catch(() => {});
  if (shown) drawTicket({ anew: false }).catch(() => {});
}

function shut() {
  for (const list of ['#tickets', '#journal', '#ticket-links']) $(list).replaceChildren();
}

async function begin() {
  await frame(() => document.body.dataset.ready && tell(draw));
  $('#filter').addEventListener('submit', (event) => event.preventDefault());
  $('#filter').addEventListener('change', () => tell(drawList));
  $('#change').addEventListener('submit', save);
  $('#comment').addEventListener('submit', comment);
  $('#new').addEventListener('submit', make);
  $('[data-do=older]').addEventListener('click', older);
  $('[data-do=take-theirs]').addEventListener('click', takeTheirs);
  $('[data-do=keep-mine]').addEventListener('click', () => change(refused.wanted, refused.now.revision));
  addEventListener('hashchange', () => tell(openTicket));
  addEventListener('visibilitychange', look);
  setInterval(look, LOOK_EVERY_MS);
  mindDoor(draw, shut);
}

begin();
