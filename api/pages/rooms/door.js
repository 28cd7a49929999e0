/** Coming by a link, for guests; people of the house have the door of all pages. */
import { signal } from '@preact/signals';
import { Refusal, ended, forget, keep, session } from '../js/session.js';
import { Door as HouseDoor } from '../kit/door.js';
import { html } from '../kit/html.js';
import { explain, t } from './words.js';

const KEPT = 'centralita.guest';
/** A guest asks for a new session when half of theirs is over. */
const RENEW_AT = 0.5;

/** `{link, device, name}` of a guest; null for people of the house. Lives in this tab alone. */
export const guest = signal(JSON.parse(sessionStorage.getItem(KEPT) ?? 'null'));
const fault = signal('');
let renewal = 0;

/** The address may carry a guest's link, once: it is taken out of it. */
export function takeLink() {
  const link = location.hash.startsWith('#link=') ? location.hash.slice('#link='.length) : '';
  if (!link) return;
  history.replaceState(null, '', location.pathname);
  if (guest.peek()?.link === link) return;
  keepGuest({ link, device: crypto.randomUUID(), name: '' });
  if (session.peek()) forget('other');
}

function keepGuest(held) {
  guest.value = held;
  if (held) sessionStorage.setItem(KEPT, JSON.stringify(held));
  else sessionStorage.removeItem(KEPT);
}

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  } catch {
    throw new Refusal({ code: 'server_unreachable' });
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(said.error ?? { code: 'unknown' });
  return said;
}

/** Ask for a guest's session again in time; `onFresh()` when it is there. */
export function renewInTime(onFresh) {
  clearTimeout(renewal);
  const held = session.peek();
  if (!held || !guest.peek()) return;
  const left = held.got_at + held.expires_in * RENEW_AT - Date.now() / 1000;
  renewal = setTimeout(async () => {
    try {
      keep(await post('/api/v1/guests', guest.peek()));
      onFresh();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.code === 'server_unreachable') renewInTime(onFresh);
      else forget(refusal.code);
    }
  }, Math.max(5, left) * 1000);
}

async function enter(event) {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  fault.value = '';
  try {
    keepGuest({ ...guest.peek(), name: fields.name.trim() });
    keep(await post('/api/v1/guests', guest.peek()));
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    fault.value = explain(refusal);
  }
}

function GuestDoor() {
  const why = fault.value || (ended.value && !['signed_out', 'other'].includes(ended.value) ? explain({ code: ended.value }) : '');
  return html`
    <form id="door" class="card door-card" onSubmit=${enter}>
      <h1>${t('title')}</h1>
      <p class="fine">${t('door.guest')}</p>
      <p role="alert" class=${why ? 'notice bad' : ''}>${why}</p>
      <label><span>${t('door.name')}</span><input name="name" autocomplete="name" maxlength="64" required value=${guest.value.name} /></label>
      <button type="submit" class="primary" data-do="sign-in">${t('join')}</button>
      <button type="button" class="plain" onClick=${() => keepGuest(null)}>${t('door.house')}</button>
    </form>
  `;
}

export const Door = () => (guest.value ? html`<${GuestDoor} />` : html`<${HouseDoor} lead=${t('door.lead')} />`);
