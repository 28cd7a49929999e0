/** Where one writes: text, files, replies, changes of what one wrote. */
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { ask } from '../js/link.js';
import { Refusal } from '../js/session.js';
import { html } from '../js/views/html.js';
import { alarm, hears, me, nameOf } from './desk.js';
import { attempt } from './doings.js';
import { GESTURES, emojiName } from './emoji.js';
import { Icon } from './icon.js';
import { unsealed } from './seals.js';
import { edit, say, talks, type, upload } from './talks.js';
import { explain, t } from './words.js';

const LONGEST = 4_000;
const MOST_FILES = 10;

/** The message that is answered, or changed; null. */
export const replying = signal(null);
export const editing = signal(null);
/** What was written and not sent, by room. */
const drafts = new Map();
const text = signal('');
/** Files for the next message: `{key, name, part, ready, fault}`. */
const files = signal([]);
const gesturing = signal(false);

const changeFile = (key, values) => (files.value = files.peek().map((each) => (each.key === key ? { ...each, ...values } : each)));

function add(roomId, chosenFiles) {
  for (const file of [...chosenFiles].slice(0, MOST_FILES - files.peek().length)) {
    const key = crypto.randomUUID();
    files.value = [...files.peek(), { key, name: file.name, part: 0, ready: null, fault: '' }];
    upload(roomId, file, (part) => changeFile(key, { part })).then(
      (ready) => changeFile(key, { ready, part: 1 }),
      (refusal) => {
        if (!(refusal instanceof Refusal)) throw refusal;
        changeFile(key, { fault: explain(refusal) });
      },
    );
  }
}

async function submit(of) {
  const words = text.peek().trim();
  if (editing.peek()) {
    const message = editing.peek();
    if (words && words !== message.text && !(await attempt(() => edit(message, words)))) return;
    stop();
    return;
  }
  const ready = files.peek().filter((each) => each.ready).map((each) => each.ready);
  if ((!words && !ready.length) || files.peek().some((each) => !each.ready && !each.fault) || words.length > LONGEST) return;
  alarm.value = '';
  say(of.room_id, words, { replyTo: replying.peek()?.message_id ?? '', files: ready });
  stop();
}

/** As if nothing had been begun. */
function stop() {
  text.value = '';
  files.value = [];
  replying.value = null;
  editing.value = null;
}

/** The last of mine that can still be changed. */
const lastOfMine = (roomId) => talks.peek().get(roomId)?.messages.findLast((each) => hears(each.sender) && !each.deleted_at && Date.now() / 1000 < each.sent_at + 900);

function onKey(event, of) {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit(of);
  } else if (event.key === 'Escape' && (replying.peek() || editing.peek())) {
    event.preventDefault();
    stop();
  } else if (event.key === 'ArrowUp' && !text.peek() && !editing.peek()) {
    const last = lastOfMine(of.room_id);
    if (!last) return;
    event.preventDefault();
    editing.value = unsealed(last);
  }
}

const Chosen = () => html`
  <ul class="chosen-files" aria-label=${t('files.chosen')}>
    ${files.value.map((each) => html`
      <li key=${each.key} data-fault=${Boolean(each.fault)}>
        <${Icon} name="file" />
        <span class="file-name">${each.name}</span>
        ${each.fault ? html`<span class="fault">${each.fault}</span>` : !each.ready && html`<progress value=${each.part} aria-label=${t('files.uploading', { name: each.name })}></progress>`}
        <button type="button" class="plain round" aria-label=${t('files.remove', { name: each.name })} onClick=${() => (files.value = files.peek().filter((other) => other !== each))}><${Icon} name="close" /></button>
      </li>
    `)}
  </ul>
`;

export function Composer({ of }) {
  const box = useRef();
  const input = useRef();
  useLayoutEffect(() => {
    text.value = drafts.get(of.room_id) ?? '';
    return () => {
      if (editing.peek()) stop();
      drafts.set(of.room_id, text.peek());
      files.value = [];
      replying.value = null;
      type(of.room_id, false);
    };
  }, [of.room_id]);
  const changed = editing.value;
  useEffect(() => {
    if (changed) text.value = changed.text;
    if (changed || replying.value) box.current.focus();
  }, [changed, replying.value]);
  useLayoutEffect(() => {
    box.current.rows = Math.min(8, Math.max(1, text.value.split('\n').length));
  });
  const busy = files.value.some((each) => !each.ready && !each.fault);
  const left = LONGEST - text.value.length;
  const about = changed ? t('editing') : replying.value ? t('replying', { name: hears(replying.value.sender) ? t('you') : replying.value.name }) : '';
  return html`
    <form class="composer" onSubmit=${(event) => { event.preventDefault(); submit(of); }} onDragOver=${(event) => event.preventDefault()} onDrop=${(event) => { event.preventDefault(); add(of.room_id, event.dataTransfer.files); }}>
      ${about && html`<p class="about"><span>${about}</span><button type="button" class="plain small" data-do="cancel" onClick=${stop}>${t('cancel')}</button></p>`}
      ${files.value.length > 0 && html`<${Chosen} />`}
      <div class="composer-line">
        ${!changed && html`
          <button type="button" class="plain round" data-do="attach" aria-label=${t('files.add')} title=${t('files.add')} onClick=${() => input.current.click()}><${Icon} name="clip" /></button>
          <input ref=${input} type="file" multiple hidden onChange=${(event) => { add(of.room_id, event.target.files); event.target.value = ''; }} />
        `}
        ${of.kind !== 'direct' && !changed && html`
          <button type="button" class="plain round" data-do="gestures" aria-expanded=${String(gesturing.value)} aria-label=${t('gestures')} title=${t('gestures')} onClick=${() => (gesturing.value = !gesturing.value)}><${Icon} name="smile" /></button>
        `}
        <label class="visually-hidden" for="words">${t('write', { room: of.kind === 'direct' ? nameOf(of.members.find((each) => each.identity !== me.value.identity)?.identity ?? '', of) : of.name })}</label>
        <textarea id="words" ref=${box} rows="1" placeholder=${t('write.here')} value=${text.value} aria-describedby=${left < 200 ? 'left' : undefined}
          onInput=${(event) => { text.value = event.target.value; if (!changed) type(of.room_id, Boolean(text.value.trim())); }}
          onKeyDown=${(event) => onKey(event, of)}
          onPaste=${(event) => { if (event.clipboardData.files.length) { event.preventDefault(); add(of.room_id, event.clipboardData.files); } }}></textarea>
        <button type="submit" class="primary round" data-do="send" aria-label=${t(changed ? 'save' : 'send')} title=${t(changed ? 'save' : 'send')} disabled=${busy || left < 0 || (!text.value.trim() && !files.value.some((each) => each.ready))}><${Icon} name="send" /></button>
      </div>
      ${gesturing.value && !changed && html`
        <div class="gesture-buttons" role="group" aria-label=${t('gestures')}>
          ${GESTURES.map((emoji) => html`<button key=${emoji} type="button" class="plain tool" aria-label=${emojiName(emoji)} onClick=${() => attempt(() => ask('reaction', { room_id: of.room_id, emoji }))}><span aria-hidden="true">${emoji}</span></button>`)}
        </div>
      `}
      ${left < 200 && html`<p id="left" class=${left < 0 ? 'fault' : 'fine'}>${t(left < 0 ? 'too_long_by' : 'left', { count: Math.abs(left) })}</p>`}
    </form>
  `;
}
