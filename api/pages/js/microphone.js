/** The one microphone track of the page: taken when a call or a test needs it, exchanged on the fly, given back when nobody does. */
import { effect, signal } from '@preact/signals';
import { chosen, devices, pick, survey } from './devices.js';
import { listen } from './level.js';

const processing = new URLSearchParams(location.search).get('processing') !== 'off';

/** The live `MediaStreamTrack` or null. Peers follow it. */
export const track = signal(null);
/** Why there is none: null, `denied`, `denied_by_system`, `missing`, `busy`, `insecure`, `failed`. */
export const problem = signal(null);
/** Level in dBFS while a track is held; muting does not stop it, so that one can be told "you are muted". */
export const level = signal(-100);

const holders = new Set();
let taking = null;
let stopMeter = () => {};
let heldDevice = '';

function constraints(id) {
  return {
    audio: {
      echoCancellation: processing,
      noiseSuppression: processing,
      autoGainControl: processing,
      channelCount: 1,
      ...(id ? { deviceId: { exact: id } } : {}),
    },
  };
}

/** The browser's refusal as one of our causes (Media Capture and Streams, section 10.2). */
function causeOf(error) {
  if (error.name === 'NotAllowedError') return /system/i.test(error.message) ? 'denied_by_system' : 'denied';
  if (error.name === 'NotFoundError') return 'missing';
  if (error.name === 'NotReadableError' || error.name === 'AbortError') return 'busy';
  if (error.name === 'SecurityError') return 'insecure';
  return 'failed';
}

async function open() {
  if (!navigator.mediaDevices) throw new DOMException('', 'SecurityError');
  const id = pick('input');
  try {
    return await navigator.mediaDevices.getUserMedia(constraints(id));
  } catch (error) {
    // The chosen one was unplugged this instant: any microphone is better than none.
    if (id && (error.name === 'OverconstrainedError' || error.name === 'NotFoundError')) return navigator.mediaDevices.getUserMedia(constraints(''));
    throw error;
  }
}

function show(fresh) {
  const former = track.peek();
  stopMeter();
  track.value = fresh;
  if (former && former !== fresh) former.stop();
  level.value = -100;
  if (!fresh) return;
  heldDevice = pick('input');
  fresh.addEventListener('ended', () => track.peek() === fresh && renew());
  const copy = fresh.clone();
  const stop = listen(copy, (dbfs) => {
    level.value = dbfs;
  });
  stopMeter = () => {
    stop();
    copy.stop();
  };
}

async function renew() {
  let stream;
  try {
    stream = await open();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    problem.value = causeOf(error);
    show(null);
    return;
  }
  if (!holders.size) {
    stream.getTracks().forEach((left) => left.stop());
    return;
  }
  problem.value = null;
  show(stream.getAudioTracks()[0]);
  survey();
}

/** Hold the microphone for `holder` (a call id, or a name). Resolves when there is a track or a `problem`. */
export function hold(holder) {
  holders.add(holder);
  if (track.peek()) return Promise.resolve();
  taking ??= renew().finally(() => {
    taking = null;
  });
  return taking;
}

export function release(holder) {
  if (holders.delete(holder) && !holders.size) {
    problem.value = null;
    show(null);
  }
}

/** Try again after a problem was cured. */
export function retry() {
  if (!holders.size) return Promise.resolve();
  taking ??= renew().finally(() => {
    taking = null;
  });
  return taking;
}

// Another device was chosen, or the chosen one came or went, while the microphone is held: exchange it.
effect(() => {
  chosen.value;
  devices.value;
  if (track.peek() && pick('input') !== heldDevice) retry();
});

// The person allowed the microphone in the browser's own bar: no button needed.
navigator.permissions
  ?.query({ name: 'microphone' })
  .then((permission) => {
    permission.onchange = () => permission.state === 'granted' && problem.peek() && retry();
  })
  .catch(() => {});
