/** The visitor's call: microphone, sound, keys, and how it stands. */
import { signal } from '@preact/signals';
import { Peer } from '../js/peer.js';
import { Refusal, session } from '../js/session.js';
import { host, rest, tell } from './host.js';
import { Line } from './line.js';

/** null, or `{state, position, wait_s, reason, since}`; `state`: asking, connecting, waiting, ringing, talking, held, ended, or failed. */
export const call = signal(null);
export const muted = signal(false);
/** Is the way to the server broken just now? */
export const lost = signal(false);
/** Why there is no microphone: null, or denied, missing, busy, insecure, failed. */
export const microphone = signal(null);
/** The browser plays nothing before a click. */
export const silenced = signal(false);

const CAUSES = { NotAllowedError: 'denied', NotFoundError: 'missing', NotReadableError: 'busy', AbortError: 'busy', SecurityError: 'insecure' };
let line = null;
let peer = null;
let stream = null;
let id = '';
const unwatch = [];

const show = (values) => (call.value = { ...(call.peek() ?? { position: 0, wait_s: null, reason: '', since: 0 }), ...values });
const on = () => call.peek() && !['ended', 'failed'].includes(call.peek().state);
export const isLive = on;

async function listen() {
  if (!navigator.mediaDevices) throw new DOMException('', 'SecurityError');
  return navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } });
}

/** `said`: {name, reason, page}; `chat`: the link of one's chat, or ''. */
export async function begin(said, chat = '') {
  if (on()) return;
  call.value = null;
  microphone.value = null;
  muted.value = false;
  show({ state: 'asking' });
  try {
    stream = await listen();
  } catch (error) {
    microphone.value = CAUSES[error.name] ?? 'failed';
    call.value = null;
    return;
  }
  if (call.peek()?.state !== 'asking') {
    drop();
    return;
  }
  show({ state: 'connecting' });
  tell('live', { live: true });
  try {
    const given = await rest('POST', '/visits', { queue: host.queue, language: document.documentElement.lang });
    session.value = given;
    await new Promise((resolve, reject) => {
      line = new Line(given, {
        onNotice: hear,
        onUp: (up) => {
          lost.value = !up;
          if (up && !id) resolve();
          else if (up) peer?.offer();
        },
        onOver: reject,
      });
    });
    ({ call_id: id } = await line.ask('visit.call', { said, chat }));
    connect();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    finish({ state: 'failed', reason: refusal });
  }
}

function connect() {
  peer?.close();
  peer = new Peer({
    send: async (callId, peerId, sdp) => (await line.ask('visit.offer', { call_id: callId, peer_id: peerId, sdp })).sdp,
    onDead: () => on() && connect(),
    onTaken: () => {},
  });
  window.centralitaVisit = { stream: peer.stream };
  peer.speak(stream.getAudioTracks()[0], !muted.peek());
  unwatch.push(peer.silenced.subscribe((value) => (silenced.value = value)));
  unwatch.push(peer.state.subscribe((value) => value !== 'new' && (lost.value = value === 'lost')));
  peer.bind(id);
}

addEventListener('online', () => peer?.offer({ iceRestart: true }));

function hear(notice) {
  if (notice.type !== 'visit.state' || notice.call_id !== id) return;
  if (notice.state === 'ended') finish({ state: 'ended', reason: notice.reason });
  else show({ ...notice, since: notice.state === 'talking' ? call.peek().since || Date.now() / 1000 : call.peek().since });
}

export function mute(on) {
  muted.value = on;
  peer?.speak(stream.getAudioTracks()[0], !on);
}

export const press = (digits) => line?.ask('visit.digits', { call_id: id, digits }).catch(() => {});
export const sound = () => peer?.play();

export function hangUp() {
  const [asked, last] = [id, line];
  finish({ state: 'ended', reason: 'completed' }, asked);
  if (asked) last?.ask('visit.hang_up', { call_id: asked }).catch(() => {}).finally(() => last.close());
}

function drop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
}

function finish(values, keepsLine = '') {
  while (unwatch.length) unwatch.pop()();
  peer?.close();
  peer = null;
  if (!keepsLine) line?.close();
  line = null;
  id = '';
  lost.value = false;
  drop();
  show(values);
  tell('live', { live: false });
}
