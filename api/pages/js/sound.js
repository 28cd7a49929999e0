/** Sounds the page itself makes: ringing, news, keys, a test tone. All synthesised. */
import { effect, signal } from '@preact/signals';
import { pick, chosen, devices, canChooseRing } from './devices.js';

const RING_EVERY_MS = 3_200;
const BLOCKED_AFTER_MS = 400;
/** News that old are none. */
const LATE_MS = 5_000;
/** DTMF pairs (ITU-T Q.23), Hz. */
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477];
const KEYS = ['123', '456', '789', '*0#'];

/** Does it ring right now? */
export const ringing = signal(false);
/** Did the browser refuse to play before the first click on the page? */
export const blocked = signal(false);
let context = null;
let ringTimer = 0;
let blockTimer = 0;
let ringGain = null;
let loudness = 0.1;

function speaker() {
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume();
  return context;
}

async function route(use) {
  if (!canChooseRing || !context) return;
  const id = pick(use);
  if (context.sinkId !== id) await context.setSinkId(id);
}

/** One tone with soft edges into `into`: Hz, seconds from now, seconds long, 0-1. */
function tone(into, hz, start, length, gain) {
  const begin = into.context.currentTime + start;
  const oscillator = into.context.createOscillator();
  const envelope = into.context.createGain();
  oscillator.frequency.value = hz;
  envelope.gain.setValueAtTime(0, begin);
  envelope.gain.linearRampToValueAtTime(gain, begin + 0.015);
  envelope.gain.setValueAtTime(gain, begin + length - 0.03);
  envelope.gain.linearRampToValueAtTime(0, begin + length);
  oscillator.connect(envelope).connect(into);
  oscillator.start(begin);
  oscillator.stop(begin + length);
}

/** One burst of ringing, 1.2 s: two rising chords. */
function burst() {
  const audio = speaker();
  if (audio.state !== 'running') return;
  blocked.value = false;
  ringGain ??= audio.createGain();
  ringGain.connect(audio.destination);
  [587, 740, 880].forEach((hz, step) => {
    tone(ringGain, hz, step * 0.14, 0.42, loudness);
    tone(ringGain, hz, 0.66 + step * 0.14, 0.42, loudness);
  });
}

/** Ring until stopped; softly while a call is in the ear. */
export function startRinging({ softly = false } = {}) {
  loudness = softly ? 0.02 : 0.1;
  if (ringing.peek()) return;
  ringing.value = true;
  const audio = speaker();
  const first = () => ringing.peek() && burst();
  audio.resume().then(() => route('ring')).then(first, first);
  ringTimer = setInterval(burst, RING_EVERY_MS);
  blockTimer = setTimeout(() => {
    blocked.value = audio.state !== 'running';
  }, BLOCKED_AFTER_MS);
}

export function stopRinging() {
  clearInterval(ringTimer);
  clearTimeout(blockTimer);
  ringing.value = false;
  blocked.value = false;
  ringGain?.disconnect();
  ringGain = null;
}

/** Two falling notes for news that wait; softer still while a call is in the ear. */
export async function softly({ inCall = false } = {}) {
  const audio = speaker();
  const asked = performance.now();
  await audio.resume(); // where nobody has clicked yet, at the first click
  if (performance.now() - asked > LATE_MS) return;
  await route('ring').catch(() => {}); // then it sounds where the browser plays
  [784, 587].forEach((hz, step) => tone(audio.destination, hz, step * 0.13, 0.24, inCall ? 0.02 : 0.05));
  performance.mark('news-sound');
}

/** The two tones of a key, softly, so that a finger hears what it did. */
export function keyTone(key) {
  const row = KEYS.findIndex((keys) => keys.includes(key));
  if (row < 0) return;
  const audio = speaker();
  tone(audio.destination, ROWS[row], 0, 0.11, 0.04);
  tone(audio.destination, COLUMNS[KEYS[row].indexOf(key)], 0, 0.11, 0.04);
}

/** Is this the right loudspeaker? */
export async function testTone(use) {
  const audio = speaker();
  await route(use);
  [523, 659, 784].forEach((hz, step) => tone(audio.destination, hz, step * 0.16, 0.3, 0.12));
}

/** Let sound through: call it from any click. */
export function allow() {
  context?.resume().then(() => ringing.peek() && burst());
}

effect(() => {
  chosen.value;
  devices.value;
  route('ring').catch(() => {});
});
