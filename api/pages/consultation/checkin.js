/**
 * What guests go through before they come in: one sees oneself, says something until the bar is green, hears a chime, and meanwhile the
 * connection is tried. Nothing of it is in the way of who wants to come in: each step can be left out.
 */
import { explain, t } from '../kit/words.js';
import { browser } from './browsers.js';
import { chime } from './chime.js';
import { probe } from './probe.js';

/** Of the meter's 0-1, and for so many looks in a row: somebody speaks. */
const SPEAKS = 0.4;
const LOOKS = 3;
const CHIME_AFTER_MS = 400;
const $ = (selector) => document.querySelector(selector);
const button = (name) => $(`[data-do="${name}"]`);

export class CheckIn {
  /** `ask(type, fields)` about the room; `show(view)`; `onDone(checked)`: they may come in now. */
  constructor(devices, ask, show, onDone) {
    Object.assign(this, { devices, ask, show, onDone });
    this.stop = new AbortController();
    this.reset();
  }

  reset() {
    this.stop.abort();
    this.stop = new AbortController();
    this.looks = 0;
    this.spoke = false;
    /** Was the chime heard? null: not said yet. */
    this.heard = null;
    this.running = false;
    this.result = null;
    this.past = false;
    this.over = false;
  }

  /** The devices are there, or are not: go through it. */
  begin(iceServers) {
    this.reset();
    this.iceServers = iceServers;
    this.word();
    this.listen();
    this.test();
  }

  listen() {
    const { signal } = this.stop;
    setTimeout(() => signal.aborted || chime($('#chime')), CHIME_AFTER_MS);
  }

  async test() {
    const { signal } = this.stop;
    this.running = true;
    try {
      this.result = await probe(this.ask, this.iceServers, this.devices.microphone, () => this.found(), signal);
    } catch (refusal) {
      this.result = { verdict: 'untried', cause: '', why: refusal.code ?? 'unknown' };
    }
    if (signal.aborted) return;
    this.running = false;
    document.body.dataset.way = this.result.protocol ?? '';
    this.word();
    if (this.past) this.advance();
  }

  found() {
    return { microphone: Boolean(this.devices.microphone), camera: Boolean(this.devices.camera), heard: this.heard };
  }

  /** How loud it is now, 0-1. */
  look(level) {
    if (this.spoke) return;
    this.looks = level > SPEAKS ? this.looks + 1 : 0;
    if (this.looks < LOOKS) return;
    this.spoke = true;
    this.word();
  }

  async answer(heard) {
    this.heard = heard;
    this.word();
    if (!heard) {
      $('#choose').open = true;
      this.listen();
      return;
    }
    this.advance();
  }

  /** On to what is left of the test, then in: its verdict and advice are said where one waits. Only where nothing came through one decides. */
  advance() {
    this.past = true;
    if (this.result && this.result.verdict !== 'none') this.finish();
    else this.show('tested');
    this.word();
  }

  /** Whatever is not over yet is left out. */
  async finish() {
    if (this.over) return;
    this.over = true;
    const { running, result: checked } = this;
    this.stop.abort();
    if (!running) await this.ask('room.checked', this.found()).catch(() => undefined);
    this.onDone(checked?.verdict === 'untried' ? null : checked);
  }

  /** One sentence of what is wrong with a device and how that is undone; empty where nothing is. */
  trouble() {
    const { microphone, camera, faults } = this.devices;
    if (microphone && camera) return '';
    const fault = microphone ? faults.videoinput : faults.audioinput;
    const what = t(microphone ? 'devices.no_camera' : camera ? 'devices.no_microphone' : 'devices.none');
    const how = { denied: t(`denied.${browser}`), busy: t('devices.busy'), unsupported: t('devices.unsupported') }[fault] ?? '';
    return [what, how].filter(Boolean).join(' ');
  }

  /** Everything that is said, anew. */
  word() {
    const { microphone, asked } = this.devices;
    const said = $('#spoken');
    said.textContent = !microphone ? '' : t(this.spoke ? 'hear.spoken' : 'hear.speak');
    said.dataset.good = String(this.spoke);
    $('#meter').dataset.good = String(this.spoke);
    $('#meter').hidden = !microphone;
    $('#unheard').hidden = this.heard !== false;
    $('#devices').textContent = asked ? this.trouble() : '';
    button('ask-again').hidden = !asked || !this.trouble();
    const { verdict = '', cause = '', why = '' } = this.result ?? {};
    $('#testing').textContent = this.running ? t('test.running') : verdict && verdict !== 'untried' ? t(`test.${verdict}`) : '';
    $('#tested').dataset.verdict = verdict;
    $('#tested-title').textContent = t(verdict ? 'test.title' : 'test.wait');
    $('#verdict').textContent = !verdict ? t('test.running') : verdict === 'untried' ? explain(why) : t(`test.${verdict}`);
    $('#advice').textContent = verdict === 'none' ? t('advice.none') : cause ? t(`advice.${cause}`) : '';
    $('#testing-bar').hidden = Boolean(verdict);
    button('go-on').textContent = t(verdict ? 'test.go_on' : 'test.skip');
    button('go-on').classList.toggle('primary', Boolean(verdict));
  }
}
