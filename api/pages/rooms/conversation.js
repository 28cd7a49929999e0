/** The conversation that is shown: its head, the messages, who types, and where one writes. */
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { ask } from '../js/link.js';
import { session } from '../js/session.js';
import { html } from '../js/views/html.js';
import { Composer, editing, replying } from './composer.js';
import { alarm, aside, chosen, gestures, gists, gone, hears, invitations, knocking, me, myRole, nameOf, otherOf, room, rooms, typing, waiting } from './desk.js';
import { attempt, join, open, titleOf } from './doings.js';
import { REACTIONS, emojiName } from './emoji.js';
import { Changes } from './encryption.js';
import { Icon } from './icon.js';
import { Avatar, presenceWords, roving } from './parts.js';
import { unsealed } from './seals.js';
import { discard, erase, fetchFile, load, loadEarlier, outgoing, react, read, talks, tryAgain } from './talks.js';
import { Visitor } from './visitor.js';
import { bytes, clock, day, explain, fullMoment, listed, t } from './words.js';

const CHANGE_WITHIN_S = 900;
const TOGETHER_S = 300;
const LINKED = /(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]])/;

/** The message whose buttons are open, by its id. */
const opened = signal('');

/** Text with its addresses as links. */
const Words = ({ text }) =>
  text.split(LINKED).map((part, at) => (at % 2 ? html`<a href=${part} target="_blank" rel="noopener noreferrer">${part}</a>` : part));

