/** Our microphone, camera and loudspeaker: chosen, remembered by label too (identifiers rotate), exchanged when one is unplugged. */
import { listen } from '../js/level.js';

const KEPT = 'centralita.consultation.devices';
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const VOICE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const QUIETEST_DBFS = -60;
/** Why a browser gives none, by the names of its errors. */
const FAULTS = { NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'missing', OverconstrainedError: 'missing', NotReadableError: 'busy', AbortError: 'busy' };

/** Events: `changed` when a track or the list is another one. `tracks.microphone` may be disabled (muted); `level` 0-1. */
export class Devices extends EventTarget {
  constructor() {
    super();
    this.tracks = { audioinput: null, videoinput: null };
    this.list = [];
    this.chosen = JSON.parse(localStorage.getItem(KEPT) ?? '{}');
    this.asked = false;
    /** Why there is none of a kind: `denied`, `missing`, `busy` (another program has it), `unsupported`; '' where there is one. */
    this.faults = { audioinput: '', videoinput: '' };
    this.level = 0;
    this.stopMeter = () => undefined;
    navigator.mediaDevices?.addEventListener('devicechange', () => this.asked && this.survey());
  }

  get microphone() {
    return this.tracks.audioinput;
  }

  get camera() {
    return this.tracks.videoinput;
  }

  /** Ask for both, or for what there is. */
  async open() {
    this.asked = true;
    for (const wanted of [['audioinput', 'videoinput'], ['audioinput'], ['videoinput']]) {
      if (await this.take(wanted)) break;
    }
    await this.survey();
  }

  /** False where the browser gives none of them. */
  async take(kinds) {
    const constraints = {};
    if (kinds.includes('audioinput')) constraints.audio = { ...VOICE, ...this.wish('audioinput') };
    if (kinds.includes('videoinput')) constraints.video = { ...CAMERA, ...this.wish('videoinput') };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(constraints);
    } catch (error) {
      for (const kind of kinds) this.faults[kind] = FAULTS[error.name] ?? (navigator.mediaDevices ? 'missing' : 'unsupported');
      return false;
    }
    for (const kind of kinds) this.faults[kind] = '';
    for (const track of stream.getTracks()) this.hold(track.kind === 'audio' ? 'audioinput' : 'videoinput', track);
    return true;
  }

  hold(kind, track) {
    const former = this.tracks[kind];
    if (former && track) track.enabled = former.enabled;
    this.tracks[kind] = track;
    former?.stop();
    track?.addEventListener('ended', () => track === this.tracks[kind] && this.renew(kind));
    if (kind === 'audioinput') this.meter(track);
    this.dispatchEvent(new Event('changed'));
  }

  async renew(kind) {
    this.hold(kind, null);
    await this.take([kind]);
    await this.survey();
  }

  meter(track) {
    this.stopMeter();
    this.level = 0;
    if (!track) return;
    const copy = track.clone();
    const stop = listen(copy, (dbfs) => {
      this.level = Math.max(0, 1 - dbfs / QUIETEST_DBFS);
    });
    this.stopMeter = () => {
      stop();
      copy.stop();
    };
  }

  /** The camera on or off; off gives it back, so that its lamp goes out. Resolves to whether it is as wanted. */
  async film(on) {
    if (!on) this.hold('videoinput', null);
    return !on || this.take(['videoinput']);
  }

  wish(kind) {
    const id = this.pick(kind);
    return id ? { deviceId: { ideal: id } } : {};
  }

  /** The identifier of the one chosen, else of the one of the same label, else ''. */
  pick(kind) {
    const wish = this.chosen[kind];
    const here = this.list.filter((device) => device.kind === kind);
    const found = here.find(({ deviceId }) => deviceId === wish?.id) ?? here.find(({ label }) => label && label === wish?.label);
    return found?.deviceId ?? (this.list.length ? '' : (wish?.id ?? ''));
  }

  async choose(kind, id) {
    const label = this.list.find((device) => device.kind === kind && device.deviceId === id)?.label ?? '';
    this.chosen[kind] = { id, label };
    localStorage.setItem(KEPT, JSON.stringify(this.chosen));
    if (kind === 'audiooutput') this.dispatchEvent(new Event('changed'));
    else if (this.tracks[kind]) await this.take([kind]);
  }

  async survey() {
    const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    this.list = found.filter(({ deviceId }) => deviceId && deviceId !== 'default' && deviceId !== 'communications');
    this.dispatchEvent(new Event('changed'));
  }

  close() {
    this.asked = false;
    this.stopMeter();
    for (const [kind, track] of Object.entries(this.tracks)) {
      this.tracks[kind] = null;
      track?.stop();
    }
  }
}
