/** How well do both sides hear each other, in bars and in words; the numbers are in the details. */
import { useEffect, useState } from 'preact/hooks';
import { figure, has, percent, t } from '../catalogue.js';
import { peers } from '../phone.js';
import { quality } from '../state.js';
import { html } from './html.js';

const SIDES = ['agent', 'phone'];
/** MOS from which a bar is lit, per scale of the E-model (G.107 narrowband tops out near 4.4, wideband and fullband near 4.5). */
const STEPS = [1.5, 2.8, 3.5, 4.0];
const LOOK_EVERY_MS = 1_000;

const lit = (mos) => STEPS.filter((step) => mos >= step).length;

function Side({ leg }) {
  const measured = leg.mos !== null && leg.cause !== 'unclassified';
  const bars = measured ? lit(leg.mos) : 0;
  const id = `quality.cause.${leg.side}.${leg.cause}`;
  const reason = t(has(id) ? id : 'quality.cause.unknown');
  const words = measured ? t('quality.mos', { mos: figure(leg.mos, 1) }) : t('quality.unmeasured');
  return html`
    <div class="side" data-side=${leg.side} data-cause=${leg.cause} data-level=${bars}>
      <span class="side-name">${t(`quality.${leg.side}`)}</span>
      <span class="bars" data-lit=${bars} aria-hidden="true"><i></i><i></i><i></i><i></i></span>
      <span class="side-mos">${words}</span>
      <span class="side-reason">${reason}</span>
    </div>
  `;
}

export function Quality({ call }) {
  const legs = quality.value[call.call_id]?.legs ?? [];
  const shown = SIDES.map((side) => legs.find((leg) => leg.side === side)).filter(Boolean);
  if (!shown.length) return null;
  return html`<div class="quality" role="group" aria-label=${t('quality.title')}>${shown.map((leg) => html`<${Side} key=${leg.side} leg=${leg} />`)}</div>`;
}

const milliseconds = (value) => (value === null || value === undefined ? t('details.none') : t('details.ms', { ms: figure(value) }));
const share = (value) => (value === null || value === undefined ? t('details.none') : percent(value));

function LegRows({ leg, codec }) {
  const rows = [
    ['codec', codec ?? t('details.none')],
    ['loss', share(leg.loss)],
    ['jitter', milliseconds(leg.jitter_ms)],
    ['round_trip', milliseconds(leg.round_trip_ms)],
    ['concealed', milliseconds(leg.concealed_ms)],
    ['discarded', figure(leg.discarded)],
    ['level', leg.level_dbfs === null ? t('details.none') : t('details.dbfs', { level: figure(leg.level_dbfs) })],
    ['mos', leg.mos === null ? t('details.none') : t('details.mos_value', { mos: figure(leg.mos, 2), r: figure(leg.r ?? 0), scale: t(`details.scale.${leg.scale}`) })],
  ];
  return html`
    <table>
      <caption>${t(`details.from.${leg.side}`)}</caption>
      <tbody>${rows.map(([id, value]) => html`<tr key=${id}><th scope="row">${t(`details.${id}`)}</th><td>${value}</td></tr>`)}</tbody>
    </table>
  `;
}

/** What this browser counts of what it hears, looked at each second while shown. */
function OwnRows({ peer }) {
  const [own, setOwn] = useState(null);
  useEffect(() => {
    const look = async () => setOwn(await peer.counters());
    look();
    const timer = setInterval(look, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [peer]);
  if (!own?.inbound) return null;
  const { inbound, pair, codec } = own;
  const buffered = inbound.jitterBufferEmittedCount ? (inbound.jitterBufferDelay / inbound.jitterBufferEmittedCount) * 1000 : null;
  const concealed = inbound.totalSamplesReceived ? inbound.concealedSamples / inbound.totalSamplesReceived : null;
  const rows = [
    ['codec', codec?.mimeType.replace('audio/', '') ?? t('details.none')],
    ['packets', figure(inbound.packetsReceived)],
    ['lost', figure(inbound.packetsLost)],
    ['jitter', milliseconds((inbound.jitter ?? 0) * 1000)],
    ['buffer', milliseconds(buffered)],
    ['concealed_share', share(concealed)],
    ['round_trip', milliseconds(pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000)],
  ];
  return html`
    <table>
      <caption>${t('details.from.server')}</caption>
      <tbody>${rows.map(([id, value]) => html`<tr key=${id}><th scope="row">${t(`details.${id}`)}</th><td>${value}</td></tr>`)}</tbody>
    </table>
  `;
}

export function Details({ call }) {
  const [shown, setShown] = useState(false);
  const legs = quality.value[call.call_id]?.legs ?? [];
  const peer = peers.value[call.call_id];
  return html`
    <details class="details" onToggle=${(event) => setShown(event.currentTarget.open)}>
      <summary>${t('details.title')}</summary>
      ${shown &&
      html`
        <div class="tables">
          ${legs.map((leg) => html`<${LegRows} key=${leg.side} leg=${leg} codec=${call.codecs[leg.side]} />`)}
          ${peer && html`<${OwnRows} peer=${peer} />`}
        </div>
      `}
    </details>
  `;
}
