/** What is to be written at other systems and could not be; and the receivers of webhooks, who are posted what happens. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, has, html, say, t } from '../kit/page.js';
import { Badge, Button, Card, Confirm, Dialog, Notice, Tabs } from '../kit/parts.js';
import { Facts, FormFault, Listing, Loaded, quietly, TextField, useAsked, useForm, usePages, worded } from './shared.js';

const STATES = ['dead', 'waiting', 'done', 'dropped'];
const TONES = { dead: 'bad', waiting: 'warn', done: 'good', dropped: 'neutral' };
const entryPath = (entry) => `/api/v1/outbox/${encodeURIComponent(entry.entry_id)}`;

function Entry({ entry, onDone, onClose }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const retry = async () => {
    setBusy(true);
    await quietly(async () => {
      await ask('POST', `${entryPath(entry)}/retry`, {});
      onDone(t('outbox.retried'));
    });
    setBusy(false);
  };
  const drop = async () => {
    await ask('DELETE', entryPath(entry));
    onDone(t('outbox.dropped.done'));
  };
  return html`
    <${Dialog} title=${worded('outbox.kind', entry.kind, has)} onClose=${onClose} data-part="entry">
      ${entry.fault && html`<${Notice} tone=${entry.state === 'dead' ? 'bad' : 'warn'}><strong>${t('outbox.why')}</strong><br />${entry.fault}<//>`}
      <${Facts} rows=${[
        [t('state'), html`<${Badge} tone=${TONES[entry.state]}>${t(`outbox.${entry.state}`)}<//>`],
        [t('outbox.where'), entry.backend],
        [t('outbox.about'), entry.subject],
        [t('outbox.call'), entry.call_id],
        [t('outbox.tries'), formats.number(entry.attempts)],
        [t('outbox.since'), formats.moment(entry.created_at)],
        [t('outbox.due'), entry.state === 'waiting' ? formats.moment(entry.due_at) : ''],
        [t('outbox.ended'), entry.ended_at && formats.moment(entry.ended_at)],
        [t('outbox.needs'), entry.needs],
        [t('outbox.id'), html`<code>${entry.entry_id}</code>`],
      ]} />
      <div class="acts end">
        ${['dead', 'waiting'].includes(entry.state) && html`<${Button} kind="bad" data-do="drop" onClick=${() => setAsking(true)}>${t('outbox.drop')}<//>`}
        ${entry.state === 'dead' && html`<${Button} kind="primary" data-do="retry" busy=${busy} onClick=${retry}>${t('outbox.retry')}<//>`}
      </div>
      ${asking && html`<${Confirm} title=${t('outbox.drop')} say=${t('outbox.drop.say')} doing=${t('outbox.drop')} onYes=${drop} onClose=${() => setAsking(false)} />`}
    <//>
  `;
}

function Letters() {
  const [state, setState] = useState('dead');
  const [counts, setCounts] = useState({});
  const [open, setOpen] = useState(null);
  const pages = usePages(async (cursor) => {
    const found = await ask('GET', `/api/v1/outbox?state=${state}&limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    setCounts(found.counts);
    return [found.entries, found.next];
  }, state);
  const done = (words) => {
    setOpen(null);
    say(words);
    pages.again();
  };
  const retryAll = async () => {
    let tried = 0;
    for (const entry of pages.rows) {
      await ask('POST', `${entryPath(entry)}/retry`, {});
      tried += 1;
    }
    done(t('outbox.retried_all', { count: tried }));
  };
  const columns = [
    { id: 'kind', title: t('outbox.what'), draw: (entry) => html`<strong>${worded('outbox.kind', entry.kind, has)}</strong><br /><span class="fine">${entry.backend}</span>`, sort: (entry) => entry.kind },
    { id: 'about', title: t('outbox.about'), draw: (entry) => entry.subject || '–', sort: (entry) => entry.subject },
    { id: 'fault', title: t('outbox.why'), draw: (entry) => entry.fault || '–', sort: (entry) => entry.fault },
    { id: 'tries', title: t('outbox.tries'), draw: (entry) => formats.number(entry.attempts), sort: (entry) => entry.attempts, end: true },
    { id: 'since', title: t('outbox.since'), draw: (entry) => formats.ago(entry.created_at), sort: (entry) => entry.created_at, end: true },
  ];
  const [asking, setAsking] = useState(false);
  const tabs = STATES.map((each) => [each, counts[each] ? t('outbox.counted', { state: t(`outbox.${each}`), number: formats.number(counts[each]) }) : t(`outbox.${each}`)]);
  return html`
    <${Tabs} label=${t('state')} tabs=${tabs} chosen=${state} onChoose=${setState}>
      <${Loaded} asked=${{ data: pages.rows, wrong: pages.wrong, again: pages.again }}>${(rows) => html`
        <${Listing} caption=${t(`outbox.${state}`)} columns=${columns} rows=${rows} id=${(entry) => entry.entry_id} cursor=${pages.cursor} onMore=${pages.more} onOpen=${setOpen}
          words=${(entry) => [entry.kind, entry.backend, entry.subject, entry.fault, entry.call_id, entry.entry_id]} empty=${[t(`outbox.none.${state}`), t('outbox.none.do')]}
          actions=${html`<${Button} data-do="look" onClick=${pages.again}>${t('look_again')}<//>${state === 'dead' && rows.length > 1 && html`<${Button} kind="primary" data-do="retry-all" onClick=${() => setAsking(true)}>${t('outbox.retry_all')}<//>`}`} />
      `}<//>
    <//>
    ${open && html`<${Entry} entry=${open} onDone=${done} onClose=${() => setOpen(null)} />`}
    ${asking && html`<${Confirm} title=${t('outbox.retry_all')} say=${t('outbox.retry_all.say', { count: pages.rows.length })} doing=${t('outbox.retry_all')} onYes=${retryAll} onClose=${() => setAsking(false)} />`}
  `;
}

const RECEIVING = { well: 'good', failing: 'warn', 'cut off': 'bad' };
const wordOf = (state) => t(`hooks.${state.replace(' ', '_')}`);

function Replay({ receiver, onClose }) {
  const form = useForm({ after: '0', limit: '100' });
  const send = async ({ after, limit }) => {
    const { posted, cursor } = await ask('POST', '/api/v1/webhooks/replay', { url: receiver.url, after: Number(after) || 0, limit: Number(limit) || 1 });
    say(t('hooks.replayed', { count: posted, cursor }));
    onClose();
  };
  return html`
    <${Dialog} title=${t('hooks.replay')} onClose=${onClose} data-part="replay">
      <form class="kit-form" onSubmit=${form.submit(send)}>
        <p>${t('hooks.replay.say', { url: receiver.url })}</p>
        <${FormFault} form=${form} />
        <${TextField} form=${form} name="after" label=${t('hooks.after')} hint=${t('hooks.after.hint')} inputmode="numeric" pattern="[0-9]*" />
        <${TextField} form=${form} name="limit" label=${t('hooks.limit')} inputmode="numeric" pattern="[0-9]*" />
        <div class="acts end"><${Button} onClick=${onClose}>${t('kit.cancel')}<//><${Button} kind="primary" type="submit" busy=${form.busy}>${t('hooks.replay')}<//></div>
      </form>
    <//>
  `;
}

function Happened({ onClose }) {
  const pages = usePages(async (cursor) => {
    const found = await ask('GET', `/api/v1/events?cursor=${cursor ?? 0}&limit=100`);
    return [found.events, found.more ? found.next : null];
  }, 'events');
  return html`
    <${Dialog} title=${t('hooks.events')} onClose=${onClose} data-part="events">
      <${Loaded} asked=${{ data: pages.rows, wrong: pages.wrong, again: pages.again }}>${(rows) => html`
        <${Listing} caption=${t('hooks.events')} rows=${rows} id=${(event) => event.id} words=${(event) => [event.type, event.subject, JSON.stringify(event.data)]} empty=${[t('hooks.events.none'), t('hooks.none.do')]} cursor=${pages.cursor} onMore=${pages.more}
          columns=${[
            { id: 'cursor', title: t('hooks.cursor'), draw: (event) => String(event.cursor), sort: (event) => event.cursor, end: true },
            { id: 'type', title: t('rules.on'), draw: (event) => html`<code>${event.type}</code>`, sort: (event) => event.type },
            { id: 'time', title: t('when'), draw: (event) => formats.ago(Date.parse(event.time) / 1000), sort: (event) => event.time },
            { id: 'data', title: t('hooks.data'), draw: (event) => html`<details><summary>${event.subject || t('hooks.data')}</summary><pre class="admin-code">${JSON.stringify(event.data, null, 2)}</pre></details>` },
          ]} />
      `}<//>
    <//>
  `;
}

function Receivers() {
  const asked = useAsked('/api/v1/webhooks');
  const [replaying, setReplaying] = useState(null);
  const [events, setEvents] = useState(false);
  const resume = (receiver) =>
    quietly(async () => {
      await ask('POST', '/api/v1/webhooks/resume', { url: receiver.url });
      say(t('hooks.resumed'));
      asked.again();
    });
  const columns = [
    { id: 'url', title: t('hooks.url'), draw: (each) => html`<span dir="ltr">${each.url}</span>${each.fault && html`<br /><span class="fine">${each.fault}</span>`}`, sort: (each) => each.url },
    { id: 'state', title: t('state'), draw: (each) => html`<${Badge} tone=${RECEIVING[each.state]}>${wordOf(each.state)}<//>`, sort: (each) => each.state },
    { id: 'waiting', title: t('hooks.waiting'), draw: (each) => formats.number(each.waiting), sort: (each) => each.waiting, end: true },
    { id: 'taken', title: t('hooks.taken'), draw: (each) => (each.taken_at ? formats.ago(each.taken_at) : t('users.never')), sort: (each) => each.taken_at ?? 0, end: true },
    { id: 'do', title: t('do'), draw: (each) => html`<div class="acts">${each.state !== 'well' && html`<${Button} kind="primary" small onClick=${() => resume(each)}>${t('hooks.resume')}<//>`}<${Button} small onClick=${() => setReplaying(each)}>${t('hooks.replay')}<//></div>` },
  ];
  return html`
    <${Loaded} asked=${asked}>${({ receivers }) => html`
      <${Listing} caption=${t('hooks')} columns=${columns} rows=${receivers} id=${(each) => each.url} words=${(each) => [each.url, each.state, each.fault]} empty=${[t('hooks.none'), t('hooks.none.do')]}
        actions=${html`<${Button} onClick=${() => setEvents(true)}>${t('hooks.events')}<//>`} />
    `}<//>
    ${replaying && html`<${Replay} receiver=${replaying} onClose=${() => setReplaying(null)} />`}
    ${events && html`<${Happened} onClose=${() => setEvents(false)} />`}
  `;
}

export default function Outbox({ me }) {
  const may = (each) => me.permissions.includes(each);
  return html`
    ${may('outbox.manage') && html`<${Card} title=${t('outbox.title')}><${Letters} /><//>`}
    ${may('webhooks.manage') && html`<${Card} title=${t('hooks')}><${Receivers} /><//>`}
  `;
}