async function download(file) {
  const blob = await fetchFile(file, session.peek().token);
  const address = URL.createObjectURL(blob);
  const anchor = Object.assign(document.createElement('a'), { href: address, download: file.name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const Files = ({ files }) =>
  files.length > 0 && html`
    <ul class="files">
      ${files.map((file) => html`
        <li key=${file.attachment_id}>
          <button type="button" class="file" data-do="download" onClick=${() => attempt(() => download(file))}>
            <${Icon} name="file" /><span class="file-name">${file.name}</span><span class="fine">${bytes(file.size)}</span>
          </button>
        </li>
      `)}
    </ul>
  `;

function Reactions({ message }) {
  const given = Object.entries(message.reactions);
  if (!given.length) return null;
  return html`
    <ul class="reactions">
      ${given.map(([emoji, by]) => {
        const mine = by.includes(me.value.identity);
        const names = listed(by.map((identity) => nameOf(identity, room.value)));
        return html`
          <li key=${emoji}>
            <button type="button" class="chip" aria-pressed=${String(mine)} title=${names} aria-label=${t('reaction.label', { emoji: emojiName(emoji), names })} onClick=${() => attempt(() => react(message, emoji, !mine))}>
              <span aria-hidden="true">${emoji} ${by.length}</span>
            </button>
          </li>
        `;
      })}
    </ul>
  `;
}

/** The quoted message, in a line. */
function Quoted({ id, messages }) {
  const of = messages.find((each) => each.message_id === id);
  const words = !of ? t('reply.earlier') : of.deleted_at ? t('message.deleted') : of.text || t('files', { count: of.attachments.length });
  return html`<p class="quoted"><span class="visually-hidden">${t('reply.to')} </span>${of && html`<b>${of.name}</b> `}${words}</p>`;
}

function Tools({ message }) {
  const isMine = hears(message.sender);
  const inTime = Date.now() / 1000 < message.sent_at + CHANGE_WITHIN_S;
  const close = () => (opened.value = '');
  return html`
    <div class="message-tools" role="group" aria-label=${t('tools')}>
      ${!room.value.encrypted && REACTIONS.map((emoji) => html`
        <button key=${emoji} type="button" class="plain tool" aria-label=${t('react_with', { emoji: emojiName(emoji) })} onClick=${() => { close(); attempt(() => react(message, emoji, !message.reactions[emoji]?.includes(me.value.identity))); }}><span aria-hidden="true">${emoji}</span></button>
      `)}
      <button type="button" class="plain tool" data-do="reply" onClick=${() => { close(); replying.value = message; }}><${Icon} name="reply" />${t('reply')}</button>
      ${isMine && inTime && html`<button type="button" class="plain tool" data-do="edit" onClick=${() => { close(); editing.value = message; }}><${Icon} name="edit" />${t('edit')}</button>`}
      ${((isMine && inTime) || myRole.value === 'host') && html`<button type="button" class="plain tool danger" data-do="delete" onClick=${() => { close(); attempt(() => erase(message), t('message.deleted')); }}><${Icon} name="erase" />${t('delete')}</button>`}
    </div>
  `;
}

/** Escape closes the buttons of a message and gives the focus back to it. */
function onKey(event, message) {
  if (event.key === 'Escape' && opened.value) {
    opened.value = '';
    event.currentTarget.focus();
  }
  if ((event.key === 'Enter' || event.key === ' ') && event.target === event.currentTarget && !message.deleted_at) {
    event.preventDefault();
    opened.value = opened.value === message.message_id ? '' : message.message_id;
  }
}

function Message({ message, before, messages, last, readers }) {
  const own = hears(message.sender);
  const joined = before && before.sender === message.sender && !before.deleted_at === !message.deleted_at && message.sent_at - before.sent_at < TOGETHER_S;
  const isOpen = opened.value === message.message_id;
  return html`
    <li class="message" data-message=${message.message_id} data-own=${own} data-joined=${Boolean(joined)} tabindex=${last ? 0 : -1} onKeyDown=${(event) => onKey(event, message)}>
      ${!joined && !own && html`<${Avatar} identity=${message.sender} name=${message.name} />`}
      <div class="bubble">
        <p class="by">
          <span class=${joined || own ? 'visually-hidden' : 'by-name'}>${own ? t('you') : message.name}</span>
          <time class=${joined && clock(before.sent_at) === clock(message.sent_at) ? 'visually-hidden' : 'fine'} title=${fullMoment(message.sent_at)}>${clock(message.sent_at)}</time>
          ${message.edited_at && !message.deleted_at && html`<span class="fine">${t('message.edited')}</span>`}
        </p>
        ${message.reply_to && html`<${Quoted} id=${message.reply_to} messages=${messages} />`}
        ${message.deleted_at ? html`<p class="words fine"><i>${t('message.deleted')}</i></p>` : message.fault ? html`<p class="words fine"><i>${t(`sealed.${message.fault}`)}</i></p>` : message.text && html`<p class="words"><${Words} text=${message.text} /></p>`}
        <${Files} files=${message.attachments} />
        <${Reactions} message=${message} />
      </div>
      ${!message.deleted_at && html`
        <button type="button" class="plain round more" data-do="more" tabindex=${last || isOpen ? 0 : -1} aria-expanded=${String(isOpen)} aria-label=${t('tools.of', { name: own ? t('you') : message.name, at: clock(message.sent_at) })} onClick=${() => (opened.value = isOpen ? '' : message.message_id)}><${Icon} name="smile" /></button>
      `}
      ${isOpen && html`<${Tools} message=${message} />`}
      ${readers.length > 0 && html`<p class="fine read-by">${t('read_by', { names: listed(readers) })}</p>`}
    </li>
  `;
}

/** One of mine on its way. */
const Outgoing = ({ entry }) => html`
  <li class="message" data-own="true" data-outgoing=${entry.state}>
    <div class="bubble">
      ${entry.text && html`<p class="words">${entry.text}</p>`}
      ${entry.files.map((file) => html`<p class="fine" key=${file.attachment_id}>${file.name}</p>`)}
      ${entry.state === 'refused'
        ? html`
            <p class="not-sent"><${Icon} name="warning" />${t('not_sent_because', { why: explain(entry) })}</p>
            <p class="not-sent-doings">
              <button type="button" class="small" data-do="try-again" onClick=${() => tryAgain(entry)}>${t('try_again')}</button>
              <button type="button" class="small plain" data-do="discard" onClick=${() => discard(entry)}>${t('discard')}</button>
            </p>
          `
        : html`<p class="fine">${t(entry.state === 'sending' ? 'sending' : 'sent_later')}</p>`}
    </div>
  </li>
`;

/** Who has read the last message of mine that anybody has read, as names. */
function readersOf(talk) {
  const found = new Map();
  const mine = talk.messages.filter((each) => hears(each.sender) && !each.deleted_at);
  const last = mine.at(-1);
  if (!last) return found;
  const names = Object.entries(talk.marks).filter(([identity, position]) => !hears(identity) && position >= last.position);
  return found.set(last.message_id, names.map(([identity]) => nameOf(identity, room.value)));
}

function Log({ talk }) {
  const box = useRef();
  const was = useRef({ height: 0, first: '', atEnd: true, room: '', divider: 0 });
  const id = chosen.value;
  if (was.current.room !== id) was.current = { height: 0, first: '', atEnd: true, room: id, divider: gists.value.get(id)?.unread ? gists.value.get(id).read : 0 };
  const messages = talk.messages.map(unsealed);
  const mine = outgoing.value.filter((each) => each.room_id === id);
  const readers = readersOf(talk);

  useLayoutEffect(() => {
    const { height, first, atEnd } = was.current;
    const element = box.current;
    if (first && messages[0]?.message_id !== first && !atEnd) element.scrollTop += element.scrollHeight - height;
    else if (atEnd) element.scrollTop = element.scrollHeight;
    was.current.height = element.scrollHeight;
    was.current.first = messages[0]?.message_id ?? '';
  });
  const look = () => {
    const element = box.current;
    was.current.atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 60;
    if (was.current.atEnd && document.hasFocus()) read(id);
  };
  useEffect(look, [messages.length, id]);
  useEffect(() => {
    window.addEventListener('focus', look);
    return () => window.removeEventListener('focus', look);
  }, [id]);

  return html`
    <div class="log" ref=${box} onScroll=${look} onKeyDown=${roving('.message')}>
      ${talk.more && html`<p class="earlier"><button type="button" class="small" data-do="earlier" onClick=${() => { was.current.atEnd = false; attempt(() => loadEarlier(id)); }}>${t('earlier')}</button></p>`}
      ${!messages.length && !mine.length && html`<p class="fine first-words">${t('first_words')}</p>`}
      <div role="log" aria-label=${t('messages')} aria-live="polite" aria-relevant="additions">
      <ul class="messages">
        ${messages.map((message, at) => {
          const before = messages[at - 1];
          const newDay = !before || new Date(before.sent_at * 1000).toDateString() !== new Date(message.sent_at * 1000).toDateString();
          const newHere = was.current.divider > 0 && before && before.position <= was.current.divider && message.position > was.current.divider;
          return html`
            ${newDay && html`<li key=${`day-${message.message_id}`} class="day"><span>${day(message.sent_at)}</span></li>`}
            ${newHere && html`<li key="new" class="day new"><span>${t('new_from_here')}</span></li>`}
            <${Message} key=${message.message_id} message=${message} before=${newDay || newHere ? null : before} messages=${messages} last=${at === messages.length - 1} readers=${readers.get(message.message_id) ?? []} />
          `;
        })}
        ${mine.map((entry) => html`<${Outgoing} key=${entry.message_id} entry=${entry} />`)}
      </ul>
      </div>
    </div>
  `;
}

function Typers() {
  const names = (typing.value.get(chosen.value) ?? []).filter((identity) => !hears(identity)).map((identity) => nameOf(identity, room.value));
  return html`<p class="typers fine">${names.length > 0 && html`<span class="pulse" aria-hidden="true"></span>${t('typing', { count: names.length, names: listed(names) })}`}</p>`;
}

const Gestures = () => html`
  <div class="gestures" role="status" aria-live="polite">
    ${gestures.value.map((each) => html`<p key=${each.key} class="gesture"><span aria-hidden="true">${each.emoji}</span> <span>${each.name}<span class="visually-hidden"> ${emojiName(each.emoji)}</span></span></p>`)}
  </div>
`;

function Head({ of }) {
  const direct = of.kind === 'direct';
  const other = otherOf(of);
  const hands = of.members.filter((member) => member.hand_at);
  const mine = of.members.find((member) => hears(member.identity));
  const queue = waiting.value.get(of.room_id)?.length ?? 0;
  const under = direct ? presenceWords(other.identity) : [t(`kind.${of.kind}`), t('members', { count: of.members.length }), ...(of.locked ? [t('locked')] : [])].join(' · ');
  return html`
    <header class="talk-head">
      <button type="button" class="plain round back" data-do="back" aria-label=${t('back')} onClick=${() => open('')}><${Icon} name="back" /></button>
      <${Avatar} identity=${direct ? other.identity : of.room_id} name=${titleOf(of)} there=${direct} icon=${direct ? '' : of.kind === 'group' ? 'group' : 'meeting'} />
      <div class="talk-title">
        <h2 id="talk-title">${of.encrypted && html`<span class="mark"><${Icon} name="lock" /><span class="visually-hidden">${t('encrypted')}: </span></span> `}${titleOf(of)}</h2>
        <p class="fine">${under}</p>
      </div>
      <div class="talk-doings">
        ${!direct && html`
          <button type="button" class="plain" data-do="hand" aria-pressed=${String(Boolean(mine?.hand_at))} onClick=${() => attempt(() => ask('hand.raise', { room_id: of.room_id, raised: !mine?.hand_at }))}><${Icon} name="hand" /><span class="wide-only">${t('hand')}</span>${hands.length > 0 && html`<span class="badge">${hands.length}</span>`}</button>
        `}
        <button type="button" class="plain" data-do="aside" aria-expanded=${String(aside.value)} aria-controls="aside" onClick=${() => (aside.value = !aside.value)}><${Icon} name="people" /><span class="wide-only">${t('details')}</span>${queue > 0 && html`<span class="badge">${queue}<span class="visually-hidden"> ${t('waiting')}</span></span>`}</button>
      </div>
    </header>
  `;
}

/** What is shown where there is no conversation. */
function Elsewhere() {
  const invited = invitations.value.get(chosen.value);
  const offers = chosen.value && !gone.value;
  if (knocking.value) {
    return html`<div class="elsewhere card"><h2>${t('knocking.title')}</h2><p>${t('knocking')}</p><button type="button" onClick=${() => attempt(async () => { await ask('room.leave', { room_id: knocking.value }); knocking.value = ''; })}>${t('knocking.stop')}</button></div>`;
  }
  if (gone.value) return html`<div class="elsewhere card" role="status"><h2>${t(`gone.${gone.value}`)}</h2><p class="fine">${t('gone.kept')}</p><button type="button" onClick=${() => open('')}>${t('back')}</button></div>`;
  if (offers) {
    return html`<div class="elsewhere card"><h2>${invited ? titleOf(invited) : t('join.title')}</h2><p class="fine">${t('join.explained')}</p><button type="button" class="primary" data-do="join-here" onClick=${() => attempt(() => join(chosen.value))}>${t('join')}</button></div>`;
  }
  return html`<div class="elsewhere"><${Icon} name="group" /><p class="fine">${t('choose')}</p></div>`;
}

export function Conversation() {
  const of = room.value;
  if (!of) return html`<section class="pane talk" aria-label=${t('conversation')}><${Elsewhere} /></section>`;
  const talk = talks.value.get(of.room_id);
  return html`
    <section class="pane talk" aria-labelledby="talk-title">
      <${Head} of=${of} />
      ${alarm.value && html`<p class="notice bad talk-notice" data-part="alarm"><${Icon} name="warning" /><span>${alarm.value}</span><button type="button" class="plain small" onClick=${() => (alarm.value = '')}>${t('close')}</button></p>`}
      ${of.encrypted && html`<${Changes} of=${of} />`}
      <${Visitor} of=${of} />
      ${!talk || talk.state === 'loading'
        ? html`<p class="log fine first-words">${t('loading')}</p>`
        : talk.state === 'failed'
          ? html`<p class="log first-words"><span>${t('load_failed')}</span> <button type="button" class="small" onClick=${() => load(of.room_id)}>${t('try_again')}</button></p>`
          : html`<${Log} talk=${talk} />`}
      <${Gestures} />
      <${Typers} />
      <${Composer} key=${of.room_id} of=${of} />
    </section>
  `;
}
