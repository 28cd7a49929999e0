/** The frame: who I am, what is wrong, and the three columns. */
import { effect, signal } from '@preact/signals';
import { forget, session } from '../js/session.js';
import { html } from '../js/views/html.js';
import { link } from '../js/link.js';
import { Skip, TopBar } from '../kit/frame.js';
import { Conversation } from './conversation.js';
import { alarm, aside, chosen, dialog, gone, knocking, me, presence, room, said, unreadTogether } from './desk.js';
import { Dialogs } from './dialogs.js';
import { Door, guest } from './door.js';
import { attempt, open, setPresence, titleOf } from './doings.js';
import { Icon } from './icon.js';
import { List, inOrder } from './list.js';
import { Members } from './members.js';
import { language, t } from './words.js';

const PRESENCES = ['available', 'break', 'away'];
/** Was the connection up before? Then its loss and return are told. */
const wasUp = signal(false);

function MyPresence() {
  const now = presence.value.get(me.value.identity);
  const shown = now?.presence === 'away' ? 'away' : now?.available === false ? 'break' : 'available';
  return html`
    <label class="visually-hidden" for="my-presence">${t('presence')}</label>
    <select id="my-presence" value=${shown} onChange=${(event) => attempt(() => setPresence(event.target.value))}>
      ${PRESENCES.map((each) => html`<option key=${each} value=${each} selected=${each === shown}>${t(`mine.${each}`)}</option>`)}
    </select>
  `;
}

const Header = () => html`
  <${TopBar} leave=${signOut}>
    ${me.value && !me.value.guest && html`<${MyPresence} />`}
    ${me.value && html`<button type="button" class="plain round keys-button" aria-label=${t('keys')} title=${t('keys')} onClick=${() => (dialog.value = 'keys')}><${Icon} name="keyboard" /></button>`}
    ${me.value?.guest && html`<button type="button" class="plain" data-do="sign-out" onClick=${signOut}>${t('leave')}</button>`}
  <//>
`;

function signOut() {
  forget(guest.peek() ? 'other' : 'signed_out');
}

const Banner = () => html`
  <div role="alert">
    ${link.value !== 'up' && wasUp.value && html`<p class="notice warn banner" data-part="lost"><${Icon} name="warning" />${t('lost.banner')}</p>`}
    ${alarm.value && !room.value && !dialog.value && html`<p class="notice bad banner" data-part="alarm"><${Icon} name="warning" /><span>${alarm.value}</span></p>`}
  </div>
`;

/** Ctrl+K finds, Alt with the arrows goes from room to room. */
function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    document.getElementById('sought')?.focus();
  }
  if (event.altKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
    event.preventDefault();
    const all = inOrder();
    const at = all.findIndex((each) => each.room_id === chosen.value);
    const next = all[at + (event.key === 'ArrowDown' ? 1 : -1)];
    if (next) open(next.room_id);
  }
}

export function App() {
  const signedIn = Boolean(session.value);
  const pane = chosen.value || knocking.value || gone.value ? 'talk' : 'list';
  return html`
    <div class="frame" data-pane=${aside.value && room.value ? 'aside' : pane} onKeyDown=${onKey}>
      <${Skip} />
      <${Header} />
      <${Banner} />
      <p class="visually-hidden" role="status" aria-live="polite" id="said">${said.value}</p>
      <main id="main" tabindex="-1">
        ${signedIn && html`<h1 class="visually-hidden">${t('title')}</h1>`}
        ${!signedIn ? html`<${Door} />` : !me.value ? html`<p class="fine first-words">${t('connecting')}</p>` : html`<${List} /><${Conversation} /><${Members} />`}
      </main>
      <${Dialogs} />
    </div>
  `;
}

/** What is told outside the drawing: the title, and the connection that went and came back. */
export function minded() {
  effect(() => {
    const unread = session.value ? unreadTogether.value : 0;
    const where = room.value ? titleOf(room.value) : language.value && t('title');
    document.title = `${unread ? `(${unread}) ` : ''}${where} · Centralita`;
  });
  effect(() => {
    if (link.value === 'up') {
      if (wasUp.peek()) said.value = t('back_again');
      wasUp.value = true;
    }
  });
  effect(() => {
    if (!session.value) wasUp.value = false;
  });
}
