/** What this page knows, as signals. Maps are never changed in place: `put` makes the next one. */
import { computed, signal } from '@preact/signals';

/** `{identity, name, guest}` once the server has said who we are. */
export const me = signal(null);
/** Rooms in which I am, by id: `room.state` of each. */
export const rooms = signal(new Map());
/** Rooms into which I may come. */
export const invitations = signal(new Map());
/** Who waits to be let in, by the rooms of which I am a host. */
export const waiting = signal(new Map());
/** The room in whose queue I wait, or ''. */
export const knocking = signal('');
/** By room: `{last, read, unread}`. */
export const gists = signal(new Map());
/** Everybody of the house, by name. */
export const people = signal([]);
/** `presence.state` by identity; who is not in it is offline. */
export const presence = signal(new Map());
/** Identities that type, by room. */
export const typing = signal(new Map());
/** The room that is shown, or ''. */
export const chosen = signal('');
/** Why the room that was shown is not any more: a reason of `room.exit`, or ''. */
export const gone = signal('');
/** Are the members shown beside the conversation? */
export const aside = signal(false);
/** The dialog that is open, or ''. */
export const dialog = signal('');
/** Polite and urgent words for screen readers; the urgent ones are shown too. */
export const said = signal('');
export const alarm = signal('');
/** Gestures in the room shown, for a moment: `{key, name, emoji}`. */
export const gestures = signal([]);

export const room = computed(() => rooms.value.get(chosen.value) ?? null);
export const myRole = computed(() => room.value?.members.find((member) => member.identity === me.value?.identity)?.role ?? '');
export const unreadTogether = computed(() => [...gists.value.values()].reduce((sum, gist) => sum + gist.unread, 0));

/** Set, or with `undefined` take away, one entry of a signal's map. */
export function put(map, key, value) {
  const next = new Map(map.peek());
  if (value === undefined) next.delete(key);
  else next.set(key, value);
  map.value = next;
}

export const hears = (identity) => identity === me.peek()?.identity;

/** The other one of a conversation of two. */
export const otherOf = (of) => of.members.find((member) => !hears(member.identity)) ?? of.members[0];

/** How somebody is called: by their room, by the house, else by their identity. */
export function nameOf(identity, of = null) {
  const member = of?.members.find((each) => each.identity === identity);
  return member?.name || people.value.find((each) => each.identity === identity)?.name || presence.value.get(identity)?.name || identity;
}

/** Are they there? `online`, `away` or `offline`. */
export const presenceOf = (identity) => presence.value.get(identity)?.presence ?? 'offline';

/** Two letters for a round picture. */
export function initials(name) {
  const parts = name.trim().split(/\s+/);
  return ((parts[0]?.[0] ?? '?') + (parts.length > 1 ? parts.at(-1)[0] : (parts[0]?.[1] ?? ''))).toUpperCase();
}

/** One of eight hues, the same for the same person everywhere. */
export function hueOf(identity) {
  let sum = 0;
  for (const letter of identity) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  return sum % 8;
}

export function forgetEverything() {
  me.value = null;
  for (const map of [rooms, invitations, waiting, gists, presence, typing]) map.value = new Map();
  people.value = [];
  gestures.value = [];
  knocking.value = '';
  chosen.value = '';
  gone.value = '';
  aside.value = false;
  dialog.value = '';
}
