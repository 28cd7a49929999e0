/** Times, money, rows and what is on offer, as the parts of this page share them. */
import { notation, stamp, time } from '../kit/formats.js';
import { ask } from '../js/rest.js';

const FRESH_MS = 30_000;
let offer = null;

/** Tours and departures, asked for again when they are half a minute old, or when `fresh` ones are wanted. */
export async function onOffer(fresh = false) {
  if (fresh || !offer || Date.now() - offer.at > FRESH_MS) {
    const [{ tours }, { departures }] = await Promise.all([ask('GET', '/api/v1/tours'), ask('GET', '/api/v1/departures')]);
    offer = { tours, departures, at: Date.now() };
  }
  return offer;
}

export const language = () => document.documentElement.lang;
export { stamp as when, time };
export const day = (at, zone) => new Date(at * 1000).toLocaleDateString(notation(), { dateStyle: 'medium', timeZone: zone });
export const money = (cents, currency) => new Intl.NumberFormat(notation(), { style: 'currency', currency }).format(cents / 100);
export const title = (each) => (language() === 'es' ? each.title_es : each.title_en);

export function element(name, text, set = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  Object.assign(made, set);
  return made;
}

export const link = (href, words) => element('a', words, { href });

export function row(...parts) {
  const item = document.createElement('li');
  item.append(...parts.filter(Boolean));
  return item;
}
