/**
 * One browser end of one call's media: an RTCPeerConnection, its offers and its health.
 *
 * We always offer and the server, which is ICE-lite, always answers with its candidates; so an offer is sent at once, without ours:
 * the server learns our address from the checks (RFC 8445, section 7.3). The same `id` again is a new offer of the same
 * connection (restart, other codec); a page that was reloaded draws another id and takes the leg over.
 */
import { signal } from '@preact/signals';
import { canChooseOutput, pick } from './devices.js';
import { listen } from './level.js';
import { Refusal, session } from './session.js';

const RESTART_EVERY_MS = 3_000;
const RESTARTS = 5;
/** Nobody answered, or was too busy to: the same offer is made again. Where the way to the server is broken, whoever hears that it is whole again does so. */
const PASSING = new Set(['no_reply', 'too_many_requests', 'busy', 'timeout']);
/** Refusals of an offer that say this connection is no more at the server. */
const GONE = new Set(['peer_closed', 'certificate_changed']);
/** Codecs the person wants tried alone, for measurements: `?codec=g722`. */
const onlyCodec = new URLSearchParams(location.search).get('codec');

const drawId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

function restrictCodec(transceiver) {
  if (!onlyCodec) return;
  const { codecs } = RTCRtpReceiver.getCapabilities('audio');
  const wanted = codecs.filter((codec) => [`audio/${onlyCodec}`, 'audio/telephone-event'].includes(codec.mimeType.toLowerCase()));
  transceiver.setCodecPreferences(wanted);
}

const oneOf = (value, known, other) => (known.includes(value) ? value : other);

/** The pair of candidates in use, of a report of statistics; null while there is none. */
export function pathIn(report) {
  const entries = [...report.values()];
  const chosen = entries.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId)?.selectedCandidatePairId;
  const pair = report.get(chosen) ?? entries.find((entry) => entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded');
  const [local, remote] = [report.get(pair?.localCandidateId), report.get(pair?.remoteCandidateId)];
  if (!local || !remote) return null;
  const kinds = ['host', 'srflx', 'prflx', 'relay'];
  const host = remote.address ?? remote.ip ?? '';
  return {
    local: oneOf(local.candidateType, kinds, 'host'),
    remote: oneOf(remote.candidateType, kinds, 'host'),
    protocol: oneOf(local.protocol?.toLowerCase(), ['udp', 'tcp'], 'udp'),
    relay: local.candidateType === 'relay' ? oneOf(local.relayProtocol?.toLowerCase(), ['udp', 'tcp', 'tls'], '') : '',
    family: host.includes(':') ? 'ipv6' : /^[0-9.]+$/.test(host) ? 'ipv4' : 'unknown',
    network: oneOf(local.networkType, ['wifi', 'cellular', 'ethernet', 'vpn'], 'unknown'),
  };
}

