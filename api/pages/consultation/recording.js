/** The recording of a consultation: a host begins, pauses and ends it; everybody is asked, sees it, and may refuse at any time. */

import { t } from '../kit/words.js';

const $ = (selector) => document.querySelector(selector);
const POSSIBLE = { off: ['start'], recording: ['pause', 'stop'], paused: ['resume', 'stop'] };
const ANSWERS = { asked: ['agree', 'refuse'], given: ['refuse'], refused: ['agree'] };

export class Recording {
  /** `ask` carries an action to the server. */
  constructor(ask) {
    this.buttons = [...document.querySelectorAll('[data-record]')];
    for (const each of this.buttons) each.addEventListener('click', () => ask(each.dataset.record));
  }

  /** How it stands, and what I said to it: `asked`, `given`, `refused` or nothing. */
  draw(state, consent) {
    $('#recording').hidden = state === 'off';
    $('#recording span:last-child').textContent = t(state === 'paused' ? 'room.paused' : 'room.recorded');
    const shown = [...POSSIBLE[state], ...(ANSWERS[consent] ?? [])];
    for (const each of this.buttons) each.hidden = !shown.includes(each.dataset.record);
    const told = { asked: t('consent.asked'), given: t('consent.given'), refused: t('consent.refused') };
    $('#consent').hidden = !consent;
    if (consent) $('#consent-said').textContent = told[consent];
  }
}
