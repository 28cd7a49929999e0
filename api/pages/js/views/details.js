/** The numbers behind the bars, as the server and this browser count them. */
import { useEffect, useState } from 'preact/hooks';
import { figure, percent, t } from '../catalogue.js';
import { peers } from '../phone.js';
import { quality } from '../state.js';
import { html } from './html.js';

const LOOK_EVERY_MS = 1_000;

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

export function Tables({ call }) {
  const legs = quality.value[call.call_id]?.legs ?? [];
  const peer = peers.value[call.call_id];
  return html`
    <div class="tables">
      ${legs.map((leg) => html`<${LegRows} key=${leg.side} leg=${leg} codec=${call.codecs[leg.side]} />`)}
      ${peer && html`<${OwnRows} peer=${peer} />`}
    </div>
  `;
}
