/** Contacts: the one that the address names (the PBX opens it), and the search for others. */
import { stamp as when } from '../kit/formats.js';
import { telephone } from '../kit/telephone.js';
import { t } from '../kit/words.js';
import { $, frame, mindDoor, say, tell } from '../kit/still.js';
import { ask } from '../js/rest.js';
import { session } from '../js/session.js';

const lasting = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
const nameOf = (contact) => [contact.first, contact.last].filter(Boolean).join(' ') || contact.company;

function kindOf(call) {
  if (call.direction === 'in') return t(call.answered ? 'call.in' : 'call.missed');
  return t(call.answered ? 'call.out' : 'call.unanswered');
}

function row(...parts) {
  const item = document.createElement('li');
  for (const part of parts) {
    const text = document.createElement('span');
    text.append(part);
    item.append(text);
  }
  return item;
}

function link(href, words) {
  const anchor = document.createElement('a');
  anchor.href = href;
  anchor.textContent = words;
  return anchor;
}

async function drawContact() {
  const id = location.hash.slice(1);
  $('#contact').hidden = true;
  if (!session.peek() || !id) return;
  const { contact, calls } = await ask('GET', `/api/v1/contacts/${encodeURIComponent(id)}`);
  $('#name').textContent = nameOf(contact);
  $('#bookings').href = `/bookings#contact/${contact.contact_id}`;
  $('#company').textContent = contact.company || '–';
  $('#numbers').replaceChildren(...(contact.numbers.length ? contact.numbers.flatMap((each, at) => [at ? ', ' : '', telephone(each)]) : ['–']));
  $('#email').textContent = contact.email || '–';
  const { consents } = await ask('GET', `/api/v1/contacts/${encodeURIComponent(id)}/consents`);
  $('#treatment').survey.checked = consents.find((each) => each.purpose === 'survey')?.given ?? false;
  $('#treatment').vip.checked = contact.vip;
  $('#treatment').language.value = contact.language;
  $('#no-calls').hidden = calls.length > 0;
  const rows = calls.map((call) => {
    const whole = [kindOf(call), call.agent && t('call.with', { agent: call.agent }), call.queue && t('call.queue', { queue: call.queue })];
    const length = call.answered && call.duration_s !== null ? lasting(call.duration_s) : '';
    return row(when(call.started_at ?? call.received_at), whole.filter(Boolean).join(' · '), length);
  });
  $('#calls').replaceChildren(...rows);
  $('#contact').hidden = false;
  $('#name').focus();
}

/** What the contact said when asked whether we may ask them how a call was. */
async function consent(given) {
  await tell(async () => {
    await ask('PUT', `/api/v1/contacts/${encodeURIComponent(location.hash.slice(1))}/consents/survey`, { given, wording: t('survey') });
    say(t('treated'));
  });
}

/** How the contact is treated when they call. */
async function treat(event) {
  const { vip, language } = $('#treatment');
  if (event.target.name === 'survey') {
    await consent(event.target.checked);
    return;
  }
  await tell(async () => {
    await ask('PUT', `/api/v1/contacts/${encodeURIComponent(location.hash.slice(1))}/treatment`, { vip: vip.checked, language: language.value });
    say(t('treated'));
  });
}

async function search(event) {
  event.preventDefault();
  const words = new FormData($('#search')).get('q');
  await tell(async () => {
    const { contacts } = await ask('GET', `/api/v1/contacts?${new URLSearchParams({ q: words })}`);
    $('#none').hidden = contacts.length > 0;
    const rows = contacts.map((each) => row(link(`#${each.contact_id}`, nameOf(each)), each.numbers[0] ? telephone(each.numbers[0]) : each.email));
    $('#found').replaceChildren(...rows);
  });
}

async function begin() {
  await frame(() => document.body.dataset.ready && tell(drawContact));
  $('#search').addEventListener('submit', search);
  $('#treatment').addEventListener('change', treat);
  addEventListener('hashchange', () => tell(drawContact));
  mindDoor(drawContact);
}

begin();
