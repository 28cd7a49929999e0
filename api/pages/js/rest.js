/** REST for pages, in the name of who is signed in. */
import { Refusal, forget, session } from './session.js';

const LONGEST_WAIT_S = 5;
/** How many answers are waited for. `html[data-asking]` meanwhile, so that whoever looks on knows when a page has what it shows. */
let asked = 0;

function count(more) {
  asked += more;
  document.documentElement.toggleAttribute('data-asking', asked > 0);
}

/** The answer of REST, or a thrown `Refusal` with all that was `answer`ed. `more`: headers. Who is signed in and was faster than the limits allow is served a moment later. */
export async function ask(method, path, body, more = {}) {
  count(1);
  try {
    return await answerTo(method, path, body, more, 3);
  } finally {
    // What came is drawn first.
    setTimeout(() => count(-1));
  }
}

async function answerTo(method, path, body, more, tries) {
  const headers = { 'accept-language': document.documentElement.lang, ...more, ...(body && { 'content-type': 'application/json' }), ...(session.peek() && { authorization: `Bearer ${session.peek().token}` }) };
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Refusal({ code: 'server_unreachable' });
  }
  const said = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const wait = said.error?.retry_after;
  if (answer.status === 429 && session.peek() && wait <= LONGEST_WAIT_S && tries > 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * wait + 100));
    return answerTo(method, path, body, more, tries - 1);
  }
  const refusal = Object.assign(new Refusal(said.error ?? { code: 'unknown' }), { answer: said });
  if (refusal.code.startsWith('token_')) forget(refusal.code);
  throw refusal;
}
