/** What this browser asks when a page wants camera and microphone, and where one undoes a "no": the ids of the texts that say so. */
const AGENTS = [
  ['firefox', /firefox|fxios/i],
  ['iphone', /iphone|ipad|ipod/i],
  ['android', /android/i],
  ['safari', /^(?!.*(?:chrome|chromium|edg)).*safari/i],
];

/** `firefox`, `iphone`, `android`, `safari`, or `chrome` for all that are made like it. */
export const browser = AGENTS.find(([, looks]) => looks.test(navigator.userAgent))?.[0] ?? 'chrome';

/** Was one of them refused on an earlier visit? Then the browser asks no more. Browsers that do not say count as "not". */
export async function refusedBefore() {
  const states = await Promise.all(
    ['camera', 'microphone'].map((name) => navigator.permissions?.query({ name }).then(({ state }) => state === 'denied', () => false)),
  );
  return states.some(Boolean);
}
