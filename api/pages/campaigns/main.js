/** Campaigns: whom to call next and how it went; for who leads them the lists, and who does not want to be called. */
import { notation, stamp } from '../kit/formats.js';
import { telephone } from '../kit/telephone.js';
import { t } from '../kit/words.js';
import { $, frame, mindDoor, say, tell } from '../kit/still.js';
import { give } from '../js/give.js';
import { ask } from '../js/rest.js';
import { session } from '../js/session.js';
import { turns } from '../kit/turns.js';

const turn = turns();
const local = (at, options) => new Date(at * 1000).toLocaleString(notation(), options);
const day = (at) => local(at, { dateStyle: 'medium' });
const minutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

let figures = [];
let campaigns = [];
let entry = null;
let adding = null;

function row(...parts) {
  const item = document.createElement('li');
  for (const part of parts) {
    const text = document.createElement('span');
    text.append(part);
    item.append(text);
  }
  return item;
}

function button(text, name, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.dataset.do = name;
  made.addEventListener('click', act);
  return made;
}

/** The time where the number lives; the earliest and the latest where it may lie in several zones. */
function there(zones) {
  const now = [...new Set(zones.split(' ').map((timeZone) => local(Date.now() / 1000, { timeStyle: 'short', timeZone })))].sort();
  return now.length > 1 ? `${now[0]} – ${now.at(-1)}` : now[0];
}

function draw() {
  $('#entry').hidden = !entry;
  if (!entry) return;
  const campaign = campaigns.find((each) => each.campaign_id === entry.campaign_id);
  $('#entry-name').replaceChildren(entry.name || telephone(entry.e164));
  $('#entry-number').replaceChildren(telephone(entry.e164));
  $('#entry-there').textContent = there(entry.zones);
  $('#entry-consent').textContent = t('consent.given', { where: entry.consent, when: day(entry.consent_at) });
  $('#entry-note').textContent = entry.note || '–';
  $('#entry-attempts').textContent = t('attempts.of', { tried: entry.attempts, most: campaign?.most_attempts ?? '' });
  $('#script').textContent = campaign?.script ?? '';
}

async function next() {
  entry = null;
  draw();
  entry = await ask('POST', `/api/v1/campaigns/${encodeURIComponent($('#choose').campaign.value)}/next`, {});
  draw();
  $('#entry-name').focus();
}

async function report(outcome, laterAt) {
  await ask('POST', `/api/v1/campaign-entries/${encodeURIComponent(entry.entry_id)}/outcome`, { outcome, ...(laterAt && { later_at: laterAt }) });
  await next();
}

async function drawCampaigns() {
  if (!session.peek()) return;
  const isLast = turn();
  const told = (await ask('GET', '/api/v1/campaigns')).campaigns;
  if (!isLast()) return;
  figures = told;
  campaigns = figures.map(({ campaign }) => campaign);
  const running = campaigns.filter((each) => each.running);
  const kept = $('#choose').campaign.value;
  $('#choose').campaign.replaceChildren(...running.map((each) => new Option(each.name, each.campaign_id)));
  if (running.some((each) => each.campaign_id === kept)) $('#choose').campaign.value = kept;
  $('#choose').hidden = !running.length;
  $('#no-campaigns').hidden = running.length > 0;
  draw();
  drawLead();
}

function drawLead() {
  if ($('#lead').hidden) return;
  const rows = figures.map(({ campaign, open, done }) => {
    const switched = () => tell(async () => {
      await ask('PUT', `/api/v1/campaigns/${encodeURIComponent(campaign.campaign_id)}/running`, { running: !campaign.running });
      await drawCampaigns();
    });
    const buttons = document.createElement('div');
    buttons.className = 'choices';
    buttons.append(button(t(campaign.running ? 'rest' : 'run'), campaign.running ? 'rest' : 'run', switched), button(t('entries.add'), 'add', () => openAdd(campaign)));
    return row(campaign.name, t('figures', { open, done }), buttons);
  });
  $('#campaigns').replaceChildren(...rows);
}

