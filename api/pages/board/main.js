/**
 * The live board: every running call, both ways of its legs, the hop that is bad and why, and the way into each. For supervisors.
 *
 * For engineers and tests, `window.centralita` shows the call that we are in; buttons carry `data-do`, calls `data-call-id`.
 * The server tells once a second what changed. Whoever sees by the sequence numbers that a notice was missed, and everybody once a
 * minute, asks for everything anew.
 */
import { effect } from '@preact/signals';
import { explain, mindLanguage, mindTheme, t } from '../consultation/text.js';
import * as link from '../js/link.js';
import { ended, forget, session, signIn } from '../js/session.js';
import { Cards } from './cards.js';
import * as monitor from './monitor.js';

const ASK_EVERY_MS = 60_000;
const CLOCK_MS = 1_000;

const $ = (selector) => document.querySelector(selector);
const say = (text) => ($('#said').textContent = text);
const cards = new Cards($('#calls'), say);

let calls = new Map();
let total = 0;
let known = false; // whether we were told how things are
let last = null;
let ahead = 0;
let timer = 0;

function draw() {
  $('#door').hidden = Boolean(session.peek());
  $('#board').hidden = !session.peek();
  $('[data-do=sign-out]').hidden = !session.peek();
  $('#none').hidden = !known || calls.size > 0;
  const bad = [...calls.values()].filter((call) => call.hop).length;
  $('#count').textContent = known ? t('count', { total, bad }) : '';
  cards.draw([...calls.values()], Date.now() / 1000 + ahead);
}

function take(at, running) {
  ahead = at - Date.now() / 1000;
  total = running;
}

async function askForAll() {
  clearTimeout(timer);
  timer = setTimeout(askForAll, ASK_EVERY_MS);
  last = null;
  try {
    const now = await link.ask('board.watch');
    calls = new Map(now.calls.map((call) => [call.call_id, call]));
    take(now.at, now.total);
    known = true;
    say('');
  } catch (refusal) {
    calls.clear();
    total = 0;
    known = false;
    say(explain(refusal.code));
  }
  document.body.dataset.ready = 'true';
  draw();
}

function onNotice(notice) {
  monitor.receive(notice);
  if (notice.type === 'session.snapshot') askForAll();
  if (notice.type !== 'board.changed') return;
  if (last !== null && notice.seq !== last + 1) askForAll();
  last = notice.seq;
  for (const call of notice.calls) calls.set(call.call_id, call);
  for (const id of notice.gone) calls.delete(id);
  take(notice.at, notice.total);
  draw();
}

async function enter(event) {
  event.preventDefault();
  const form = new FormData($('#door'));
  try {
    await signIn(form.get('user'), form.get('password'));
    $('#door').reset();
  } catch (refusal) {
    say(explain(refusal.code));
  }
}

async function begin() {
  mindTheme($('#theme'));
  await mindLanguage($('#language'), draw, import.meta.url);
  $('#door').addEventListener('submit', enter);
  $('[data-do=sign-out]').addEventListener('click', () => forget('signed_out'));
  effect(() => {
    const open = Boolean(session.value);
    if (open && !link.isOpen()) link.open(onNotice, false);
    if (!open) {
      clearTimeout(timer);
      link.close();
      monitor.stop();
      calls.clear();
      say(ended.peek() && ended.peek() !== 'signed_out' ? explain(ended.peek()) : '');
    }
    draw();
  });
  effect(() => {
    monitor.mine.value;
    draw();
  });
  effect(() => {
    if (link.link.value === 'lost' && session.peek()) say(explain('signalling_lost'));
  });
  setInterval(() => cards.tick(Date.now() / 1000 + ahead), CLOCK_MS);
}

window.centralita = {
  state: {
    get calls() {
      return monitor.mine.peek() ? [monitor.mine.peek()] : [];
    },
  },
  /** What is heard of it, as a `MediaStream`. */
  remoteStream: () => monitor.peer.peek()?.stream ?? null,
};

begin();
