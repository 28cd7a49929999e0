/** Beside the conversation: who is in it, who waits, and what a host may do. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ask } from '../js/link.js';
import { html } from '../js/views/html.js';
import { aside, hears, me, myRole, people, room, rooms, waiting } from './desk.js';
import { attempt, leave, openDirect, titleOf } from './doings.js';
import { Encryption } from './encryption.js';
import { Icon } from './icon.js';
import { Avatar, presenceWords } from './parts.js';
import { fullMoment, t } from './words.js';

const ROLES = ['host', 'member', 'guest'];
const LIVES_S = { hour: 3_600, day: 86_400, week: 604_800 };

const links = signal([]);
const made = signal('');

const does = (request, values, done) => attempt(() => ask(request, { room_id: room.value.room_id, ...values }), done);

function Member({ member, host }) {
  const of = room.value;
  const own = hears(member.identity);
  const others = [...rooms.value.values()].filter((each) => each.kind === 'meeting' && each !== of && each.members.some((one) => hears(one.identity) && one.role === 'host'));
  const movable = host && of.kind === 'meeting' && others.length > 0;
  return html`
    <li class="member" data-member=${member.identity}>
      <${Avatar} identity=${member.identity} name=${member.name} there />
      <div class="member-words">
        <p class="entry-name">${member.name}${own ? ` (${t('you')})` : ''}</p>
        <p class="fine">${[t(`role.${member.role}`), ...(me.value.guest ? [] : [presenceWords(member.identity)]), ...(member.state === 'away' ? [t('lost')] : [])].join(' · ')}</p>
        ${member.hand_at && html`<p class="hand"><${Icon} name="hand" />${t('hand.up')}</p>`}
        ${(host || !own) && html`
          <details>
            <summary>${t('member.doings')}<span class="visually-hidden"> ${member.name}</span></summary>
            <div class="member-doings">
              ${!own && !me.value.guest && people.value.some((each) => each.identity === member.identity) && html`<button type="button" class="small" onClick=${() => attempt(() => openDirect(member.identity))}>${t('member.write')}</button>`}
              ${host && member.hand_at && html`<button type="button" class="small" onClick=${() => does('hand.raise', { raised: false, identity: member.identity })}>${t('hand.lower')}</button>`}
              ${host && html`
                <label><span>${t('member.role')}</span>
                  <select data-do="role" value=${member.role} onChange=${(event) => does('room.invite', { identity: member.identity, name: member.name, role: event.target.value }, t('done'))}>
                    ${ROLES.map((role) => html`<option key=${role} value=${role} selected=${role === member.role}>${t(`role.${role}`)}</option>`)}
                  </select>
                </label>
              `}
              ${movable && html`
                <label><span>${t('member.move')}</span>
                  <select data-do="move" onChange=${(event) => event.target.value && does('room.move', { identity: member.identity, to_room: event.target.value }, t('done'))}>
                    <option value="">${t('member.move.choose')}</option>
                    ${others.map((each) => html`<option key=${each.room_id} value=${each.room_id}>${titleOf(each)}</option>`)}
                  </select>
                </label>
              `}
              ${host && !own && html`<button type="button" class="small danger" data-do="kick" onClick=${() => does('room.kick', { identity: member.identity }, t('removed', { name: member.name }))}>${t('member.remove')}</button>`}
            </div>
          </details>
        `}
      </div>
    </li>
  `;
}

function Queue({ of }) {
  const queue = waiting.value.get(of.room_id) ?? [];
  if (!queue.length) return null;
  return html`
    <section aria-labelledby="queue-title" class="queue">
      <h3 id="queue-title">${t('waiting.title', { count: queue.length })}</h3>
      <ul>
        ${queue.map((each) => html`
          <li key=${each.identity} class="waiting">
            <span class="entry-name">${each.name}</span>
            <span class="waiting-doings">
              <button type="button" class="small primary" data-do="admit" aria-label=${t('admit.named', { name: each.name })} onClick=${() => does('room.admit', { identity: each.identity, admitted: true })}>${t('admit')}</button>
              <button type="button" class="small" data-do="deny" aria-label=${t('deny.named', { name: each.name })} onClick=${() => does('room.admit', { identity: each.identity, admitted: false })}>${t('deny')}</button>
            </span>
          </li>
        `)}
      </ul>
    </section>
  `;
}

function Invite({ of }) {
  const absent = people.value.filter((each) => !of.members.some((member) => member.identity === each.identity));
  if (!absent.length) return null;
  const onSubmit = (event) => {
    event.preventDefault();
    const identity = new FormData(event.target).get('identity');
    const who = people.value.find((each) => each.identity === identity);
    if (who) does('room.invite', { identity, name: who.name }, t('invited', { name: who.name }));
  };
  return html`
    <form class="inline" onSubmit=${onSubmit}>
      <label><span>${t('invite')}</span>
        <select name="identity" required>${absent.map((each) => html`<option key=${each.identity} value=${each.identity}>${each.name}</option>`)}</select>
      </label>
      <button type="submit" data-do="invite">${t('invite.do')}</button>
    </form>
  `;
}

async function loadLinks(roomId) {
  ({ links: links.value } = await ask('room.links', { room_id: roomId }));
}

function Links({ of }) {
  useEffect(() => {
    links.value = [];
    made.value = '';
    attempt(() => loadLinks(of.room_id));
  }, [of.room_id]);
  const make = (event) => {
    event.preventDefault();
    const lives = new FormData(event.target).get('lives');
    attempt(async () => {
      const link = await ask('room.link', { room_id: of.room_id, expires_in: LIVES_S[lives] });
      made.value = `${location.origin}/${of.kind === 'consultation' ? 'consultation#' : 'rooms#link='}${link.token}`;
      await loadLinks(of.room_id);
    }, t('link.made'));
  };
  const revoke = (id) => attempt(async () => {
    await ask('room.unlink', { room_id: of.room_id, link_id: id });
    made.value = '';
    await loadLinks(of.room_id);
  }, t('link.revoked'));
  return html`
    <section aria-labelledby="links-title">
      <h3 id="links-title">${t('links')}</h3>
      <p class="fine">${t('links.explained')}</p>
      <form class="inline" onSubmit=${make}>
        <label><span>${t('link.lives')}</span>
          <select name="lives">${Object.keys(LIVES_S).map((each) => html`<option key=${each} value=${each}>${t(`lives.${each}`)}</option>`)}</select>
        </label>
        <button type="submit" data-do="link">${t('link.do')}</button>
      </form>
      ${made.value && html`
        <div class="made">
          <label><span>${t('link.address')}</span><input id="made" readonly value=${made.value} onFocus=${(event) => event.target.select()} /></label>
          <button type="button" data-do="copy" onClick=${() => attempt(() => navigator.clipboard.writeText(made.value), t('copied'))}>${t('copy')}</button>
        </div>
      `}
      <ul class="links">
        ${links.value.map((each, at) => html`
          <li key=${each.link_id} data-link=${each.link_id}>
            <span class="fine">${t('link.until', { at: fullMoment(each.expires_at) })}</span>
            <button type="button" class="small" data-do="unlink" aria-label=${t('link.revoke.nth', { n: at + 1 })} onClick=${() => revoke(each.link_id)}>${t('link.revoke')}</button>
          </li>
        `)}
      </ul>
    </section>
  `;
}

function HostDoings({ of }) {
  const meeting = of.kind !== 'group';
  const rename = (event) => {
    event.preventDefault();
    does('room.update', { name: new FormData(event.target).get('name').trim() }, t('saved'));
  };
  const capacity = (event) => {
    event.preventDefault();
    does('room.update', { capacity: Number(new FormData(event.target).get('capacity')) }, t('saved'));
  };
  return html`
    <section aria-labelledby="host-title">
      <h3 id="host-title">${t('host')}</h3>
      <form class="inline" onSubmit=${rename}>
        <label><span>${t('name')}</span><input name="name" maxlength="128" required value=${of.name} /></label>
        <button type="submit" data-do="rename">${t('save')}</button>
      </form>
      <form class="inline" onSubmit=${capacity}>
        <label><span>${t('capacity')}</span><input name="capacity" type="number" min="2" max="1000" required value=${of.capacity} /></label>
        <button type="submit">${t('save')}</button>
      </form>
      <label class="check"><input type="checkbox" data-do="lock" checked=${of.locked} onChange=${(event) => does('room.lock', { locked: event.target.checked })} />${t('lock')}</label>
      ${meeting && html`<label class="check"><input type="checkbox" data-do="waiting-room" checked=${of.waiting_room} onChange=${(event) => does('room.update', { waiting_room: event.target.checked })} />${t('waiting_room')}</label>`}
    </section>
    ${meeting && !of.encrypted && html`<${Links} of=${of} />`}
  `;
}

export function Members() {
  const of = room.value;
  if (!of || !aside.value) return null;
  const host = myRole.value === 'host' && of.kind !== 'direct';
  const hands = [...of.members].sort((one, other) => (one.hand_at ?? Infinity) - (other.hand_at ?? Infinity) || 0);
  return html`
    <aside id="aside" class="pane aside" aria-label=${t('details')} onKeyDown=${(event) => event.key === 'Escape' && (aside.value = false)}>
      <header class="aside-head">
        <h2>${t('details')}</h2>
        <button type="button" class="plain round" data-do="aside-close" aria-label=${t('close')} onClick=${() => (aside.value = false)}><${Icon} name="close" /></button>
      </header>
      ${host && html`<${Queue} of=${of} />`}
      <section aria-labelledby="members-title">
        <h3 id="members-title">${t('members', { count: of.members.length })}</h3>
        <ul data-part="members">${hands.map((member) => html`<${Member} key=${member.identity} member=${member} host=${host} />`)}</ul>
        ${host && html`<${Invite} of=${of} />`}
      </section>
      ${of.encrypted && !me.value.guest && html`<${Encryption} of=${of} />`}
      ${host && html`<${HostDoings} key=${of.room_id} of=${of} />`}
      ${of.kind !== 'direct' && html`
        <section class="ways-out">
          <button type="button" data-do="leave" onClick=${() => attempt(() => leave(of.room_id), t('left_room'))}><${Icon} name="leave" />${t('leave')}</button>
          ${host && html`<details><summary class="danger">${t('end')}</summary><p class="fine">${t('end.explained')}</p><button type="button" class="stop" data-do="end" onClick=${() => does('room.end', {})}>${t('end.do')}</button></details>`}
        </section>
      `}
    </aside>
  `;
}
