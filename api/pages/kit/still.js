/** Pages whose body is markup: its frame and fixed texts, the door, what is seen only inside, and why something was refused. */
import { effect, untracked } from '@preact/signals';
import { render } from 'preact';
import { forget, session } from '../js/session.js';
import { Door } from './door.js';
import { Skip, TopBar } from './frame.js';
import { html } from './html.js';
import './theme.js';
import { explain, has, language, speak, t } from './words.js';

export const $ = (selector) => document.querySelector(selector);
export const say = (text) => ($('#said').textContent = text);

/** Do it, and say why where it was refused; `done` is the id of what is said where it was not. */
export async function tell(work, done) {
  try {
    say('');
    await work();
    if (done) say(t(done));
  } catch (refusal) {
    say(explain(refusal.code));
  }
}

/** Write every fixed text of the page. */
function write() {
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t(node.dataset.tLabel));
  document.title = `${t('title')} · ${t('kit.product')}`;
}

/** Draw the frame, and write the texts now and whenever the language changes; `onSpoken()` after each time. `leave`: signs out. */
export async function frame(onSpoken = () => {}, leave = () => forget('signed_out')) {
  await speak();
  render(html`<${Skip} /><${TopBar} leave=${leave} />`, $('#top'));
  effect(() => {
    if (!language.value) return;
    write();
    untracked(onSpoken);
  });
}

const Entrance = () => (session.value ? null : html`<div class="door"><${Door} lead=${has('door.lead') ? t('door.lead') : undefined} /></div>`);

/** The door alone, where a page has more places than inside and outside. */
export const drawDoor = (place) => render(html`<${Entrance} />`, place);

/** Let people in and out, from now on. `draw` shows what there is, also when nobody is in; `shut` takes away what only they may see. */
export function mindDoor(draw, shut = () => {}) {
  drawDoor($('#entrance'));
  effect(() => {
    const open = Boolean(session.value);
    $('#inside').hidden = $('.kit-title').hidden = !open;
    if (!open) shut();
    untracked(() =>
      tell(draw).then(() => {
        document.body.dataset.ready = 'true';
      }),
    );
  });
}
