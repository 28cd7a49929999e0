/** The lines to the outside, how each stands, and a test call through one that tells what was heard; and the attached 3CX. */
import { useRef, useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, has, html, Refusal, say, session, t } from '../kit/page.js';
import { Badge, Button, Card, Choice, Empty, Figure, Figures, Notice } from '../kit/parts.js';
import { Facts, FormFault, Listing, Loaded, quietly, TextField, useAsked, useForm, worded } from './shared.js';

const TONES = { dialling: 'neutral', ringing: 'neutral', answered: 'warn', heard: 'good', silent: 'bad', refused: 'bad' };
const OVER = ['heard', 'silent', 'refused'];

/** Each state of a test call as it comes: a line of JSON each. Raises `Refusal`. */
async function* stepsOf(trunk, number, signal) {
  let answer;
  try {
    answer = await fetch(`/api/v1/lines/${encodeURIComponent(trunk)}/try`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${session.peek().token}` },
      body: JSON.stringify({ number }),
      signal,
    });
  } catch (fault) {
    if (fault.name === 'AbortError') return;
    throw new Refusal({ code: 'server_unreachable' });
  }
  if (!answer.ok) throw new Refusal((await answer.json().catch(() => ({}))).error ?? { code: 'unknown' });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (held + value).split('\n');
      held = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
  } catch (fault) {
    if (fault.name !== 'AbortError') throw new Refusal({ code: 'server_unreachable' });
  }
}

const seconds = (value) => (value === null ? '' : t('seconds', { seconds: formats.number(value, 1) }));

function Tried({ tried }) {
  return html`
    <div class="admin-result" data-part="tried" data-state=${tried.state}>
      <p><${Badge} tone=${TONES[tried.state]}>${t(`trial.${tried.state}`)}<//> <strong dir="ltr">${tried.number}</strong> <span class="fine">${t('trial.by', { line: tried.line })}</span></p>
      ${tried.cause && tried.cause !== 'completed' && html`<${Notice} tone="bad">${worded('cause', tried.cause, has)}${tried.sip ? ` (SIP ${tried.sip})` : ''}${tried.detail ? `: ${tried.detail}` : ''}<//>`}
      ${tried.cause === 'completed' && tried.detail && html`<p class="fine">${tried.detail}</p>`}
      ${tried.state === 'silent' && html`<${Notice} tone="bad">${t('trial.silent.do')}<//>`}
      <${Facts} rows=${[
        [t('trial.rang'), seconds(tried.rang_s)],
        [t('trial.answer'), seconds(tried.answered_s)],
        [t('trial.codec'), tried.codec],
        [t('trial.sound'), tried.packets ? t('trial.sound.some', { count: tried.heard_s, loudest: tried.loudest_dbfs === null ? '–' : formats.number(tried.loudest_dbfs) }) : ''],
        [t('trial.packets'), tried.packets ? formats.number(tried.packets) : ''],
        [t('trial.loss'), tried.loss === null ? '' : formats.percent(tried.loss)],
        [t('trial.jitter'), tried.jitter_ms === null ? '' : t('ms', { ms: formats.number(tried.jitter_ms, 1) })],
        [t('trial.round'), tried.round_trip_ms === null ? '' : t('ms', { ms: formats.number(tried.round_trip_ms) })],
        [t('trial.mos'), tried.mos === null ? '' : `${formats.number(tried.mos, 2)} ${tried.scale}`],
      ]} />
    </div>
  `;
}

function TestCall({ lines, onOver }) {
  const trunks = [...new Set(lines.map((line) => line.trunk))];
  const form = useForm({ trunk: trunks[0], number: '' });
  const [tried, setTried] = useState(null);
  const stop = useRef(null);
  const call = async ({ trunk, number }) => {
    stop.current = new AbortController();
    setTried(null);
    let last = null;
    for await (const step of stepsOf(trunk, number.trim(), stop.current.signal)) {
      last = step;
      setTried(step);
    }
    stop.current = null;
    if (last) say(t(`trial.${last.state}`));
    onOver();
  };
  return html`
    <${Card} title=${t('trial')}>
      <p>${t('trial.about')}</p>
      <form class="kit-form two" onSubmit=${form.submit(call)} data-part="test-call">
        <${Choice} name="trunk" label=${t('trial.line')} value=${form.values.trunk} options=${trunks.map((each) => [each, each])} onChange=${(value) => form.set('trunk', value)} />
        <${TextField} form=${form} name="number" label=${t('trial.number')} hint=${t(form.values.trunk === 'demo' ? 'trial.number.demo' : 'trial.number.hint')} type="tel" dir="ltr" required maxlength="64" autocomplete="off" />
        <div class="acts">
          <${Button} kind="primary" type="submit" icon="call" data-do="call" busy=${form.busy}>${t('trial.call')}<//>
          ${form.busy && html`<${Button} kind="bad" icon="end" data-do="stop" onClick=${() => stop.current?.abort()}>${t('trial.stop')}<//>`}
        </div>
        <${FormFault} form=${form} />
      </form>
      <div aria-live="polite">${tried && html`<${Tried} tried=${form.busy || OVER.includes(tried.state) ? tried : { ...tried, state: 'refused', cause: 'gave_up' }} />`}</div>
    <//>
  `;
}

const lineColumns = () => [
  { id: 'name', title: t('lines.name'), draw: (line) => html`<strong>${line.name}</strong>${line.trunk !== line.name && html`<br /><span class="fine">${line.trunk}</span>`}`, sort: (line) => line.name },
  { id: 'state', title: t('state'), draw: (line) => html`<${Badge} tone=${line.ready ? 'good' : 'bad'}>${t(line.ready ? 'lines.ready' : line.stuck ? 'lines.stuck' : 'lines.away')}<//>`, sort: (line) => Number(line.ready) },
  { id: 'detail', title: t('lines.detail'), draw: (line) => (line.ready && has(`lines.${line.trunk}`) && ['demo', 'web'].includes(line.trunk) ? t(`lines.${line.trunk}`) : html`<span lang="en">${line.detail}</span>`) },
  { id: 'calls', title: t('lines.calls'), draw: (line) => t('of', { some: formats.number(line.calls), all: formats.number(line.most_calls) }), sort: (line) => line.calls, end: true },
  { id: 'share', title: t('lines.share'), draw: (line) => formats.percent(line.share), sort: (line) => line.share, end: true },
];

function Pbx() {
  const asked = useAsked('/api/v1/pbx');
  const [busy, setBusy] = useState(false);
  const bring = async () => {
    setBusy(true);
    await quietly(async () => {
      const { extensions } = await ask('POST', '/api/v1/pbx/import', {});
      say(t('pbx.imported', { count: extensions }));
      asked.again();
    });
    setBusy(false);
  };
  return html`
    <${Card} title=${t('pbx')} actions=${html`<${Button} small busy=${busy} onClick=${bring}>${t('pbx.import')}<//>`}>
      <${Loaded} asked=${asked}>${(pbx) => html`
        ${pbx.trouble && html`<${Notice} tone="bad">${pbx.trouble}<//>`}
        <p><${Badge} tone=${pbx.events ? 'good' : 'bad'}>${t(pbx.events ? 'pbx.hears' : 'pbx.deaf')}<//> ${pbx.detail} <span class="fine">${[pbx.product, pbx.version].filter(Boolean).join(' ')}</span></p>
        <${Figures}>
          <${Figure} label=${t('lines.calls')} value=${pbx.most_calls ? t('of', { some: formats.number(pbx.calls), all: formats.number(pbx.most_calls) }) : formats.number(pbx.calls)} />
          <${Figure} label=${t('pbx.extensions')} value=${formats.number(pbx.extensions)} note=${pbx.imported_at ? formats.ago(pbx.imported_at) : ''} />
          <${Figure} label=${t('pbx.watched')} value=${formats.number(pbx.numbers_watched)} />
          <${Figure} label=${t('pbx.people')} value=${formats.number(pbx.people)} />
        <//>
      `}<//>
    <//>
  `;
}

export default function Trunks() {
  const asked = useAsked('/api/v1/lines');
  return html`
    <${Loaded} asked=${asked}>${({ lines, node, threecx }) => html`
      <${Card} title=${t('lines')} actions=${html`<${Button} small data-do="look" onClick=${asked.again}>${t('look_again')}<//>`}>
        ${node && html`<p class="fine">${t('lines.node', { node })}</p>`}
        <${Listing} caption=${t('lines')} columns=${lineColumns()} rows=${lines} id=${(line) => `${line.trunk} ${line.name}`} words=${(line) => [line.name, line.trunk, line.detail]} empty=${[t('lines.none'), t('lines.none.do')]} search=${lines.length > 5} />
      <//>
      ${lines.length > 0 && html`<${TestCall} lines=${lines} onOver=${asked.again} />`}
      ${threecx ? html`<${Pbx} />` : html`<${Card} title=${t('pbx')}><${Empty} title=${t('pbx.none')}>${t('pbx.none.do')}<//><//>`}
    `}<//>
  `;
}
