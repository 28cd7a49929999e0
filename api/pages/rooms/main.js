/** Rooms, chat and who is there: begins, follows the session, draws. */
import { effect } from '@preact/signals';
import { h, render } from 'preact';
import * as link from '../js/link.js';
import { session } from '../js/session.js';
import '../kit/theme.js';
import { speak } from '../kit/words.js';
import { App, minded } from './app.js';
import { chosen, forgetEverything } from './desk.js';
import { onNotice } from './doings.js';
import { guest, renewInTime, takeLink } from './door.js';
import { forgetSeals } from './seals.js';
import { forgetAll } from './talks.js';

/** The room that the address names. */
const named = () => (location.hash.startsWith('#room=') ? location.hash.slice('#room='.length) : '');

function connect() {
  link.open(onNotice, false);
  if (guest.peek()) renewInTime(connect);
}

async function begin() {
  takeLink();
  await speak();
  render(h(App), document.getElementById('page'));
  effect(() => {
    const open = Boolean(session.value);
    if (open && !link.isOpen()) {
      chosen.value = named();
      connect();
    }
    if (!open) {
      link.close();
      forgetAll();
      forgetSeals();
      forgetEverything();
      document.body.dataset.ready = 'true';
    }
  });
  minded();
}

begin();
