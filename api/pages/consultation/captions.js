/**
 * What is said, written under the pictures. Lines come from whoever writes them: somebody's page, a captioner, a recogniser that listens.
 * While captions are on, this page writes what its own person says, where the browser recognises speech on the device itself: sound that
 * leaves for a recogniser elsewhere is no business of ours.
 */
import { spoken, t } from '../kit/words.js';

const SHOWN = 'centralita.consultation.captions';
const MOST_LINES = 3;
const LONGEST = 500;
/** How long a line stands after its last word: 12 characters a second are read without haste. */
const STANDS_MS = 3_000;
const PER_CHARACTER_MS = 80;
/** A line is told again at most so often as it grows. */
const TOLD_EVERY_MS = 400;
const REGIONS = { en: 'en-US', es: 'es-ES' };
const drawId = () => crypto.getRandomValues(new Uint32Array(2)).join('-');

/** The language of the page as its person speaks it, as far as the browser tells; then as most recognisers know it. */
const regions = () => [...navigator.languages.filter((each) => each.startsWith(`${spoken()}-`)), REGIONS[spoken()]];

export class Captions extends EventTarget {
  /** `tell(fields)` carries a line to the room; `nameOf(identity)`; `me()`; `microphone()`: the live track, or null. Event: `changed`. */
  constructor(slot, tell, nameOf, me, microphone) {
    super();
    Object.assign(this, { slot, tell, nameOf, me, microphone });
    this.list = slot.querySelector('ol');
    this.about = slot.querySelector('p');
    this.on = localStorage.getItem(SHOWN) === 'true';
    /** By who writes and their line: the row, and the clock that takes it away. */
    this.rows = new Map();
    this.hinted = false;
    this.writer = null;
    this.present = false;
  }

  /** In the room, or not any more. */
  enter(present) {
    this.present = present;
    if (!present) {
      for (const key of [...this.rows.keys()]) this.drop(key);
      this.hinted = false;
    }
    this.draw();
  }

  set(on) {
    this.on = on;
    if (on) localStorage.setItem(SHOWN, 'true');
    else localStorage.removeItem(SHOWN);
    this.draw();
  }

  draw() {
    this.slot.hidden = !(this.on && this.present);
    if (this.on && this.present) this.write();
    else this.stop();
    this.word();
    this.dispatchEvent(new Event('changed'));
  }

  word() {
    this.about.hidden = this.rows.size > 0;
    this.about.textContent = t(this.writer?.running ? 'captions.writing' : 'captions.none');
  }

  /** A line as it stands now. True where captions have just begun and are not shown: worth a word, once. */
  take({ by, line_id: line, speaker, text, lang, done }) {
    if (!this.on) {
      const first = !this.hinted;
      this.hinted = true;
      return first;
    }
    const key = `${by} ${line}`;
    if (!text) {
      this.drop(key);
      return false;
    }
    const found = this.rows.get(key) ?? this.make(key);
    found.row.dataset.done = String(done);
    const name = speaker === this.me() ? t('chat.me') : this.nameOf(speaker);
    if (found.row.firstChild.textContent !== name) found.row.firstChild.textContent = name;
    const words = found.row.lastChild;
    words.lang = lang;
    if (words.textContent !== text) words.textContent = text;
    clearTimeout(found.timer);
    found.timer = setTimeout(() => this.drop(key), STANDS_MS + PER_CHARACTER_MS * text.length);
    return false;
  }

  make(key) {
    const row = document.createElement('li');
    row.append(document.createElement('b'), ' ', document.createElement('span'));
    this.list.append(row);
    const made = { row, timer: 0 };
    this.rows.set(key, made);
    for (const oldest of [...this.rows.keys()].slice(0, -MOST_LINES)) this.drop(oldest);
    this.word();
    return made;
  }

  drop(key) {
    const found = this.rows.get(key);
    if (!found) return;
    clearTimeout(found.timer);
    found.row.remove();
    this.rows.delete(key);
    this.word();
  }

  // --- my own words --------------------------------------------------------------------------------------------------------------------

  /** Another microphone, or another language: begin anew. */
  follow() {
    if (this.writer?.track === this.microphone() && this.writer?.page === spoken()) return;
    this.stop();
    this.draw();
  }

  write() {
    const track = this.microphone();
    if (this.writer || track?.readyState !== 'live') return;
    this.writer = new Writer(track, spoken(), this.tell, () => this.word());
    this.writer.begin();
  }

  stop() {
    this.writer?.end();
    this.writer = null;
  }
}

/** Recognises one microphone on this device, where the browser can, until it is ended. */
class Writer {
  constructor(track, page, tell, changed) {
    Object.assign(this, { track, page, tell, changed });
    this.running = false;
    this.ended = false;
    this.toldAt = 0;
  }

  async begin() {
    const { SpeechRecognition } = globalThis;
    if (!SpeechRecognition?.available) return;
    for (const lang of regions()) {
      const here = await SpeechRecognition.available({ langs: [lang], processLocally: true }).catch(() => 'unavailable');
      if (here === 'available') this.lang ??= lang;
    }
    if (!this.lang || this.ended) return;
    const heard = (this.heard = new SpeechRecognition());
    Object.assign(heard, { processLocally: true, continuous: true, interimResults: true, lang: this.lang });
    heard.addEventListener('result', (event) => this.said(event));
    // It ends by itself after silence, and begins again as long as captions are on; one that cannot begin says so and is left alone.
    let fault = '';
    heard.addEventListener('error', ({ error }) => (fault = error === 'no-speech' ? '' : error));
    heard.addEventListener('end', () => {
      if (this.ended || fault) this.run(false);
      else this.listen();
    });
    this.listen();
  }

  listen() {
    this.round = drawId();
    try {
      this.heard.start(this.track);
      this.run(true);
    } catch {
      this.run(false);
    }
  }

  run(running) {
    this.running = running;
    this.changed();
  }

  said({ results, resultIndex }) {
    for (let at = resultIndex; at < results.length; at += 1) {
      const done = results[at].isFinal;
      const text = results[at][0].transcript.trim().slice(-LONGEST);
      if (!text || !this.track.enabled || (!done && performance.now() < this.toldAt + TOLD_EVERY_MS)) continue;
      this.toldAt = performance.now();
      this.tell({ line_id: `${this.round}-${at}`, text, lang: this.lang, done });
    }
  }

  end() {
    this.ended = true;
    this.heard?.abort();
  }
}