async function drawUnwanted() {
  const { numbers, entries } = await ask('GET', '/api/v1/do-not-call');
  $('#how-many').textContent = t('unwanted.many', { entries });
  const rows = numbers.map((each) => {
    const off = () => tell(async () => {
      if (!confirm(t('unwanted.sure', { number: each.e164 }))) return;
      await ask('DELETE', `/api/v1/do-not-call/${encodeURIComponent(each.e164)}`);
      await drawUnwanted();
    });
    return row(telephone(each.e164), [each.reason, stamp(each.added_at)].filter(Boolean).join(' · '), button(t('unwanted.off'), 'off', off));
  });
  $('#unwanted').replaceChildren(...rows);
}

function openAdd(campaign) {
  adding = campaign;
  $('#add').hidden = false;
  $('#add-to').textContent = t('entries.to', { campaign: campaign.name });
  $('#not-added').replaceChildren();
  $('#add-to').focus();
}

/** `number; name; where agreed; date; note`, a line each. */
function readLine(line) {
  const [number = '', name = '', consent = '', date = '', ...note] = line.split(';').map((part) => part.trim());
  const at = Date.parse(date) / 1000;
  return { number, name, consent, consent_at: Number.isFinite(at) ? at : 0, note: note.join('; ') };
}

async function add() {
  const lines = $('#add').entries.value.split('\n').filter((line) => line.trim());
  const refused = [];
  let added = 0;
  for (let begin = 0; begin < lines.length; begin += 50) {
    const entries = lines.slice(begin, begin + 50).map(readLine);
    const told = await ask('POST', `/api/v1/campaigns/${encodeURIComponent(adding.campaign_id)}/entries`, { entries });
    added += told.added;
    refused.push(...told.refused.map(({ line, why }) => ({ text: lines[begin + line - 1], why })));
  }
  $('#add').entries.value = refused.map(({ text }) => text).join('\n');
  $('#not-added').replaceChildren(...refused.map(({ text, why }) => row(text, t(`why.${why}`))));
  await drawCampaigns();
  say(t('entries.added', { added, refused: refused.length }));
}

/** The days of the week in the person's language, Monday first; Monday to Friday are chosen. */
function drawDays() {
  const chosen = new Set([...document.querySelectorAll('#days input')].filter((each) => each.checked).map((each) => each.value));
  const boxes = [1, 2, 3, 4, 5, 6, 7].map((number) => {
    const label = document.createElement('label');
    const box = Object.assign(document.createElement('input'), { type: 'checkbox', name: 'day', value: number });
    box.checked = chosen.size ? chosen.has(String(number)) : number < 6;
    label.className = 'check';
    label.append(box, local(Date.UTC(2024, 0, number) / 1000, { weekday: 'short', timeZone: 'UTC' }));
    return label;
  });
  $('#days').replaceChildren(...boxes);
}

async function make() {
  const { name, team, script, begin, end, most_attempts: most } = $('#make');
  await ask('POST', '/api/v1/campaigns', {
    name: name.value, team: team.value.trim(), script: script.value, begin: minutes(begin.value), end: minutes(end.value),
    days: [...document.querySelectorAll('#days input:checked')].map((each) => each.value).join(''),
    most_attempts: Number(most.value), zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  });
  $('#make').reset();
  await drawCampaigns();
  say(t('made'));
}

async function unwant() {
  const { number, reason } = $('#unwant');
  await ask('POST', '/api/v1/do-not-call', { number: number.value, reason: reason.value });
  $('#unwant').reset();
  await drawUnwanted();
}

async function drawAll() {
  if (!session.peek()) return;
  const { permissions } = await ask('GET', '/api/v1/account');
  $('#lead').hidden = !permissions.includes('campaigns.manage');
  await drawCampaigns();
  if (!$('#lead').hidden) await drawUnwanted();
}

const sent = (form, work) => $(form).addEventListener('submit', (event) => {
  event.preventDefault();
  tell(work);
});

function spoken() {
  drawDays();
  if (document.body.dataset.ready) tell(drawAll);
}

async function begin() {
  await frame(spoken);
  sent('#choose', next);
  sent('#later', () => report('later', new Date($('#later').at.value).getTime() / 1000));
  sent('#add', add);
  sent('#make', make);
  sent('#unwant', unwant);
  $('[data-do=give]').addEventListener('click', () => tell(async () => say(t(await give(entry.e164) ? 'given' : 'opened'))));
  for (const each of document.querySelectorAll('[data-outcome]')) each.addEventListener('click', () => tell(() => report(each.dataset.outcome)));
  mindDoor(drawAll);
}

begin();
