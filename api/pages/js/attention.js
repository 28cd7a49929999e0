/** How a ringing call gets noticed: sound, title, notification, vibration; and the two live regions for people who listen to the page. */
import { computed, effect, signal } from '@preact/signals';
import { language, t } from './catalogue.js';
import { shut } from './opened.js';
import { accepting } from './phone.js';
import { startRinging, stopRinging } from './sound.js';
import { isOffered, living } from './state.js';

/** Last polite and urgent announcement. */
export const said = signal('');
export const alarmed = signal('');
/** Calls whose ringing was silenced here. */
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

/** Who is it? The name where there is one, else the number, and whether nobody vouches for it. */
export const who = (call) => {
  const shown = call.name || (call.private ? t('call.private') : call.number) || t('call.unknown');
  return call.verified === false && !call.private ? t('call.unverified', { who: shown }) : shown;
};

const shown = new Map();

function notify(call) {
  if (!('Notification' in window) || Notification.permission !== 'granted' || !document.hidden) return;
  const notification = new Notification(t('notification.title', { who: who(call) }), {
    body: call.number,
    tag: call.call_id,
    requireInteraction: true,
  });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
  shown.set(call.call_id, notification);
}

/** Start minding; called once, when the texts are there. */
export function mind() {
  let known = new Set();
  effect(() => {
    const audible = offered.value.some((call) => !silenced.value.has(call.call_id));
    if (audible) startRinging({ softly: living.value.length > offered.value.length });
    else stopRinging();
  });
  effect(() => {
    const ids = new Set(offered.value.map((call) => call.call_id));
    for (const call of offered.value) {
      if (known.has(call.call_id)) continue;
      notify(call);
      shut(); // no dialog stands between a ringing call and its buttons
      if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([400, 200, 400]);
    }
    for (const [callId, notification] of shown) {
      if (ids.has(callId)) continue;
      notification.close();
      shown.delete(callId);
    }
    known = ids;
  });
  effect(() => {
    if (!language.value) return;
    const [first] = offered.value;
    const live = living.value.find((call) => !isOffered(call));
    if (first) navigator.setAppBadge?.(offered.value.length).catch(() => {});
    else navigator.clearAppBadge?.().catch(() => {});
    if (first) document.title = t('title.ringing', { count: offered.value.length, who: who(first) });
    else if (live) document.title = t('title.call', { who: who(live) });
    else document.title = t('title');
  });
}
