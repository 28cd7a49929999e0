/** Booking, CRM and ticketing: how each stands, what it took, and a number tried at any of them, or at all at once. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, explain, has, html, Refusal, say, t } from '../kit/page.js';
import { Badge, Button, Card, Choice, Figure, Figures, Notice } from '../kit/parts.js';
import { faultsOf, FormFault, Listing, Loaded, TextField, useAsked, useForm, worded } from './shared.js';

const BREAKERS = { closed: 'good', probing: 'warn', open: 'bad' };
const took = (ms) => (ms === null ? '–' : t('ms', { ms: formats.number(ms, ms < 10 ? 1 : 0) }));

/** Our word for those that come with the house. */
const named = (title, backend) => [backend, title].map((each) => `backends.title.${each}`).filter(has).map((id) => t(id))[0] ?? title;

/** Cards of one answer. */
function Found({ trial }) {
  const rows = [
    ...trial.contacts.map((one) => [t('backends.contact'), html`<strong>${one.name || one.id}</strong> ${[one.company, one.email, ...one.numbers].filter(Boolean).join(' · ')}`]),
    ...trial.bookings.map((one) => [t('backends.booking'), html`<strong>${one.ref || one.id}</strong> ${one.title} · ${one.state}${one.starts_at ? ` · ${formats.date(one.starts_at)}` : ''}`]),
    ...trial.tickets.map((one) => [t('backends.ticket'), html`<strong>${one.title || one.id}</strong> ${one.state} ${one.priority}`]),
    ...trial.activities.map((one) => [t('backends.activity'), html`${one.title || one.kind} · ${formats.date(one.at)}`]),
  ];
  if (!rows.length) return html`<p class="fine">${t('backends.nobody')}</p>`;
  return html`<ul class="admin-plain">${rows.map(([kind, words], at) => html`<li key=${at}><${Badge}>${kind}<//> ${words}</li>`)}</ul>`;
}

