/**
 * Sound and pictures of one page: an RTCPeerConnection, whose offers and answers go through the hub. It goes on while the hub is away.
 *
 * We always offer and the server answers. Our camera is sent in three layers, of which each of the others gets the one that fits their tile
 * and their way; pictures of the others come on receiving lines, and the server says which picture is on which line.
 */
const LAYERS = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];
const MOST_LINES = 12;
/** Refusals of an offer after which a new connection helps. */
const GONE = new Set(['peer_closed', 'certificate_changed', 'unknown_leg', 'worker_full', 'busy', 'timeout', 'too_many_requests']);
/** The hub is away: we offer again when it is back. */
const AWAY = new Set(['signalling_lost', 'no_reply']);
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;
/** What the server did not take of what we look at is said again after so long. */
const WATCH_AGAIN_MS = 1_000;
/** The server gives a tile the lowest layer of at least this part of its height. */
const LARGE_ENOUGH = 0.75;

const drawId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Only what the server forwards: with everything a browser knows, an offer of many lines would be too long. */
function restrict(transceiver) {
  const { codecs } = RTCRtpReceiver.getCapabilities('video');
  const ours = ({ mimeType, sdpFmtpLine = '' }) =>
    /\/(vp8|rtx)$/i.test(mimeType) || (/\/h264$/i.test(mimeType) && /packetization-mode=1/.test(sdpFmtpLine) && /profile-level-id=42e0/i.test(sdpFmtpLine));
  transceiver.setCodecPreferences(codecs.filter(ours));
}

/** Events: `shown`, `sound` (a track to play), `state`, `refused` (a code), `over` (a code). */
export class Connection extends EventTarget {
  /** `ask(type, fields)` asks the hub about this room. */
  constructor(ask, iceServers) {
    super();
    this.ask = ask;
    this.iceServers = iceServers;
    this.tracks = { microphone: null, camera: null, screen: null };
    this.tiles = null;
    this.watching = 0;
    this.over = false;
    this.delay = RETRY_MS;
    this.timer = 0;
    /** An offer that the hub did not hear. */
    this.owed = false;
    addEventListener('online', (this.onOnline = () => this.offer({ iceRestart: true })));
    this.begin();
  }

