/** Calls that were: found by number, agent, queue, time and how they sounded; one leads to its page. */
import { Telephone } from '../kit/telephone.js';
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { brief, length } from '../kit/formats.js';
import { session } from '../js/session.js';
import { Badge, Button, Field, More, Switch, Table, ask, explain, html, say, t, tell } from './kit.js';
import { titleOf } from './live.js';
import { Mos } from './rows.js';
import { TONES, grade } from './verdict.js';

/** What is looked for, kept while the page is open. */
const sought = signal({ number: '', agent: '', queue: '', from: '', to: '', bad: false });
const found = signal(null);
const more = signal(null);

const query = (cursor) => {
  const { bad, from, to, ...words } = sought.peek();
  const asked = Object.entries({ ...words, from: from && new Date(from).toISOString(), to: to && new Date(to).toISOString(), bad: bad && 'true', cursor });
  return new URLSearchParams(asked.filter(([, value]) => value)).toString();
};

async function search(cursor) {
  const page = await ask('GET', `/api/v1/calls?${query(cursor)}`);
  found.value = cursor ? [...found.peek(), ...page.calls] : page.calls;
  more.value = page.next;
  say(t('history.found', { count: found.peek().length }));
}

/** The records of this time, agent and queue as a file. */
async function download() {
  const { agent, queue, from, to } = sought.peek();
  const asked = Object.entries({ kind: 'call', format: 'csv', agent, queue, from: from && new Date(from).toISOString(), to: to && new Date(to).toISOString() });
  const answer = await fetch(`/api/v1/calls/records?${new URLSearchParams(asked.filter(([, value]) => value))}`, { headers: { authorization: `Bearer ${session.peek()?.token}` } }).catch(() => null);
  if (!answer?.ok) return say(explain('server_unreachable'));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = 'calls.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}

const tone = (call) => (call.quality_cause === 'silent' ? 'bad' : grade(call.mos_p10));

export function History() {
  const [busy, setBusy] = useState(false);
  const look = async (event) => {
    event?.preventDefault();
    setBusy(true);
    await tell(() => search());
    setBusy(false);
  };
  useEffect(() => {
    if (!found.peek()) look();
  }, []);
  const field = (name, type = 'text') => html`<input type=${type} data-field=${name} value=${sought.value[name]} maxlength="80" onInput=${(event) => (sought.value = { ...sought.peek(), [name]: event.currentTarget.value })} />`;
  const columns = [
    { id: 'at', title: t('history.at'), draw: (call) => brief(call.started_at), sort: (call) => call.started_at },
    { id: 'customer', title: t('column.customer'), draw: (call) => html`${call.caller_name && html`<bdi>${call.caller_name}</bdi> · `}<${Telephone} text=${call.direction === 'in' ? call.caller : call.called} />` },
    { id: 'way', title: t('history.way'), draw: (call) => t(`direction.${call.direction}`) },
    { id: 'agent', title: t('column.agent'), draw: (call) => call.answered_by || call.agent, sort: (call) => call.answered_by || call.agent },
    { id: 'queue', title: t('column.queue'), draw: (call) => titleOf(call.queue), sort: (call) => call.queue },
    { id: 'length', title: t('column.length'), end: true, draw: (call) => (call.ended_at ? length(call.ended_at - call.started_at) : t('fact.running')), sort: (call) => (call.ended_at ?? Infinity) - call.started_at },
    { id: 'mos', title: t('history.mos'), end: true, draw: (call) => html`<${Mos} mos=${call.mos_p50} /> / <${Mos} mos=${call.mos_p10} />`, sort: (call) => call.mos_p10 ?? 9 },
    { id: 'verdict', title: t('column.verdict'), draw: (call) => html`<${Badge} tone=${TONES[tone(call)]}>${t(`grade.${tone(call)}`)}<//>` },
    { id: 'cause', title: t('column.cause'), draw: (call) => (call.quality_hop ? t('fault', { hop: t(`hop.${call.quality_hop}`), cause: t(`cause.${call.quality_cause}`) }) : '') },
  ];
  return html`
    <form class="kit-form two" data-part="search" onSubmit=${look}>
      <${Field} label=${t('history.number')}>${field('number', 'tel')}<//>
      <${Field} label=${t('history.agent')}>${field('agent')}<//>
      <${Field} label=${t('history.queue')}>${field('queue')}<//>
      <${Field} label=${t('history.from')}>${field('from', 'datetime-local')}<//>
      <${Field} label=${t('history.to')}>${field('to', 'datetime-local')}<//>
      <div class="search-end">
        <${Switch} label=${t('history.bad')} data-field="bad" on=${sought.value.bad} onChange=${(bad) => (sought.value = { ...sought.peek(), bad })} />
        <div class="acts"><${Button} kind="primary" type="submit" data-do="search" busy=${busy}>${t('history.search')}<//><${Button} data-do="csv" onClick=${download}>${t('history.csv')}<//></div>
      </div>
    </form>
    ${found.value && html`<${Table} data-part="found" caption=${t('view.history')} columns=${columns} rows=${found.value} id=${(call) => call.call_id} empty=${t('history.none')} onOpen=${(call) => (location.hash = call.call_id)} />`}
    <${More} cursor=${more.value} onMore=${(cursor) => tell(() => search(cursor))} />
  `;
}
