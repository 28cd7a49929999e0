/** Sound before pictures: where the way is too weak for both, ours is turned off and the others' are not asked for; and it is said. */
const LOOK_MS = 2_000;
/** So many of the last five looks have to be bad: one bad second is none of anybody's business. */
const BAD_LOOKS = 3;
const LOOKS = 5;
const MOST_LOSS = 0.1;
const LEAST_BITS_PER_S = 120_000;

export class Saver extends EventTarget {
  /** Events: `changed`. `connection()`: the one that lives, or null; `pictures()`: are any sent or seen? */
  constructor(connection, pictures) {
    super();
    Object.assign(this, { connection, pictures });
    this.forget();
    setInterval(() => this.look(), LOOK_MS);
  }

  forget() {
    this.on = false;
    /** Did we turn it on, because the way is weak? */
    this.weak = false;
    this.looks = [];
    this.before = null;
  }

  set(on, weak = false) {
    if (on === this.on) return;
    this.on = on;
    this.weak = on && weak;
    this.looks = [];
    this.dispatchEvent(new Event('changed'));
  }

  async look() {
    const pc = this.connection()?.pc;
    if (this.on || pc?.connectionState !== 'connected' || !this.pictures()) {
      this.looks = [];
      return;
    }
    const bad = this.judge([...(await pc.getStats()).values()]);
    this.looks = [...this.looks, bad].slice(-LOOKS);
    if (this.looks.filter(Boolean).length >= BAD_LOOKS) this.set(true, true);
  }

  /** Is the way bad just now: much of the sound lost, either way, or no room for pictures? */
  judge(stats) {
    const heard = stats.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
    const told = stats.find(({ type, kind }) => type === 'remote-inbound-rtp' && kind === 'audio');
    const pair = stats.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
    const now = heard ? { id: heard.ssrc, lost: heard.packetsLost, received: heard.packetsReceived } : null;
    const { before } = this;
    this.before = now;
    const came = now && before && now.id === before.id ? { lost: now.lost - before.lost, received: now.received - before.received } : { lost: 0, received: 0 };
    const loss = came.lost > 0 ? came.lost / (came.lost + Math.max(0, came.received)) : 0;
    const room = pair?.availableOutgoingBitrate;
    return loss > MOST_LOSS || (told?.fractionLost ?? 0) > MOST_LOSS || (room !== undefined && room < LEAST_BITS_PER_S);
  }
}
