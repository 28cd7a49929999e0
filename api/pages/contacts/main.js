/** Contacts: the one that the address names (the PBX opens it), and the search for others. */
import { effect } from '@preact/signals';
import { explain, mindLanguage, mindTheme, t } from '../consultation/text.js';
import { ask } from '../js/rest.js';
import { ended, forget, session, signIn } from '../js/session.js';

const $ = (selector) => document.querySelector(selector);
const say = (text) => ($('#said').textContent = text);
const when = (at) => new Date(at * 1000).toLocaleString(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' });
const lasting = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
const nameOf = (contact) => [contact.first, contact.last].filter(Boolean).join(' ') || contact.company;

/** Do it, and say why where it was refused. */
async function tell(work) {
  try {
    say('');
    await work();
  } catch (refusal) {
    say(explain(refusal.code));
  }
}

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
  const { contact, calls } = await ask('GET', `/api/contacts/${encodeURIComponent(id)}`);
  $('#name').textContent = nameOf(contact);
  $('#company').textContent = contact.company || '–';
  $('#numbers').textContent = contact.numbers.join(', ') || '–';
  $('#email').textContent = contact.email || '–';
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

async function search(event) {
  event.preventDefault();
  const words = new FormData($('#search')).get('q');
  await tell(async () => {
    const { contacts } = await ask('GET', `/api/contacts?${new URLSearchParams({ q: words })}`);
    $('#none').hidden = contacts.length > 0;
    const rows = contacts.map((each) => row(link(`#${each.contact_id}`, nameOf(each)), each.numbers[0] ?? each.email));
    $('#found').replaceChildren(...rows);
  });
}

async function enter(event) {
  event.preventDefault();
  const form = new FormData($('#door'));
  await tell(async () => {
    try {
      await signIn(form.get('user'), form.get('password'), form.get('code'));
    } catch (refusal) {
      if (refusal.code === 'second_factor_required') $('#door-code').hidden = false;
      throw refusal;
    }
    $('#door').reset();
    $('#door-code').hidden = true;
  });
}

async function begin() {
  mindTheme($('#theme'));
  await mindLanguage($('#language'), () => document.body.dataset.ready && tell(drawContact), import.meta.url);
  $('#door').addEventListener('submit', enter);
  $('#search').addEventListener('submit', search);
  $('[data-do=sign-out]').addEventListener('click', () => forget('signed_out'));
  addEventListener('hashchange', () => tell(drawContact));
  effect(() => {
    const open = Boolean(session.value);
    $('#door').hidden = open;
    $('#inside').hidden = !open;
    $('[data-do=sign-out]').hidden = !open;
    tell(drawContact).then(() => {
      if (!open && ended.peek() && ended.peek() !== 'signed_out') say(explain(ended.peek()));
      document.body.dataset.ready = 'true';
    });
  });
}

begin();
