/** Who is signed in. The token lives in this tab alone (sessionStorage) and survives its reload. */
import { signal } from '@preact/signals';

const KEPT = 'centralita.session';
const BACK = 'centralita.back';

/** A request not done: `code` for the page, `message` for the person, `retryAfter` in s. */
export class Refusal extends Error {
  constructor({ code, message = '', retry_after: retryAfter = null }) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** When a session ends, on this computer's clock. */
const endOf = (held) => held.got_at + held.expires_in;

function kept() {
  const text = sessionStorage.getItem(KEPT);
  const session = text ? JSON.parse(text) : null;
  return session && endOf(session) > Date.now() / 1000 ? session : null;
}

/** `{token, identity, name, role, expires_at, expires_in, got_at}` or null. */
export const session = signal(kept());
/** Why the sign-in page is shown: null, `signed_out` or a refusal's code. */
export const ended = signal(null);
/** The session is over and something goes on that must not be dropped for that: who sat here signs in again beside it. */
export const lapsed = signal(false);
let mustGoOn = () => false;

/** `goesOn()`: is there something on this page that a session's end must not take away, as a call? */
export const keepGoing = (goesOn) => (mustGoOn = goesOn);

/** Keep a new or renewed session. */
export function keep(fresh) {
  session.value = { ...fresh, got_at: Date.now() / 1000 };
  sessionStorage.setItem(KEPT, JSON.stringify(session.value));
  ended.value = null;
  lapsed.value = false;
}

/** Away to another issuer: the page of accounts, where people come back to, sends them on to this one. */
export const leaveForIssuer = () => sessionStorage.setItem(BACK, location.pathname);

/** The page that somebody left for the issuer, once; or null. */
export function pageLeft() {
  const page = sessionStorage.getItem(BACK);
  sessionStorage.removeItem(BACK);
  return page;
}

/** Forget the session; `why` is shown on the sign-in page. */
export function forget(why) {
  if (why === 'signed_out') fetch('/api/v1/sign-out', { method: 'POST', headers: { authorization: `Bearer ${session.peek().token}` } }).catch(() => {});
  sessionStorage.removeItem(KEPT);
  ended.value = why;
  lapsed.value = why !== 'signed_out' && session.peek() !== null && mustGoOn();
  if (!lapsed.peek()) session.value = null;
}

/** Keeps a session, or throws a `Refusal`. `code`: of the second factor, or a recovery code; empty where none was asked for. */
export async function signIn(user, password, code) {
  let answer;
  try {
    answer = await fetch('/api/v1/sign-in', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user, password, ...(code && { code }) }),
    });
  } catch {
    throw new Refusal({ code: 'server_unreachable' });
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(body.error ?? { code: answer.status >= 500 ? 'server_failed' : 'unknown' });
  keep(body);
}
