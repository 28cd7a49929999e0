/** A supervisor's help without leaving the call: a raised hand that boards show, and a conversation in writing. Beside the dial pad. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { alarm } from '../attention.js';
import { alsoSpeak, explain, fullMoment, moment, t } from '../catalogue.js';
import { follow, forgetChat, nameOf, ordered, people, roomWith, say, seen, show, shown, talks, unread, writers } from '../chat.js';
import * as link from '../link.js';
import { Refusal } from '../session.js';
import { help, me, receive } from '../state.js';
import { html } from './html.js';
import { Icon } from './icon.js';

await alsoSpeak('calls');

const LONGEST = 2_000;
const busy = signal(false);

async function tried(action) {
  busy.value = true;
  try {
    await action();
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
    return false;
  } finally {
    busy.value = false;
  }
}

const ask = (on) => tried(async () => receive({ type: 'help.state', ...(await link.ask('help.ask', { on })) }));

function Hand() {
  const { since, by } = help.value;
  const up = since !== null;
  return html`
    <button type="button" class="small" data-do="raise-hand" aria-pressed=${String(up)} disabled=${busy.value || link.link.value !== 'up'} onClick=${() => ask(!up)}><${Icon} name="hand" />${t(up ? 'help.lower' : 'help.raise')}</button>
    <p class="fine" role="status" data-part="help" data-by=${by}>${up ? t(by ? 'help.seen' : 'help.raised', { who: nameOf(by), since: moment(since) }) : ''}</p>
  `;
}

function Message({ message, other, read }) {
  const mine = message.sender === me.value?.identity;
  const words = message.deleted_at ? t('chat.deleted') : message.text || t(message.cipher ? 'chat.sealed' : 'chat.file');
  return html`
    <li class=${mine ? 'said mine' : 'said'} data-message=${mine ? 'mine' : 'theirs'} data-read=${String(mine && read)}>
      <p><span class="visually-hidden">${mine ? t('chat.you') : nameOf(other)}: </span><bdi>${words}</bdi></p>
      <p class="fine"><time datetime=${new Date(message.sent_at * 1000).toISOString()} title=${fullMoment(message.sent_at)}>${moment(message.sent_at)}</time>${mine && read && ` · ${t('chat.read')}`}</p>
    </li>
  `;
}

function Conversation({ other }) {
  const [text, setText] = useState('');
  const field = useRef();
  const list = useRef();
  const room = roomWith(other);
  const messages = (room && talks.value[room.room_id]) ?? [];
  useEffect(() => field.current?.focus(), [other]);
  useEffect(() => list.current?.scrollTo(0, list.current.scrollHeight), [messages.length]);
  const send = async (event) => {
    event.preventDefault();
    const words = text.trim();
    if (!words) return;
    if (await tried(() => say(words))) setText((now) => (now.trim() === words ? '' : now));
    field.current?.focus();
  };
  const press = (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    send(event);
  };
  const sealed = room?.encrypted;
  return html`
    <div class="talk" ref=${list} tabindex="0" aria-label=${t('chat.with', { who: nameOf(other) })} role="log" data-part="talk">
      <ol>${messages.map((message) => html`<${Message} key=${message.message_id} message=${message} other=${other} read=${message.position <= (seen.value[room.room_id] ?? 0)} />`)}</ol>
    </div>
    ${sealed
      ? html`<p class="fine">${t('chat.in_rooms')} <a href=${`/rooms#room=${room.room_id}`} target="_blank" rel="opener">${t('palette.page.rooms')}</a></p>`
      : html`
          <form class="picker-row" onSubmit=${send}>
            <label for="chat-words" class="visually-hidden">${t('chat.write_to', { who: nameOf(other) })}</label>
            <textarea id="chat-words" ref=${field} rows="2" maxlength=${LONGEST} dir="auto" placeholder=${t('chat.write_to', { who: nameOf(other) })} value=${text} onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${press}></textarea>
            <button type="submit" class="primary small" data-do="chat-send" disabled=${busy.value || !text.trim()}>${t('chat.send')}</button>
          </form>
        `}
  `;
}

export function Supervisor() {
  useEffect(() => {
    const stop = follow();
    return () => {
      stop();
      forgetChat();
    };
  }, []);
  const up = link.link.value === 'up';
  useEffect(() => {
    if (up) link.ask('help.ask', { on: null }).then((state) => receive({ type: 'help.state', ...state }), () => {}); // a refusal leaves it as it was
  }, [up]);
  const count = (identity) => unread.value[roomWith(identity)?.room_id] ?? 0;
  const others = writers.value.filter((identity) => identity !== shown.value);
  return html`
    <section class="card" id="supervisor" aria-labelledby="supervisor-title" data-part="supervisor">
      <h2 id="supervisor-title">${t('help.title')}</h2>
      <${Hand} />
      ${others.map((identity) => html`<button type="button" key=${identity} class="notice wide" data-do="chat-unread" onClick=${() => show(identity)}><${Icon} name="chat" /><span>${t('chat.unread', { who: nameOf(identity), count: count(identity) })}</span></button>`)}
      ${people.value.length > 0 &&
      html`
        <label for="chat-who">${t('chat.whom')}</label>
        <select id="chat-who" data-do="chat-who" onChange=${(event) => show(event.currentTarget.value || null)}>
          <option value="" selected=${!shown.value}>${t('chat.nobody')}</option>
          ${ordered.value.map((one) => html`<option key=${one.identity} value=${one.identity} selected=${one.identity === shown.value}>${one.name}${['supervisor', 'admin'].includes(one.role) ? ` · ${t(`chat.role.${one.role}`)}` : ''}</option>`)}
        </select>
      `}
      ${shown.value && html`<${Conversation} key=${shown.value} other=${shown.value} />`}
    </section>
  `;
}
