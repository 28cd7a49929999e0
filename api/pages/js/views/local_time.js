/** What time it is where the other side is, if that is another time than here. Loaded with the first call. */
import { useEffect } from 'preact/hooks';
import { alsoSpeak, countryName, hourIn, t } from '../catalogue.js';
import { link } from '../link.js';
import { look, numberOf } from '../numbers.js';
import { now } from '../state.js';
import { html } from './html.js';
import { useTicks } from './ticks.js';

await alsoSpeak('calls');

const EVERY_MS = 10_000;

export function LocalTime({ number }) {
  const up = link.value === 'up';
  useEffect(() => {
    if (up) look(number);
  }, [number, up]);
  const known = numberOf(number);
  useTicks(EVERY_MS, known?.zone);
  if (!known?.zone || hourIn(known.zone, now()) === hourIn(undefined, now())) return null;
  return html`<p class="fine" data-part="local-time">${t('call.local_time', { time: hourIn(known.zone, now()), country: countryName(known.region) })}</p>`;
}
