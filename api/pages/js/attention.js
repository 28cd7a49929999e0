/** How a ringing call, or a visitor of the website who writes, gets noticed: sound, title, notification, vibration; and the two live regions for people who listen to the page. */
import { computed, effect, signal } from '@preact/signals';
import { language, t } from './catalogue.js';
import { shut } from './opened.js';
import { accepting } from './phone.js';
import { startRinging, stopRinging } from './sound.js';
import { isOffered, living } from './state.js';
import { waiting } from './website.js';

/** Last polite and urgent announcement. */
export const said = signal('');
export const alarmed = signal('');
/** Calls and chats whose ringing was silenced here. */
export const silenced = signal(new Set());

export const offered = computed(() => living.value.filter((call) => isOffered(call) && !accepting.value.has(call.call_id)));

/** Announce politely. The same words twice are two announcements. */
export function say(text) {
  said.value = said.peek() === text ? `${text} ` : text;
}

export function alarm(text) {
  alarmed.value = alarmed.peek() === text ? `${text} ` : text;
}

export const silence = (callId) => {
  silenced.value = new Set([...silenced.peek(), callId]);
};

/** Did a visitor of the website make this call? They have no number, and have hidden none. */
export const isFromWebsite = (call) => Boolean(call.private && call.centre?.entry === 'web');

/** Who is it? As they say themselves, in quotation marks, for nobody knows them. */
export const writer = ({ name }) => (name ? `«${name}»` : t('call.visitor'));

/** Who is it? The name where there is one, else the number, and whether nobody vouches for it. */
export const who = (call) => {
  if (isFromWebsite(call)) return writer({ name: call.centre.facts.visitor_name });
  const shown = call.name || (call.private ? t('call.private') : call.number) || t('call.unknown');
  return call.verified === false && !call.private ? t('call.unverified', { who: shown }) : shown;
};

/** All that rings: `{id, title, body}` of each call and each visitor who writes. */
const rings = computed(() => [
  ...offered.value.map((call) => ({ id: call.call_id, title: t('notification.title', { who: who(call) }), body: call.number })),
  ...waiting.value.map((chat) => ({ id: chat.room_id, title: t('notification.writes', { who: writer(chat) }), body: chat.reason })),
]);

const shown = new Map();

function notify({ id, title, body }) {
  if (!('Notification' in window) || Notification.permission !== 'granted' || !document.hidden) return;
  const notification = new Notification(title, { body, tag: id, requireInteraction: true });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
  shown.set(id, notification);
}

/** Start minding; called once, when the texts are there. */
export function mind() {
  let known = new Set();
  effect(() => {
    const audible = rings.value.some(({ id }) => !silenced.value.has(id));
    if (audible) startRinging({ softly: living.value.length > offered.value.length });
    else stopRinging();
  });
  effect(() => {
    const ids = new Set(rings.value.map(({ id }) => id));
    for (const ring of rings.value) {
      if (known.has(ring.id)) continue;
      notify(ring);
      shut(); // no dialog stands between a ringing call and its buttons
      if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([400, 200, 400]);
    }
    for (const [id, notification] of shown) {
      if (ids.has(id)) continue;
      notification.close();
      shown.delete(id);
    }
    known = ids;
  });
  effect(() => {
    if (!language.value) return;
    const [first] = offered.value;
    const live = living.value.find((call) => !isOffered(call));
    const [writes] = waiting.value;
    if (first || writes) navigator.setAppBadge?.(rings.value.length).catch(() => {});
    else navigator.clearAppBadge?.().catch(() => {});
    if (first) document.title = t('title.ringing', { count: offered.value.length, who: who(first) });
    else if (writes) document.title = t('title.writes', { count: waiting.value.length, who: writer(writes) });
    else if (live) document.title = t('title.call', { who: who(live) });
    else document.title = t('title');
  });
}