  /** A new peer connection with all that we send; the server gives it the seat of the one before. */
  begin() {
    this.pc?.close();
    this.id = drawId();
    this.places = [];
    this.sending = {};
    this.heights = {};
    this.receiving = [];
    this.queue = Promise.resolve();
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers: this.iceServers });
    this.pc = pc;
    this.audio = pc.addTransceiver('audio', { direction: 'sendrecv' });
    this.audio.sender.replaceTrack(this.tracks.microphone);
    for (const name of ['camera', 'screen']) if (this.tracks[name]) this.add(name);
    pc.addEventListener('connectionstatechange', () => pc === this.pc && this.onState(pc.connectionState));
    pc.addEventListener('iceconnectionstatechange', () => pc === this.pc && pc.iceConnectionState === 'failed' && this.offer({ iceRestart: true }));
    this.emit('sound', this.audio.receiver.track);
    this.offer();
  }

  onState(state) {
    if (state === 'connected') this.delay = RETRY_MS;
    if (state === 'failed') {
      // Asked by the same connection the server says whether another page of ours has the seat now: then we do not take it back.
      this.offer({ iceRestart: true });
      this.later(() => this.pc.connectionState !== 'connected');
    }
    this.emit('state', state);
  }

  /** Begin anew after a while, longer each time, where it is `needed` then. */
  later(needed = () => true) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      await this.queue;
      if (!this.over && needed()) this.begin();
    }, this.delay);
    this.delay = Math.min(2 * this.delay, LONGEST_RETRY_MS);
  }

  /** The hub is back: say again what it may have missed. */
  resume() {
    const { connectionState } = this.pc;
    if (this.owed || connectionState !== 'connected') this.offer({ iceRestart: connectionState === 'disconnected' });
    else this.say();
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** A notice of the hub about this room; those about an earlier connection of ours say nothing of this one, those about none mean each. */
  hear(notice) {
    if (this.over || (notice.peer_id && notice.peer_id !== this.id)) return;
    if (notice.type === 'room.shown') {
      this.places = notice.places;
      this.emit('shown');
    } else if (notice.type === 'room.reoffer' && notice.anew) {
      this.later();
    } else if (notice.type === 'room.reoffer') {
      while (this.receiving.length < Math.min(notice.lines, MOST_LINES)) this.receive();
      this.offer();
    } else if (notice.type === 'room.watched') {
      this.heights[notice.track] = notice.height;
      this.rest(notice.track);
    }
  }

  receive() {
    const transceiver = this.pc.addTransceiver('video', { direction: 'recvonly' });
    restrict(transceiver);
    this.receiving.push(transceiver);
  }

  /** Offer anew, after what is under way. */
  offer({ iceRestart = false } = {}) {
    const pc = this.pc;
    this.queue = this.queue
      .then(() => pc === this.pc && !this.over && this.negotiate(pc, iceRestart))
      .catch((error) => pc === this.pc && this.failed(pc, error));
    return this.queue;
  }

  async negotiate(pc, iceRestart) {
    await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
    const tracks = {};
    for (const [track, transceiver] of Object.entries(this.sending)) {
      if (transceiver.direction === 'sendonly') tracks[transceiver.mid] = track;
    }
    const { sdp } = await this.ask('room.offer', { peer_id: this.id, sdp: pc.localDescription.sdp, tracks });
    if (this.over || pc !== this.pc) return;
    this.owed = false;
    await pc.setRemoteDescription({ type: 'answer', sdp });
    this.emit('shown');
    for (const name of Object.keys(this.sending)) this.rest(name);
    this.say();
  }

  async failed(pc, error) {
    if (this.over) return;
    if (pc.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' });
    if (error.code === 'taken_over') this.close('taken_over');
    // What the browser itself refuses is an answer to another connection: the server began anew meanwhile.
    else if (GONE.has(error.code) || error instanceof DOMException) this.later();
    if (AWAY.has(error.code)) this.owed = true;
    else this.emit('refused', error);
    // The hub is there, and did not answer: nobody will tell us that it is back.
    if (error.code === 'no_reply') setTimeout(() => pc === this.pc && this.owed && this.offer(), RETRY_MS);
  }

  /** The microphone's track, or null. */
  speak(track) {
    this.tracks.microphone = track;
    this.audio.sender.replaceTrack(track);
  }

  /** Send a picture (`camera` or `screen`), or stop sending it: null. */
  async send(name, track) {
    const known = this.sending[name];
    const goes = Boolean(this.tracks[name]);
    this.tracks[name] = track;
    if (known) {
      await known.sender.replaceTrack(track);
      known.direction = track ? 'sendonly' : 'inactive';
    } else if (track) this.add(name);
    return goes && track ? this.queue : this.offer();
  }

  add(name) {
    const sendEncodings = name === 'camera' ? LAYERS : [{ maxBitrate: 2_500_000 }];
    this.sending[name] = this.pc.addTransceiver(this.tracks[name], { direction: 'sendonly', sendEncodings });
    restrict(this.sending[name]);
  }

  /** Layers beyond what is shown anywhere are not sent, and nothing of a picture that nobody looks at. */
  rest(name) {
    const sender = this.sending[name]?.sender;
    const parameters = sender?.getParameters();
    const shown = this.heights[name];
    if (!parameters?.encodings?.length || shown === undefined || !sender.track) return;
    const full = sender.track.getSettings().height ?? 720;
    let enough = shown === 0;
    for (const encoding of parameters.encodings) {
      encoding.active = !enough;
      enough ||= full / (encoding.scaleResolutionDownBy ?? 1) >= LARGE_ENOUGH * shown;
    }
    sender.setParameters(parameters).catch(() => undefined);
  }

  /** What the page shows: [{identity, track, height}]. */
  watch(tiles) {
    if (JSON.stringify(tiles) === JSON.stringify(this.tiles)) return;
    this.tiles = tiles;
    this.say();
  }

  /** A refusal would leave pictures as they were for as long as nothing changes here: so it is said until it is taken. */
  say() {
    clearTimeout(this.watching);
    if (this.over || !this.tiles || !this.pc.remoteDescription) return;
    this.ask('room.watch', { tiles: this.tiles }).catch(({ retryAfter }) => {
      clearTimeout(this.watching);
      this.watching = setTimeout(() => this.say(), Math.max(WATCH_AGAIN_MS, 1_000 * (retryAfter ?? 0)));
    });
  }

  /** The received track of a picture, or null. */
  picture(identity, track) {
    const place = this.places.find((each) => each.identity === identity && each.track === track);
    return this.receiving.find((each) => place && each.mid === place.mid)?.receiver.track ?? null;
  }

  close(code) {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    clearTimeout(this.watching);
    removeEventListener('online', this.onOnline);
    this.pc.close();
    this.emit('over', code);
  }
}
