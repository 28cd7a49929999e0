/** A visitor of the website who waits, and the chats with those whom I have taken: beside the call, for one does not stop for the other. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { alarm, silence, silenced, writer } from '../attention.js';
import { alsoSpeak, explain, fullMoment, language, moment, t } from '../catalogue.js';
import * as link from '../link.js';
import { letters, shortcuts, takeChat } from '../keys.js';
import { Refusal } from '../session.js';
import { me } from '../state.js';
import { chats, merge, pass, said, waiting } from '../website.js';
import { titleOf } from './centre.js';
import { html } from './html.js';
import { Icon } from './icon.js';

await alsoSpeak('calls');

const LONGEST = 2_000;
const PAGE = 100;

async function tried(work) {
  try {
    await work();
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
    return false;
  }
}

/** Shown as said by them. */
const Words = ({ chat }) => html`
  <p class="fine website-words"><bdi>${t('website.where', { queue: titleOf(chat.queue) })}</bdi>${chat.language && ` · ${t('centre.speaks', { language: new Intl.DisplayNames(language.value, { type: 'language' }).of(chat.language) })}`}</p>
  ${chat.reason && html`<p data-part="reason">${t('fact.visitor_reason', { value: chat.reason })}</p>`}
  ${chat.page && html`<p class="fine website-words">${t('fact.visitor_page', { value: chat.page })}</p>`}
`;

function Waits({ chat }) {
  const id = `visitor-${chat.room_id}`;
  const keys = shortcuts.value ? `${t('keys.ctrl')} ${t('keys.shift')} ${letters.value.accept}` : '';
  return html`
    <section class="card incoming" role="alertdialog" aria-labelledby=${id} aria-describedby=${`what-${id}`} data-part="visitor-waits" data-room-id=${chat.room_id}>
      <div class="incoming-pulse" aria-hidden="true"><${Icon} name="chat" /></div>
      <div class="incoming-text">
        <p id=${`what-${id}`} class="call-state">${t('website.waits')}</p>
        <h2 id=${id} class="call-who">${writer(chat)}</h2>
        <${Words} chat=${chat} />
      </div>
      <div class="incoming-buttons">
        <button type="button" class="go" data-do="take-chat" title=${keys} onClick=${() => takeChat(chat)}><${Icon} name="chat" />${t('website.take')}</button>
        <button type="button" data-do="pass-chat" onClick=${() => pass(chat.room_id)}>${t('website.pass')}</button>
        ${!silenced.value.has(chat.room_id) && html`<button type="button" class="quiet" data-do="silence" onClick=${() => silence(chat.room_id)}><${Icon} name="quiet" />${t('incoming.silence')}</button>`}
      </div>
    </section>
  `;
}

function Message({ message, mine, name }) {
  const words = message.deleted_at ? t('chat.deleted') : message.text || t('chat.file');
  return html`
    <li class=${mine ? 'said mine' : 'said'} data-message=${mine ? 'mine' : 'theirs'}>
      <p><span class="visually-hidden">${mine ? t('chat.you') : name}: </span><bdi>${words}</bdi></p>
      <p class="fine"><time datetime=${new Date(message.sent_at * 1000).toISOString()} title=${fullMoment(message.sent_at)}>${moment(message.sent_at)}</time></p>
    </li>
  `;
}

function Talk({ chat }) {
  const [words, setWords] = useState('');
  const field = useRef();
  const list = useRef();
  const room = { room_id: chat.room_id };
  const up = link.link.value === 'up';
  const messages = said.value[chat.room_id] ?? [];
  const there = chat.room.members.some((member) => member.role === 'guest' && member.state === 'in');
  useEffect(() => {
    if (up) tried(async () => merge(chat.room_id, (await link.ask('chat.history', { ...room, limit: PAGE })).messages));
  }, [up]);
  useEffect(() => {
    list.current?.scrollTo(0, list.current.scrollHeight);
    const last = messages.at(-1);
    if (last && up && !document.hidden) link.ask('chat.read', { ...room, position: last.position }).catch(() => {}); // the next one tells as well
  }, [messages.length, up]);
  useLayoutEffect(() => field.current?.focus(), []);
  const send = async (event) => {
    event.preventDefault();
    const text = words.trim();
    if (!text) return;
    const sent = async () => merge(chat.room_id, [await link.ask('chat.message', { ...room, message_id: crypto.randomUUID(), text })]);
    if (await tried(sent)) setWords((now) => (now.trim() === text ? '' : now));
    field.current?.focus();
  };
  const press = (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
  };
  const id = `website-${chat.room_id}`;
  return html`
    <section class="card website" aria-labelledby=${id} data-part="website-chat" data-room-id=${chat.room_id}>
      <p class="call-state">${t('website.chat')}</p>
      <h2 id=${id} class="call-who">${writer(chat)}</h2>
      <${Words} chat=${chat} />
      <div class="talk" ref=${list} tabindex="0" role="log" aria-label=${t('chat.with', { who: writer(chat) })}>
        <ol>${messages.map((message) => html`<${Message} key=${message.message_id} message=${message} mine=${message.sender === me.value?.identity} name=${writer(chat)} />`)}</ol>
      </div>
      <p class="fine" role="status">${there ? '' : t('website.away')}</p>
      <form class="picker-row" onSubmit=${send}>
        <label for=${`${id}-words`} class="visually-hidden">${t('chat.write_to', { who: writer(chat) })}</label>
        <textarea id=${`${id}-words`} ref=${field} rows="2" maxlength=${LONGEST} dir="auto" placeholder=${t('chat.write_to', { who: writer(chat) })} value=${words} onInput=${(event) => setWords(event.currentTarget.value)} onKeyDown=${press}></textarea>
        <button type="submit" class="primary small" data-do="website-send" disabled=${!up || !words.trim()}>${t('chat.send')}</button>
      </form>
      <div class="picker-row">
        ${there && html`<button type="button" class="small" data-do="ask-to-call" disabled=${!up} onClick=${() => tried(() => link.ask('visit.invite', room))}><${Icon} name="call" />${t('website.ask')}</button>`}
        <button type="button" class="small" data-do="end-chat" disabled=${!up} onClick=${() => tried(() => link.ask('room.end', room))}><${Icon} name="close" />${t('website.end')}</button>
      </div>
    </section>
  `;
}

/** Before the calls, for it rings like one. */
export const Writers = () => waiting.value.map((chat) => html`<${Waits} key=${chat.room_id} chat=${chat} />`);

/** Beside the calls. */
export const Chats = () => chats.value.map((chat) => html`<${Talk} key=${chat.room_id} chat=${chat} />`);
