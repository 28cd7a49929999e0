/** What is written in the consultation. */
import { ask } from '../js/link.js';
import { t } from '../kit/words.js';
import { shortTime } from './times.js';

const TYPED_EVERY_MS = 3_000;
const drawId = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

export class Chat {
  /** `panel`: the section; `onUnread(count)` hears how many came while it was closed; `onRefused(refusal)`. */
  constructor(panel, onUnread, onRefused) {
    this.list = panel.querySelector('#messages');
    this.typing = panel.querySelector('#typing');
    this.form = panel.querySelector('form');
    this.panel = panel;
    this.onUnread = onUnread;
    this.onRefused = onRefused;
    this.known = new Map();
    this.rows = new Map();
    this.unread = 0;
    this.room = '';
    this.me = '';
    this.typedAt = 0;
    this.form.addEventListener('submit', (event) => this.send(event));
    this.form.elements.text.addEventListener('input', () => this.type());
  }

  /** In this room from now on: what was written before. */
  async begin(room, me) {
    this.room = room;
    this.me = me;
    const page = await ask('chat.history', { room_id: room });
    for (const message of page.messages) this.take(message, false);
  }

  take(message, fresh = true) {
    const former = this.known.get(message.message_id);
    if (former && former.revision >= message.revision) return;
    this.known.set(message.message_id, message);
    if (fresh && !former && this.panel.hidden && message.sender !== this.me) this.onUnread((this.unread += 1));
    this.draw();
  }

  /** Rows that are there stay, so that a screen reader says only what is new. */
  draw() {
    const inOrder = [...this.known.values()].sort((a, b) => a.position - b.position);
    inOrder.forEach((message, index) => {
      const row = this.rows.get(message.message_id) ?? this.make(message);
      if (this.list.children[index] !== row) this.list.insertBefore(row, this.list.children[index] ?? null);
      this.fill(row, message);
    });
    this.list.scrollTop = this.list.scrollHeight;
  }

  make(message) {
    const row = document.createElement('div');
    row.classList.toggle('mine', message.sender === this.me);
    const head = document.createElement('p');
    head.className = 'fine';
    row.append(head, document.createElement('p'));
    this.rows.set(message.message_id, row);
    return row;
  }

  fill(row, message) {
    const head = `${message.sender === this.me ? t('chat.me') : message.name} · ${shortTime(message.sent_at)}`;
    const files = message.attachments.map((file) => file.name);
    const words = message.deleted_at ? t('chat.deleted') : [message.text, ...files].join('\n').trim();
    if (row.firstChild.textContent !== head) row.firstChild.textContent = head;
    if (row.lastChild.textContent !== words) row.lastChild.textContent = words;
  }

  read() {
    this.onUnread((this.unread = 0));
    this.draw();
  }

  async send(event) {
    event.preventDefault();
    const field = this.form.elements.text;
    const text = field.value.trim();
    if (!text) return;
    field.value = '';
    this.typedAt = 0;
    try {
      this.take(await ask('chat.message', { room_id: this.room, message_id: drawId(), text }), false);
    } catch (refusal) {
      field.value = text;
      this.onRefused(refusal);
    }
  }

  type() {
    if (Date.now() < this.typedAt + TYPED_EVERY_MS) return;
    this.typedAt = Date.now();
    ask('typing.indicator', { room_id: this.room, on: true }).catch(() => undefined);
  }

  /** Who types: names. */
  types(names) {
    this.typing.textContent = names.length ? t('chat.types', { names: names.join(', ') }) : '';
  }
}
