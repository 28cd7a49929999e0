/** One signed-in connection of a visitor: requests with their answers, notices as they come. It comes back by itself, and renews its token. */
import { io } from 'socket.io-client';
import { Refusal } from '../js/session.js';

const ANSWER_WITHIN_MS = 10_000;
const RENEW_AT = 0.6;
const OVER = new Set(['token_expired', 'token_invalid', 'token_revoked']);

export class Line {
  /** `session`: of the server; `onNotice(notice)`; `onUp(isUp)`; `onOver(refusal)`: this session is over. */
  constructor(session, { onNotice, onUp = () => {}, onOver = () => {} }) {
    this.session = session;
    this.seen = {};
    this.onOver = onOver;
    this.socket = io({
      auth: (give) => give({ token: this.session.token, seen: this.seen, phone: false }),
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 300,
      reconnectionDelayMax: 3_000,
    });
    this.socket.on('connect', () => this.plan());
    this.socket.on('disconnect', (reason) => {
      onUp(false);
      // The server closed on purpose: socket.io leaves it to us to come back.
      if (reason === 'io server disconnect') this.again(1);
    });
    this.socket.on('connect_error', (error) => {
      if (OVER.has(error.data?.code)) this.end(new Refusal(error.data));
      else if (!this.socket.active) this.again(error.data?.retry_after ?? 2);
    });
    this.socket.on('notice', (notice) => {
      if (notice.type === 'session.closing' && OVER.has(notice.code)) this.end(new Refusal(notice));
      this.seen[notice.topic] = notice.seq;
      if (notice.type === 'session.snapshot') {
        Object.assign(this.seen, notice.seen);
        onUp(true);
      } else onNotice(notice);
    });
  }

  again(seconds) {
    setTimeout(() => this.socket?.connect(), seconds * 1000);
  }

  plan() {
    clearTimeout(this.renewal);
    this.renewal = setTimeout(async () => {
      try {
        this.session = await this.ask('session.refresh');
        this.plan();
      } catch (refusal) {
        if (!(refusal instanceof Refusal)) throw refusal;
        if (OVER.has(refusal.code)) this.end(refusal);
        else this.renewal = setTimeout(() => this.plan(), 5_000);
      }
    }, this.session.expires_in * RENEW_AT * 1000);
  }

  /** Resolves with the result, rejects with a `Refusal`. */
  async ask(type, payload = {}) {
    if (!this.socket?.connected) throw new Refusal({ code: 'signalling_lost' });
    let answer;
    try {
      answer = await this.socket.timeout(ANSWER_WITHIN_MS).emitWithAck(type, payload);
    } catch {
      throw new Refusal({ code: 'no_reply' });
    }
    if (answer?.error) throw new Refusal(answer.error);
    return answer?.ok ?? {};
  }

  end(refusal) {
    this.close();
    this.onOver(refusal);
  }

  close() {
    clearTimeout(this.renewal);
    this.socket?.removeAllListeners();
    this.socket?.disconnect();
    this.socket = null;
  }
}
