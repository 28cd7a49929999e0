/** "Call me instead": the server rings one's telephone, which takes part beside this page; while one waits, as soon as one is let in. */
import { explain, t } from '../kit/words.js';

const ALIVE = new Set(['waiting', 'dialling', 'ringing', 'answered']);
/** Our words for why it did not come about. */
const CAUSES = { busy: 'phone.busy', no_answer: 'phone.no_answer', declined: 'phone.declined', not_found: 'phone.not_found' };
const $ = (selector) => document.querySelector(selector);

/** Events: `changed` when it rings, is answered or is over; `wished` when a number was given and one is not in yet. */
export class Telephone extends EventTarget {
  /** `ask(type, fields)` about the room; `isThere()`: in the room, or waiting for it? */
  constructor(ask, isThere) {
    super();
    Object.assign(this, { ask, isThere });
    this.forget();
    $('#call-me').addEventListener('submit', (event) => this.send(event));
    $('#call-me [data-do="call-close"]').addEventListener('click', () => $('#call-me').close());
    for (const each of document.querySelectorAll('[data-do="call-me"]')) each.addEventListener('click', () => this.open());
    for (const each of document.querySelectorAll('[data-do="call-end"]')) each.addEventListener('click', () => this.end());
  }

  forget() {
    this.rings = false;
    /** The last digits of the number that the server has; '' where it has none. */
    this.known = '';
    /** What was wished before there was anybody to ask: a number, '' for the known one, null for nothing. */
    this.wish = null;
    this.told = null;
    this.why = '';
  }

  get talks() {
    return this.told?.state === 'answered';
  }

  get alive() {
    return ALIVE.has(this.told?.state);
  }

  open(why = '') {
    this.why = why;
    this.word();
    if (!$('#call-me').open) $('#call-me').showModal();
    $('#call-me input').focus();
  }

  async send(event) {
    event.preventDefault();
    const number = $('#call-me input').value.trim();
    if (!number && !this.known) {
      this.open(t('phone.missing'));
      return;
    }
    this.wish = number;
    if (!this.isThere()) {
      $('#call-me').close();
      this.dispatchEvent(new Event('wished'));
    } else if (await this.fulfil()) $('#call-me').close();
  }

  /** Ask for what was wished, if anything; false where it is refused, and the dialog says why. */
  async fulfil() {
    if (this.wish === null || this.alive) return true;
    const number = this.wish;
    this.wish = null;
    try {
      this.hear(await this.ask('room.call_me', { number }));
      return true;
    } catch (refusal) {
      this.open(explain(refusal.code));
      return false;
    }
  }

  hear(told) {
    this.told = told;
    this.word();
    this.dispatchEvent(new Event('changed'));
  }

  end() {
    this.wish = null;
    this.ask('room.hang_up').catch(() => undefined);
  }

  /** What is said of it; '' where there is nothing to say. */
  said() {
    if (this.wish !== null) return t('phone.waiting');
    const { state, cause, number } = this.told ?? {};
    const words = {
      waiting: 'phone.waiting',
      dialling: 'phone.dialling',
      ringing: 'phone.ringing',
      answered: 'phone.answered',
      ended: 'phone.ended',
      refused: CAUSES[cause] ?? 'phone.failed',
    };
    return state ? t(words[state], { number }) : '';
  }

  word() {
    for (const each of document.querySelectorAll('[data-do="call-me"]')) each.hidden = !this.rings || this.alive;
    for (const each of document.querySelectorAll('[data-do="call-end"]')) each.hidden = !this.alive;
    for (const each of document.querySelectorAll('.phone-said')) {
      each.textContent = this.said();
      each.dataset.state = this.told?.state ?? '';
    }
    $('#call-hint').textContent = this.known ? t('phone.known', { digits: this.known }) : t('phone.hint');
    $('#call-why').textContent = this.why;
  }
}
