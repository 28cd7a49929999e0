/**
 * One participant's connection: a WebSocket for words, one RTCPeerConnection for sound and pictures.
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
/** Refusals of an offer that say this connection is no more at the server. */
const GONE = new Set(['peer_closed', 'certificate_changed', 'unknown_leg', 'unknown_room']);
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

export class Connection extends EventTarget {
  constructor(token, name) {
    super();
    this.token = token;
    this.name = name;
    this.person = '';
    this.places = [];
    this.sending = {};
    this.heights = {};
    this.receiving = [];
    this.tiles = null;
    this.queue = Promise.resolve();
    this.waiting = null;
    this.over = false;
    this.open();
  }

  open() {
    this.id = drawId();
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
    this.audio = this.pc.addTransceiver('audio', { direction: 'sendrecv' });
    this.pc.addEventListener('connectionstatechange', () => this.emit('state', this.pc.connectionState));
    this.pc.addEventListener('iceconnectionstatechange', () => this.pc.iceConnectionState === 'failed' && this.offer({ iceRestart: true }));
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/consultations/socket`);
    this.socket = socket;
    socket.addEventListener('open', () => this.say({ type: 'join', token: this.token, name: this.name }));
    socket.addEventListener('message', ({ data }) => this.hear(JSON.parse(data)));
    socket.addEventListener('close', () => this.close('lost'));
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  hear(told) {
    if (told.type === 'welcome') {
      this.person = told.person;
      this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers: told.ice_servers });
      this.emit('welcome');
      this.offer();
    } else if (told.type === 'answer' || told.type === 'refused') {
      this.waiting?.(told);
      if (GONE.has(told.code)) this.close('lost');
      else if (told.type === 'refused') this.emit('refused', told.code);
    } else if (told.type === 'shown') {
      this.places = told.places;
      this.emit('shown');
    } else if (told.type === 'offer_wanted' && !told.lines) {
      this.close('lost');
    } else if (told.type === 'offer_wanted') {
      while (this.receiving.length < Math.min(told.lines, MOST_LINES)) this.receive();
      this.offer();
    } else if (told.type === 'watched') {
      this.heights[told.track] = told.height;
      this.rest(told.track);
    } else if (told.type === 'people') {
      this.emit('people', told.people);
    } else if (told.type === 'speaker') {
      this.emit('speaker', told.person);
    } else if (told.type === 'closing') {
      this.close(told.code);
    }
  }

  receive() {
    const transceiver = this.pc.addTransceiver('video', { direction: 'recvonly' });
    restrict(transceiver);
    this.receiving.push(transceiver);
  }

  /** Offer anew, after what is under way. */
  offer({ iceRestart = false } = {}) {
    this.queue = this.queue.then(() => this.negotiate(iceRestart)).catch((error) => this.emit('refused', error.name));
    return this.queue;
  }

  async negotiate(iceRestart) {
    if (this.over || !this.person) return;
    await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart }));
    const tracks = {};
    for (const [track, transceiver] of Object.entries(this.sending)) {
      if (transceiver.direction === 'sendonly') tracks[transceiver.mid] = track;
    }
    const answered = await new Promise((resolve) => {
      this.waiting = resolve;
      this.say({ type: 'offer', peer_id: this.id, sdp: this.pc.localDescription.sdp, tracks });
    });
    this.waiting = null;
    if (this.over) return;
    if (answered.type === 'refused') {
      await this.pc.setLocalDescription({ type: 'rollback' });
      return;
    }
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answered.sdp });
    this.emit('shown');
    for (const name of Object.keys(this.sending)) this.rest(name);
    if (this.tiles) this.say({ type: 'watch', tiles: this.tiles });
  }

  /** The microphone's track, or null. */
  speak(track) {
    this.audio.sender.replaceTrack(track);
  }

  /** Send a picture (`camera` or `screen`), or stop sending it: null. */
  async send(name, track) {
    const known = this.sending[name];
    if (known) {
      await known.sender.replaceTrack(track);
      known.direction = track ? 'sendonly' : 'inactive';
    } else if (track) {
      const sendEncodings = name === 'camera' ? LAYERS : [{ maxBitrate: 2_500_000 }];
      this.sending[name] = this.pc.addTransceiver(track, { direction: 'sendonly', sendEncodings });
      restrict(this.sending[name]);
    }
    return this.offer();
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

  /** What the page shows: [{person, track, height}]. */
  watch(tiles) {
    if (JSON.stringify(tiles) === JSON.stringify(this.tiles)) return;
    this.tiles = tiles;
    this.say({ type: 'watch', tiles });
  }

  /** The received track of a picture, or null. */
  picture(person, track) {
    const place = this.places.find((each) => each.person === person && each.track === track);
    return this.receiving.find((each) => place && each.mid === place.mid)?.receiver.track ?? null;
  }

  close(code) {
    if (this.over) return;
    this.over = true;
    this.waiting?.({ type: 'refused' });
    this.say({ type: 'leave' });
    this.socket.close();
    this.pc.close();
    this.emit('over', code);
  }
}
