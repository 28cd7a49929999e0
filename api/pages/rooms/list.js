/** The left column: invitations, rooms with what is unread, and everybody of the house. */
import { signal } from '@preact/signals';
import { html } from '../js/views/html.js';
import { chosen, dialog, gists, hears, invitations, me, otherOf, people, presenceOf, rooms, typing } from './desk.js';
import { attempt, join, open, openDirect, titleOf } from './doings.js';
import { Icon } from './icon.js';
import { Avatar, presenceWords, roving } from './parts.js';
import { unsealed } from './seals.js';
import { outgoing } from './talks.js';
import { moment, t } from './words.js';

const sought = signal('');
const RANK = { online: 0, away: 1, offline: 2 };

const fits = (name) => name.toLocaleLowerCase().includes(sought.value.trim().toLocaleLowerCase());

/** The newest first; those in which nothing was written last. */
export const inOrder = () =>
  [...rooms.value.values()].sort((one, other) => (gists.value.get(other.room_id)?.last?.sent_at ?? 0) - (gists.value.get(one.room_id)?.last?.sent_at ?? 0));

/** The last words of a room in one line. */
function gistWords(of, last) {
  const typers = (typing.value.get(of.room_id) ?? []).filter((identity) => !hears(identity));
  if (typers.length) return t('typing.short');
  if (!last) return t('nothing_yet');
  if (last.deleted_at) return t('message.deleted');
  const words = last.cipher ? unsealed(last).text || t('message.sealed') : last.text || t('files', { count: last.attachments.length });
  const who = hears(last.sender) ? t('you') : of.kind === 'direct' ? '' : last.name;
  return who ? t('gist', { who, words }) : words;
}

function RoomRow({ of, first }) {
  const gist = gists.value.get(of.room_id);
  const unread = gist?.unread ?? 0;
  const here = chosen.value === of.room_id;
  const direct = of.kind === 'direct';
  const other = otherOf(of);
  const stuck = outgoing.value.some((each) => each.room_id === of.room_id && each.state === 'refused');
  return html`
    <li>
      <button type="button" class="entry" data-room=${of.room_id} data-unread=${unread > 0} aria-current=${here ? 'true' : undefined} tabindex=${here || first ? 0 : -1} onClick=${() => open(of.room_id)}>
        <${Avatar} identity=${direct ? other.identity : of.room_id} name=${titleOf(of)} there=${direct} icon=${direct ? '' : of.kind === 'group' ? 'group' : 'meeting'} />
        <span class="entry-words">
          <span class="entry-title">
            <span class="entry-name">${titleOf(of)}</span>
            ${of.encrypted && html`<span class="mark"><${Icon} name="lock" /><span class="visually-hidden">${t('encrypted')}</span></span>`}
          </span>
          ${direct && html`<span class="visually-hidden">${t(`presence.${presenceOf(other.identity)}`)}</span>`}
          <span class="entry-gist">${gistWords(of, gist?.last)}</span>
        </span>
        <span class="entry-side">
          ${gist?.last && html`<time class="fine">${moment(gist.last.sent_at)}</time>`}
          ${stuck && html`<span class="badge bad"><span aria-hidden="true">!</span><span class="visually-hidden">${t('not_sent')}</span></span>`}
          ${unread > 0 && html`<span class="badge"><span aria-hidden="true">${unread > 99 ? '99+' : unread}</span><span class="visually-hidden">${t('unread', { count: unread })}</span></span>`}
        </span>
      </button>
    </li>
  `;
}

const PersonRow = ({ who, first }) => html`
  <li>
    <button type="button" class="entry" data-person=${who.identity} tabindex=${first ? 0 : -1} onClick=${() => attempt(() => openDirect(who.identity))}>
      <${Avatar} identity=${who.identity} name=${who.name} there />
      <span class="entry-words">
        <span class="entry-name">${who.name}</span>
        <span class="entry-gist">${presenceWords(who.identity)}</span>
      </span>
    </button>
  </li>
`;

const Invitation = ({ of }) => html`
  <li class="invitation">
    <span class="entry-words">
      <span class="entry-name">${titleOf(of)}</span>
      <span class="entry-gist">${t(`kind.${of.kind}`)}</span>
    </span>
    <button type="button" class="small primary" data-do="join" aria-label=${t('join_named', { room: titleOf(of) })} onClick=${() => attempt(() => join(of.room_id))}>${t('join')}</button>
  </li>
`;

export function List() {
  const mine = inOrder().filter((of) => fits(titleOf(of)));
  const others = people.value.filter((who) => !hears(who.identity) && fits(who.name));
  others.sort((one, other) => RANK[presenceOf(one.identity)] - RANK[presenceOf(other.identity)] || one.name.localeCompare(other.name));
  const asked = [...invitations.value.values()];
  return html`
    <nav class="pane list" aria-label=${t('list')} onKeyDown=${roving('.entry')}>
      <div class="list-head">
        <label class="visually-hidden" for="sought">${t('search')}</label>
        <input id="sought" type="search" autocomplete="off" placeholder=${t('search')} value=${sought.value} onInput=${(event) => (sought.value = event.target.value)} />
        ${!me.value.guest && html`
          <button type="button" class="primary round" data-do="new" aria-label=${t('new')} title=${t('new')} onClick=${() => (dialog.value = 'new')}><${Icon} name="plus" /></button>
        `}
      </div>
      <div class="list-body">
        ${asked.length > 0 && html`
          <h2 class="list-title">${t('invitations')}</h2>
          <ul data-part="invitations">${asked.map((of) => html`<${Invitation} key=${of.room_id} of=${of} />`)}</ul>
        `}
        <h2 class="list-title">${t('rooms')}</h2>
        ${mine.length
          ? html`<ul data-part="rooms">${mine.map((of, at) => html`<${RoomRow} key=${of.room_id} of=${of} first=${at === 0 && !rooms.value.has(chosen.value)} />`)}</ul>`
          : html`<p class="fine list-empty">${sought.value ? t('none_found') : t('no_rooms')}</p>`}
        ${others.length > 0 && html`
          <h2 class="list-title">${t('people')}</h2>
          <ul data-part="people">${others.map((who, at) => html`<${PersonRow} key=${who.identity} who=${who} first=${at === 0} />`)}</ul>
        `}
      </div>
    </nav>
  `;
}