export class Peer {
  /**
   * `send(callId, peerId, sdp) -> Promise<answer sdp>`; `onPath(callId, path)` which way packets go from now on; `onHeadset(callId, said)` what is spoken into; `onDead()` when only another
   * connection can help; `onTaken()` when another page has the call's sound now.
   */
  constructor({ send, onDead, onTaken, onPath = () => {}, onHeadset = () => {} }) {
    this.onPath = onPath;
    this.path = '';
    this.onHeadset = onHeadset;
    this.headset = '';
    this.onTaken = onTaken;
    this.taken = false;
    this.id = drawId();
    this.callId = null;
    this.send = send;
    this.onDead = onDead;
    /** `new`, `up`, `lost`, `closed`. */
    this.state = signal('new');
    /** The `Refusal` of our last offer, or null. */
    this.problem = signal(null);
    /** The browser would not play sound before a click. */
    this.silenced = signal(false);
    this.onLevel = null;
    this.source = null;
    this.copy = null;
    this.timer = 0;
    this.again = 0;
    this.restarts = 0;
    this.queue = Promise.resolve();
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: session.peek()?.ice_servers });
    this.transceiver = this.pc.addTransceiver('audio', { direction: 'sendrecv' });
    restrictCodec(this.transceiver);
    this.stream = new MediaStream([this.transceiver.receiver.track]);
    this.audio = new Audio();
    this.audio.autoplay = true;
    this.audio.srcObject = this.stream;
    this.pc.addEventListener('iceconnectionstatechange', () => this.watchIce());
    this.pc.addEventListener('connectionstatechange', () => this.watchDtls());
    this.stopLevel = listen(this.transceiver.receiver.track, (dbfs) => this.onLevel?.(dbfs));
    this.route();
    this.play();
    this.prepared = this.pc.createOffer().then((offer) => this.pc.setLocalDescription(offer));
  }

  get closed() {
    return this.state.peek() === 'closed';
  }

  /** The first offer goes out now that the call has an id. */
  bind(callId) {
    this.callId = callId;
    return this.offer();
  }

  /** Send an offer, after those under way. Its refusal is in `problem`. */
  offer({ iceRestart = false } = {}) {
    this.queue = this.queue.then(() => this.negotiate(iceRestart));
    return this.queue;
  }

  async negotiate(iceRestart) {
    await this.prepared;
    if (this.closed) return;
    if (this.pc.currentRemoteDescription || this.pc.signalingState === 'stable') {
      await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart }));
    }
    try {
      const sdp = await this.send(this.callId, this.id, this.pc.localDescription.sdp);
      if (this.closed) return;
      await this.pc.setRemoteDescription({ type: 'answer', sdp });
      this.problem.value = null;
      this.watchPath();
    } catch (refusal) {
      if (this.closed) return;
      if (this.pc.signalingState === 'have-local-offer') await this.pc.setLocalDescription({ type: 'rollback' });
      if (GONE.has(refusal.code)) {
        this.onDead();
        return;
      }
      if (refusal.code === 'taken_over') {
        this.taken = true;
        this.onTaken();
        return;
      }
      this.problem.value = refusal instanceof Refusal ? refusal : new Refusal({ code: 'media_failed', message: String(refusal) });
      if (PASSING.has(refusal.code)) this.offerAgain(refusal.retryAfter ?? 0);
    }
  }

  offerAgain(afterS) {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.problem.peek() && this.offer(), Math.max(RESTART_EVERY_MS, 1_000 * afterS));
  }

  watchIce() {
    const ice = this.pc.iceConnectionState;
    if (ice === 'connected' || ice === 'completed') {
      this.state.value = 'up';
      this.restarts = 0;
      clearTimeout(this.timer);
      this.tellPath();
      this.tellHeadset();
    } else if (ice === 'disconnected' || ice === 'failed') {
      this.state.value = 'lost';
      this.restart();
    }
  }

  /** Another pair of candidates may be chosen at any time, without any change of state. */
  watchPath() {
    const ice = this.transceiver.sender.transport?.iceTransport;
    if (!ice || ice === this.ice) return;
    this.ice = ice;
    ice.addEventListener('selectedcandidatepairchange', () => this.tellPath());
  }

  /** What kind of way our packets take, when it is another one than before; of no address a word. */
  async tellPath() {
    const path = this.closed ? null : pathIn(await this.pc.getStats());
    if (!path || this.closed || JSON.stringify(path) === this.path) return;
    this.path = JSON.stringify(path);
    this.onPath(this.callId, { peer_id: this.id, ...path });
  }

  /** What the browser calls our microphone, when it is another one than before; the server keeps make and model of it. */
  tellHeadset() {
    const label = this.source?.label.slice(0, 256) ?? '';
    if (!label || label === this.headset || this.state.peek() !== 'up') return;
    this.headset = label;
    this.onHeadset(this.callId, { peer_id: this.id, label });
  }

  /** DTLS failed though packets get through: these keys are dead. */
  watchDtls() {
    if (this.pc.connectionState === 'failed' && this.pc.iceConnectionState !== 'failed') this.onDead();
  }

  /** The path broke, or the network changed under us: another way to the same server, same keys, same leg. */
  restart() {
    if (this.closed || this.taken || !this.pc.currentRemoteDescription) return;
    clearTimeout(this.timer);
    if (this.restarts >= RESTARTS) {
      this.restarts = 0;
      this.onDead();
      return;
    }
    this.restarts += 1;
    this.offer({ iceRestart: true });
    this.timer = setTimeout(() => this.state.peek() === 'lost' && this.restart(), RESTART_EVERY_MS);
  }

  /** The microphone of this end; null sends nothing. Each end has a copy, so that muting one call leaves another alone. */
  speak(track, enabled) {
    if (this.closed) return;
    if (this.source !== track) {
      this.copy?.stop();
      this.source = track;
      this.copy = track ? track.clone() : null;
      this.transceiver.sender.replaceTrack(this.copy);
      this.tellHeadset();
    }
    if (this.copy) this.copy.enabled = enabled;
  }

  /** To the loudspeaker that was chosen. */
  route() {
    if (canChooseOutput && this.audio.sinkId !== pick('output')) this.audio.setSinkId(pick('output')).catch(() => {});
  }

  async play() {
    try {
      await this.audio.play();
      this.silenced.value = false;
    } catch (error) {
      if (error.name === 'NotAllowedError') this.silenced.value = true;
      else if (error.name !== 'AbortError') throw error;
    }
  }

  /** What the browser counts of this call, for the details and for engineers. */
  async counters() {
    const report = await this.pc.getStats();
    const entries = [...report.values()];
    const inbound = entries.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio');
    const remote = entries.find((entry) => entry.type === 'remote-inbound-rtp');
    const pair = entries.find((entry) => entry.type === 'candidate-pair' && entry.nominated);
    return { inbound, remote, pair, codec: inbound?.codecId && report.get(inbound.codecId) };
  }

  close() {
    if (this.closed) return;
    clearTimeout(this.timer);
    clearTimeout(this.again);
    this.state.value = 'closed';
    this.stopLevel();
    this.copy?.stop();
    this.audio.srcObject = null;
    this.pc.close();
  }
}
