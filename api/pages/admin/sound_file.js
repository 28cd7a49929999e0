/** Sounds between this browser and the server: recorded, decoded, made a WAV file of the server's rate, played. */
import { Refusal } from '../js/session.js';

/** What the server keeps. */
const RATE_HZ = 16_000;
const HEADER = 44;
const PIECE = 0x8000;

/** One voice, 16 bits (RIFF WAVE, PCM). */
function wavOf(samples) {
  const data = new DataView(new ArrayBuffer(HEADER + 2 * samples.length));
  const word = (at, text) => [...text].forEach((letter, place) => data.setUint8(at + place, letter.charCodeAt(0)));
  word(0, 'RIFF');
  data.setUint32(4, HEADER - 8 + 2 * samples.length, true);
  word(8, 'WAVEfmt ');
  data.setUint32(16, 16, true);
  data.setUint16(20, 1, true);
  data.setUint16(22, 1, true);
  data.setUint32(24, RATE_HZ, true);
  data.setUint32(28, 2 * RATE_HZ, true);
  data.setUint16(32, 2, true);
  data.setUint16(34, 16, true);
  word(36, 'data');
  data.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, place) => data.setInt16(HEADER + 2 * place, Math.round(Math.min(1, Math.max(-1, sample)) * 32_767), true));
  return new Uint8Array(data.buffer);
}

/** A file that this browser can play, as the server takes it. Raises `Refusal`. */
export async function decoded(blob) {
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await blob.arrayBuffer());
  } catch {
    throw new Refusal({ code: 'unreadable_sound' });
  }
  const channels = Array.from({ length: sound.numberOfChannels }, (_, each) => sound.getChannelData(each));
  return wavOf(channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length));
}

/** For a JSON body. */
export function base64(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
}

let playing = null;

/** Play it, in place of what plays. `onEnd` when it is over, or something else plays. */
export function play(bytes, onEnd) {
  stopPlaying();
  const address = URL.createObjectURL(new Blob([bytes], { type: 'audio/wav' }));
  const audio = new Audio(address);
  const mine = { end: () => (audio.pause(), URL.revokeObjectURL(address), onEnd()) };
  playing = mine;
  audio.addEventListener('ended', () => playing === mine && stopPlaying());
  return audio.play().catch((error) => {
    if (playing === mine) stopPlaying();
    if (error.name !== 'AbortError') throw new Refusal({ code: 'unreadable_sound' });
  });
}

export function stopPlaying() {
  const former = playing;
  playing = null;
  former?.end();
}

/** Listen to the microphone; `{ stop() }`, which resolves with what was heard. Raises `Refusal`. */
export async function record() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch {
    throw new Refusal({ code: 'no_microphone' });
  }
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  recorder.addEventListener('dataavailable', ({ data }) => pieces.push(data));
  recorder.start();
  const stop = () =>
    new Promise((resolve) => {
      recorder.addEventListener('stop', () => resolve(new Blob(pieces, { type: recorder.mimeType })));
      recorder.stop();
      stream.getTracks().forEach((track) => track.stop());
    });
  return { stop };
}
