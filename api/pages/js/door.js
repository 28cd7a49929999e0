/** The door of pages that are one column of cards: signing in, what is seen only inside, and why something was refused. */
import { effect } from '@preact/signals';
import { explain } from '../consultation/text.js';
import { ended, forget, session, signIn } from './session.js';

export const $ = (selector) => document.querySelector(selector);
export const say = (text) => ($('#said').textContent = text);

/** Do it, and say why where it was refused. */
export async function tell(work) {
  try {
    say('');
    await work();
  } catch (refusal) {
    say(explain(refusal.code));
  }
}

async function enter() {
  const form = new FormData($('#door'));
  try {
    await signIn(form.get('user'), form.get('password'), form.get('code'));
  } catch (refusal) {
    if (refusal.code === 'second_factor_required') $('#door-code').hidden = false;
    throw refusal;
  }
  $('#door').reset();
  $('#door-code').hidden = true;
}

/** Let people in and out, from now on. `draw` shows what there is, also when nobody is in; `shut` takes away what only they may see. */
export function mindDoor(draw, shut = () => {}) {
  $('#door').addEventListener('submit', (event) => {
    event.preventDefault();
    tell(enter);
  });
  $('[data-do=sign-out]').addEventListener('click', () => forget('signed_out'));
  effect(() => {
    const open = Boolean(session.value);
    $('#door').hidden = open;
    $('#inside').hidden = !open;
    $('[data-do=sign-out]').hidden = !open;
    if (!open) shut();
    tell(draw).then(() => {
      if (!open && ended.peek() && ended.peek() !== 'signed_out') say(explain(ended.peek()));
      document.body.dataset.ready = 'true';
    });
  });
}
