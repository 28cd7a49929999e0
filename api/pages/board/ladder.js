/** What went over the wire of a call's legs: its SIP messages, each with its headers, and the way that each browser's packets took. */
import { number, time } from '../kit/formats.js';
import { Badge, Notice, Skeleton, Table, explain, html, t } from './kit.js';

function Message({ rung }) {
  const marks = html`${rung.sdp ? html` <${Badge}>SDP<//>` : ''}${rung.status >= 400 ? html` <${Badge} tone="bad">${t('ladder.refused')}<//>` : ''}`;
  if (!rung.headers.length) return html`<code>${rung.line}</code>${marks}`;
  return html`
    <details class="rung">
      <summary><code>${rung.line}</code>${marks}</summary>
      <dl class="headers">${rung.headers.map(([name, value], at) => html`<div key=${at}><dt>${name}</dt><dd><code>${value}</code></dd></div>`)}</dl>
      ${rung.described.length > 0 && html`<pre class="described" tabindex="0" role="group" aria-label="SDP">${rung.described.join('\n')}</pre>`}
    </details>
  `;
}

export function Ladder({ answer: { value, refusal }, legs }) {
  if (refusal) return html`<${Notice} tone="warn">${explain(refusal)}<//>`;
  if (!value) return html`<${Skeleton} lines=${3} />`;
  if (!value.kept) return html`<p class="fine">${t('ladder.none')}</p>`;
  const party = (id) => legs.find((leg) => leg.leg_id === id)?.party ?? id;
  const begin = value.rungs[0].at;
  const columns = [
    { id: 'at', title: t('ladder.at'), draw: (rung) => `+${number(rung.at - begin, 3)} s`, end: true },
    { id: 'way', title: t('ladder.way'), draw: (rung) => html`<span class=${rung.sent ? 'sent' : 'came'}>${rung.sent ? `${t('ladder.us')} → ${rung.peer}` : `${rung.peer} → ${t('ladder.us')}`}</span>` },
    { id: 'line', title: t('ladder.line'), draw: (rung) => html`<${Message} rung=${rung} />` },
    { id: 'cseq', title: 'CSeq', draw: (rung) => rung.cseq },
    { id: 'leg', title: t('ladder.leg'), draw: (rung) => party(rung.leg_id) },
  ];
  const rows = value.rungs.map((rung, at) => ({ ...rung, at_row: at }));
  return html`
    <${Table} caption=${t('table.of', { what: t('ladder.title') })} columns=${columns} rows=${rows} id=${(rung) => rung.at_row} />
    ${value.left_out > 0 && html`<p class="fine">${t('ladder.left_out', { count: value.left_out })}</p>`}
  `;
}

/** A way in words: straight over UDP, or over a relay by TLS. */
export function wayWords(path) {
  const by = (path.relay || path.protocol).toUpperCase();
  return path.local === 'relay' ? t('ice.relayed', { by }) : t('ice.straight', { by });
}

/** The way of each browser's packets from when on; an address is in none of it. */
export function Paths({ answer: { value }, legs }) {
  if (!value) return html`<${Skeleton} lines=${1} />`;
  if (!value.paths.length) return html`<p class="fine">${t('ice.none')}</p>`;
  const party = (id) => legs.find((leg) => leg.leg_id === id)?.party ?? id;
  const columns = [
    { id: 'at', title: t('ice.since'), draw: (path) => time(path.at) },
    { id: 'leg', title: t('ladder.leg'), draw: (path) => (path.connection > 1 ? t('ice.again', { party: party(path.leg_id), count: path.connection }) : party(path.leg_id)) },
    { id: 'way', title: t('ice.way'), draw: (path) => html`<${Badge} tone=${path.local === 'relay' || path.protocol === 'tcp' ? 'warn' : 'good'}>${wayWords(path)}<//>` },
    { id: 'local', title: t('ice.local'), draw: (path) => t(`candidate.${path.local}`) },
    { id: 'remote', title: t('ice.remote'), draw: (path) => t(`candidate.${path.remote}`) },
    { id: 'family', title: t('ice.family'), draw: (path) => ({ ipv4: 'IPv4', ipv6: 'IPv6' })[path.family] ?? '–' },
    { id: 'network', title: t('ice.network'), draw: (path) => (path.network === 'unknown' ? '–' : t(`network.${path.network}`)) },
  ];
  const rows = value.paths.map((path, at) => ({ ...path, at_row: at }));
  return html`<div data-part="paths"><${Table} caption=${t('table.of', { what: t('ice.title') })} columns=${columns} rows=${rows} id=${(path) => path.at_row} /></div>`;
}