function Answer({ title, answer }) {
  const { trial, refusal } = answer;
  const bad = refusal || trial?.cause;
  return html`
    <div class="admin-result" data-answer=${answer.backend}>
      <p><strong>${named(title, answer.backend)}</strong> ${answer.busy ? html`<${Badge}>${t('backends.asking')}<//>` : html`<${Badge} tone=${bad ? 'bad' : 'good'}>${bad ? worded('backends.cause', trial?.cause ?? '', has) || t('backends.refused') : t('backends.answered')}<//>`} ${trial && html`<span class="fine">${took(trial.took_ms)}</span>`}</p>
      ${refusal && html`<${Notice} tone="bad">${explain(refusal)}<//>`}
      ${trial?.cause && html`<${Notice} tone="bad">${trial.said || trial.cause}<//>`}
      ${trial && !trial.cause && html`<${Found} trial=${trial} />`}
    </div>
  `;
}

function Try({ backends, onTried }) {
  const form = useForm({ number: '', backend: '' });
  const [answers, setAnswers] = useState([]);
  const run = async ({ number, backend }) => {
    const asked = backends.filter(({ state }) => !backend || state.backend === backend).map(({ state }) => state.backend);
    setAnswers(asked.map((each) => ({ backend: each, busy: true })));
    const put = (answer) => setAnswers((before) => before.map((each) => (each.backend === answer.backend ? answer : each)));
    const all = await Promise.all(
      asked.map(async (each) => {
        try {
          put({ backend: each, trial: await ask('POST', `/api/v1/backends/${encodeURIComponent(each)}/try`, { number: number.trim() }) });
        } catch (refusal) {
          if (!(refusal instanceof Refusal)) throw refusal;
          if (faultsOf(refusal).number) return refusal;
          put({ backend: each, refusal });
        }
        return null;
      }),
    );
    const fault = all.find(Boolean);
    if (fault) {
      setAnswers([]);
      throw fault;
    }
    say(t('backends.tried'));
    onTried();
  };
  return html`
    <${Card} title=${t('backends.try')}>
      <form class="kit-form two" onSubmit=${form.submit(run)} data-part="try">
        <${TextField} form=${form} name="number" label=${t('backends.number')} hint=${t('backends.number.hint')} type="tel" dir="ltr" required maxlength="64" autocomplete="off" />
        <${Choice} name="backend" label=${t('backends.which')} value=${form.values.backend} options=${[['', t('backends.all')], ...backends.map(({ title, state }) => [state.backend, named(title, state.backend)])]} onChange=${(value) => form.set('backend', value)} />
        <div class="acts"><${Button} kind="primary" type="submit" data-do="try" busy=${form.busy}>${t('backends.do')}<//></div>
        <${FormFault} form=${form} />
      </form>
      <div aria-live="polite">${answers.map((answer) => html`<${Answer} key=${answer.backend} answer=${answer} title=${backends.find(({ state }) => state.backend === answer.backend)?.title ?? answer.backend} />`)}</div>
    <//>
  `;
}

export default function Backends() {
  const asked = useAsked('/api/v1/backends');
  const columns = [
    { id: 'title', title: t('backends.which'), draw: ({ title, state }) => html`<strong>${named(title, state.backend)}</strong><br /><span class="fine">${worded('backends.kind', state.kind, has)}</span>`, sort: ({ title }) => title },
    { id: 'breaker', title: t('state'), draw: ({ state }) => html`<${Badge} tone=${BREAKERS[state.breaker] ?? 'neutral'}>${worded('backends.breaker', state.breaker, has)}<//>${state.wait_s > 0 && html`<br /><span class="fine">${t('backends.again_in', { length: formats.length(state.wait_s) })}</span>`}`, sort: ({ state }) => state.breaker },
    { id: 'p50', title: t('backends.p50'), draw: ({ state }) => took(state.p50_ms), sort: ({ state }) => state.p50_ms, end: true },
    { id: 'p95', title: t('backends.p95'), draw: ({ state }) => took(state.p95_ms), sort: ({ state }) => state.p95_ms, end: true },
    { id: 'now', title: t('backends.now'), draw: ({ state }) => t('backends.now.some', { asked: formats.number(state.asked_now), waiting: formats.number(state.waiting) }), sort: ({ state }) => state.asked_now, end: true },
    { id: 'counts', title: t('backends.counts'), draw: ({ state }) => Object.entries(state.counts).filter(([, count]) => count).map(([name, count]) => `${worded('backends.cause', name, has)}: ${formats.number(count)}`).join(', ') || '–' },
    { id: 'fault', title: t('backends.fault'), draw: ({ state }) => (state.last_fault ? html`${state.last_fault}<br /><span class="fine">${formats.ago(state.last_fault_at)}</span>` : '–'), sort: ({ state }) => state.last_fault_at },
  ];
  return html`
    <${Loaded} asked=${asked}>${({ backends, cache }) => html`
      ${backends.length > 0 && html`<${Try} backends=${backends} onTried=${asked.again} />`}
      <${Card} title=${t('backends.standing')} actions=${html`<${Button} small onClick=${asked.again}>${t('look_again')}<//>`}>
        <${Listing} caption=${t('section.backends')} columns=${columns} rows=${backends} id=${({ state }) => state.backend} words=${({ title, state }) => [title, state.kind, state.last_fault]} empty=${[t('backends.none'), t('backends.none.do')]} search=${backends.length > 5} />
      <//>
      ${Object.keys(cache).length > 0 && html`<${Card} title=${t('backends.cache')}><${Figures}>${Object.entries(cache).map(([name, value]) => html`<${Figure} key=${name} label=${worded('backends.cache', name, has)} value=${name.includes('ratio') ? formats.percent(value) : formats.number(value)} />`)}<//><//>`}
    `}<//>
  `;
}
