/** What the page around us told us in our address, and what we tell it: nothing but whether to close, and whether a conversation goes on. */
const told = new URLSearchParams(location.hash.slice(1));

/** `{queue, lang, page, site}`, as somebody else's page says it: shown as that, believed by nobody. */
export const host = Object.fromEntries(['queue', 'lang', 'page', 'site'].map((name) => [name, (told.get(name) ?? '').slice(0, 300)]));

/** The browser lets only sites that the server names hold this page, so who holds it may hear this. */
export const tell = (event, more = {}) => window.parent !== window && host.site && window.parent.postMessage({ centralita: 1, event, ...more }, host.site);

/** REST without anybody signed in. */
export async function rest(method, path, body) {
  const { Refusal } = await import('../js/session.js');
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, { method, headers: body ? { 'content-type': 'application/json' } : {}, body: body && JSON.stringify(body) });
  } catch {
    throw new Refusal({ code: 'server_unreachable' });
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(said.error ?? { code: 'unknown' });
  return said;
}

const KEPT = `centralita.visit.${host.queue}`;
/** What a reload of the page around us leaves: lives in this tab alone. */
export const kept = {
  read: () => JSON.parse(sessionStorage.getItem(KEPT) ?? 'null'),
  write: (value) => (value ? sessionStorage.setItem(KEPT, JSON.stringify(value)) : sessionStorage.removeItem(KEPT)),
};
