/** Who did what: found by kind, person and thing; checked for its chain; taken away as a file. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, has, html, say, t } from '../kit/page.js';
import { Button, Card, Dialog, Notice } from '../kit/parts.js';
import { Facts, Listing, Loaded, quietly, saved, TextField, useForm, usePages, worded } from './shared.js';

const PAGE = 200;
const MOST_SAVED = 100_000;
const FIELDS = ['kind', 'who', 'what', 'subject'];
const COLUMNS = ['seq', 'at', 'kind', 'who', 'by', 'what', 'subject', 'address', 'device', 'detail', 'digest'];

const queryOf = (wanted, cursor, limit) => new URLSearchParams([...FIELDS.filter((name) => wanted[name]).map((name) => [name, wanted[name].trim()]), ['cursor', String(cursor)], ['limit', String(limit)]]);

/** A cell of CSV; what a spreadsheet would reckon with begins with an apostrophe. */
function cell(value) {
  const text = String(value ?? '');
  return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

function Check() {
  const [state, setState] = useState(null);
  const [busy, setBusy] = useState(false);
  const check = async () => {
    setBusy(true);
    await quietly(async () => setState(await ask('GET', '/api/v1/audit/faults')));
    setBusy(false);
  };
  return html`
    <${Card} title=${t('audit.chain')} actions=${html`<${Button} kind="primary" small data-do="check" busy=${busy} onClick=${check}>${t('audit.check')}<//>`}>
      <p>${t('audit.chain.about')}</p>
      <div role="status" data-part="checked">
        ${state && (state.faults.length ? html`<${Notice} tone="bad"><strong>${t('audit.broken', { count: state.faults.length })}</strong><ul class="admin-plain">${state.faults.map((each, at) => html`<li key=${at}>${each}</li>`)}</ul><//>` : html`<${Notice} tone="good">${t('audit.whole', { count: state.entries })}<//>`)}
      </div>
      ${state && html`<details><summary>${t('audit.keys')}</summary><pre class="admin-code">${Object.entries(state.public_keys).map(([id, key]) => `${id} ${key}`).join('\n')}</pre></details>`}
    <//>
  `;
}

const WORDS = { password: 'audit.said.password', 'password and code': 'audit.said.code', 'by issuer': 'audit.said.issuer', 'new device or place': 'audit.said.new' };
/** Seconds since the epoch, of this century. */
const MOMENT = /\b[1-4]\d{9}(?:\.\d+)?\b/g;

/** What an entry is about, as people read it: paths as code, moments by the clock, data as names and values. */
function said(text) {
  if (/^[A-Z]{3,6} \//.test(text)) return html`<code class="fine">${text}</code>`;
  if (/^\{.*\}$/s.test(text)) {
    try {
      return Object.entries(JSON.parse(text)).map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ');
    } catch {
      return text;
    }
  }
  const parts = text.split(', ');
  if (parts.every((part) => part in WORDS)) return parts.map((part) => t(WORDS[part])).join(', ');
  return text.replace(MOMENT, (found) => formats.stamp(Number(found)));
}

export default function Audit() {
  const form = useForm({ kind: '', who: '', what: '', subject: '' });
  const [wanted, setWanted] = useState({});
  const [open, setOpen] = useState(null);
  const [busy, setBusy] = useState('');
  const pages = usePages(async (cursor) => {
    const found = await ask('GET', `/api/v1/audit?${queryOf(wanted, cursor ?? 0, PAGE)}`);
    return [found.entries, found.more ? found.next : null];
  }, JSON.stringify(wanted));
  const save = async (form_) => {
    setBusy(form_);
    await quietly(async () => {
      const lines = [];
      for (let cursor = 0; lines.length < MOST_SAVED; ) {
        const found = await ask('GET', `/api/v1/audit?${queryOf(wanted, cursor, 500)}`);
        lines.push(...found.entries);
        if (!found.more) break;
        cursor = found.next;
      }
      const csv = [COLUMNS.map(cell).join(','), ...lines.map((entry) => COLUMNS.map((name) => cell(name === 'at' ? new Date(entry.at * 1000).toISOString() : entry[name])).join(','))].join('\r\n');
      if (form_ === 'csv') saved('audit.csv', csv, 'text/csv');
      else saved('audit.jsonl', lines.map((entry) => JSON.stringify(entry)).join('\n'), 'application/jsonl');
      say(t('audit.saved', { count: lines.length }));
    });
    setBusy('');
  };
  const columns = [
    { id: 'at', title: t('when'), draw: (entry) => html`<span class="admin-line">${formats.stamp(entry.at)}</span>`, sort: (entry) => entry.at },
    { id: 'kind', title: t('audit.kind'), draw: (entry) => html`<strong>${worded('audit', entry.kind, has)}</strong>`, sort: (entry) => entry.kind },
    { id: 'who', title: t('audit.who'), draw: (entry) => html`${entry.who || '–'}${entry.by && entry.by !== entry.who && html`<br /><span class="fine">${t('audit.by', { by: entry.by })}</span>`}`, sort: (entry) => entry.who },
    { id: 'what', title: t('audit.what'), draw: (entry) => html`<span class="admin-cut">${said(entry.detail || entry.what || '–')}</span>` },
    { id: 'address', title: t('audit.address'), draw: (entry) => entry.address || '–', sort: (entry) => entry.address },
    { id: 'seq', title: t('audit.seq'), draw: (entry) => String(entry.seq), sort: (entry) => entry.seq, end: true },
  ];
  return html`
    <${Card} title=${t('audit.entries')} actions=${html`<${Button} small data-do="csv" busy=${busy === 'csv'} onClick=${() => save('csv')}>${t('audit.csv')}<//><${Button} small data-do="jsonl" busy=${busy === 'jsonl'} onClick=${() => save('jsonl')}>${t('audit.jsonl')}<//>`}>
      <form class="kit-form two" onSubmit=${form.submit(async (values) => setWanted(values))} data-part="wanted">
        ${FIELDS.map((name) => html`<${TextField} key=${name} form=${form} name=${name} label=${t(`audit.${name}`)} hint=${t(`audit.${name}.hint`)} maxlength="200" autocapitalize="none" spellcheck=${false} />`)}
        <div class="acts"><${Button} kind="primary" type="submit" data-do="find">${t('audit.find')}<//></div>
      </form>
      <${Loaded} asked=${{ data: pages.rows, wrong: pages.wrong, again: pages.again }}>${(rows) => html`<${Listing} caption=${t('audit.entries')} columns=${columns} rows=${rows} id=${(entry) => String(entry.seq)} words=${(entry) => [entry.kind, entry.who, entry.by, entry.what, entry.detail, entry.address]} empty=${[t('audit.none'), t('audit.none.do')]} cursor=${pages.cursor} onMore=${pages.more} onOpen=${setOpen} />`}<//>
    <//>
    <${Check} />
    ${
      open &&
      html`<${Dialog} title=${worded('audit', open.kind, has)} onClose=${() => setOpen(null)} data-part="audit-entry">
        <${Facts} rows=${COLUMNS.map((name) => [t(`audit.${name}`), name === 'at' ? formats.moment(open.at) : name === 'digest' ? html`<code>${open.digest}</code>` : String(open[name] ?? '')])} />
      <//>`
    }
  `;
}
