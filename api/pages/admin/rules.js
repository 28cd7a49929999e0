/** The plan's rules: which are in force, what they did, and what they would do about something that might happen, or did. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, has, html, t } from '../kit/page.js';
import { Badge, Button, Choice, Dialog, Empty, Notice, Tabs } from '../kit/parts.js';
import { conditionOf } from './conditions.js';
import { Facts, FormFault, Listing, Loaded, TextField, useAsked, useForm, usePages, worded } from './shared.js';

const TONES = { does: 'good', off: 'neutral', unmet: 'neutral', own: 'warn', deep: 'warn', too_often: 'warn' };
const Outcome = ({ outcome }) => html`<${Badge} tone=${TONES[outcome] ?? 'neutral'}>${worded('outcome', outcome, has)}<//>`;
const List = ({ of }) => (of.length ? html`<ul class="admin-plain">${of.map((each, at) => html`<li key=${at}>${each}</li>`)}</ul>` : '–');

const Trigger = ({ on }) => html`${worded('trigger', on, has)}${has(`trigger.${on}`) && html`<br /><code class="fine">${on}</code>`}`;
const ACT = /^([a-z]+)(?: to (\S+))?(?: \((.*)\))?$/s;

/** What is done, as the server says it (`tell to supervisors (Somebody waits.)`), in words of the page. */
function Act({ of }) {
  const [, kind, whom, said] = ACT.exec(of) ?? [];
  if (!kind || !has(`act.${kind}`)) return of;
  const what = worded('act', kind, has);
  return html`${whom ? t('act.to', { what, whom: worded('act.whom', whom, has) }) : what}${said && html`<br /><span class="fine">${said}</span>`}`;
}
const Acts = ({ of }) => (of.length ? html`<ul class="admin-plain">${of.map((each, at) => html`<li key=${at}><${Act} of=${each} /></li>`)}</ul>` : '–');

const columns = (within) => [
  { id: 'name', title: t('rules.name'), draw: (rule) => html`<strong>${rule.title || rule.name}</strong><br /><code class="fine">${rule.name}</code>`, sort: (rule) => rule.title || rule.name },
  { id: 'on', title: t('rules.on'), draw: (rule) => html`<${Trigger} on=${rule.on} />${rule.next_at && html`<br /><span class="fine">${t('rules.next', { when: formats.moment(rule.next_at) })}</span>`}`, sort: (rule) => rule.on },
  { id: 'when', title: t('rules.when'), draw: (rule) => html`<${List} of=${rule.when.map(conditionOf)} />` },
  { id: 'acts', title: t('rules.acts'), draw: (rule) => html`<${Acts} of=${rule.acts} />` },
  { id: 'hour', title: t('rules.hour'), draw: (rule) => t('of', { some: formats.number(within[rule.name] ?? 0), all: formats.number(rule.most_per_hour) }), sort: (rule) => within[rule.name] ?? 0, end: true },
  { id: 'state', title: t('state'), draw: (rule) => html`<${Badge} tone=${rule.enabled ? 'good' : 'neutral'}>${t(rule.enabled ? 'on' : 'off')}<//>`, sort: (rule) => Number(rule.enabled) },
];

/** `name = value` in lines, as facts: true, false, numbers and texts. */
export function factsIn(text) {
  const found = {};
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*([a-z][a-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (!name) continue;
    if (value === 'true' || value === 'false') found[name] = value === 'true';
    else found[name] = value !== '' && !value.startsWith('+') && Number.isFinite(Number(value)) ? Number(value) : value.replace(/^"(.*)"$/, '$1');
  }
  return found;
}

export const factsAsText = (facts) =>
  Object.entries(facts)
    .map(([name, value]) => `${name} = ${value}`)
    .join('\n');

function Trial({ triggers, past, start }) {
  const form = useForm({ kind: start?.kind ?? triggers[0], facts: factsAsText(start?.facts ?? {}), document: '' });
  const [found, setFound] = useState(null);
  const run = async ({ kind, facts, document }) => setFound((await ask('POST', '/api/v1/rules/try', { kind, facts: factsIn(facts), ...(document.trim() && { document }) })).rules);
  const take = (id) => {
    const one = past.find((each) => each.run_id === id);
    if (!one) return;
    form.set('kind', one.kind);
    form.set('facts', factsAsText(one.facts));
  };
  return html`
    <div class="kit-columns">
      <form class="kit-form" onSubmit=${form.submit(run)}>
        <${FormFault} form=${form} />
        ${past.length > 0 && html`<${Choice} name="past" label=${t('rules.past')} hint=${t('rules.past.hint')} value=${start?.run_id ?? ''} options=${[['', t('rules.past.none')], ...past.map((run) => [run.run_id, `${worded('trigger', run.kind, has)} · ${formats.brief(run.at)} · ${run.subject.slice(0, 24)}`])]} onChange=${take} />`}
        <${Choice} name="kind" label=${t('rules.on')} value=${form.values.kind} options=${triggers.map((each) => [each, worded('trigger', each, has)])} onChange=${(value) => form.set('kind', value)} />
        <${TextField} form=${form} name="facts" label=${t('rules.facts')} hint=${t('rules.facts.hint')} area rows="6" class="admin-code" spellcheck=${false} />
        <details><summary>${t('rules.other')}</summary><${TextField} form=${form} name="document" label=${t('rules.document')} hint=${t('rules.document.hint')} area rows="8" class="admin-code" spellcheck=${false} /></details>
        <div class="acts"><${Button} kind="primary" type="submit" data-do="try" busy=${form.busy}>${t('rules.try')}<//></div>
      </form>
      <div aria-live="polite" data-part="would">
        ${found === null && html`<${Empty} title=${t('rules.would')}>${t('rules.would.do')}<//>`}
        ${found?.length === 0 && html`<${Notice}>${t('rules.would.none')}<//>`}
        ${found?.map((each) => html`<div key=${each.rule} class="admin-result"><p><strong>${each.title || each.rule}</strong> <${Outcome} outcome=${each.outcome} /></p>${each.why && html`<p class="fine">${each.why}</p>`}${each.acts.length > 0 && html`<${Acts} of=${each.acts} />`}</div>`)}
      </div>
    </div>
  `;
}

function History({ pages, onTry }) {
  const [open, setOpen] = useState(null);
  const shown = [
    { id: 'at', title: t('when'), draw: (run) => formats.ago(run.at), sort: (run) => run.at },
    { id: 'rule', title: t('rules.name'), draw: (run) => html`<strong>${run.rule}</strong><br /><span class="fine">${t('rules.version', { version: run.version })}</span>`, sort: (run) => run.rule },
    { id: 'kind', title: t('rules.on'), draw: (run) => html`<${Trigger} on=${run.kind} />`, sort: (run) => run.kind },
    { id: 'outcome', title: t('rules.outcome'), draw: (run) => html`<${Outcome} outcome=${run.outcome} />${run.why && html`<br /><span class="fine">${run.why}</span>`}`, sort: (run) => run.outcome },
    { id: 'acts', title: t('rules.acts'), draw: (run) => html`<${Acts} of=${run.acts} />` },
  ];
  return html`
    <${Loaded} asked=${{ data: pages.rows, wrong: pages.wrong, again: pages.again }}>${(rows) => html`
      <${Listing} caption=${t('rules.history')} columns=${shown} rows=${rows} id=${(run) => run.run_id} words=${(run) => [run.rule, run.kind, run.subject, run.why, ...run.acts]} empty=${[t('rules.history.none'), t('rules.history.none.do')]} cursor=${pages.cursor} onMore=${pages.more} onOpen=${setOpen} />
    `}<//>
    ${
      open &&
      html`<${Dialog} title=${open.rule} onClose=${() => setOpen(null)} data-part="run">
        <${Facts} rows=${[[t('when'), formats.moment(open.at)], [t('rules.on'), html`<${Trigger} on=${open.kind} />`], [t('outbox.about'), open.subject], [t('rules.outcome'), html`<${Outcome} outcome=${open.outcome} />`], [t('rules.why'), open.why], [t('rules.acts'), html`<${Acts} of=${open.acts} />`]]} />
        <h3>${t('rules.facts')}</h3>
        <pre class="admin-code">${factsAsText(open.facts)}</pre>
        <div class="acts end"><${Button} kind="primary" data-do="try-past" onClick=${() => onTry(open)}>${t('rules.try_past')}<//></div>
      <//>`
    }
  `;
}

export default function Rules() {
  const asked = useAsked('/api/v1/rules');
  const [tab, setTab] = useState('force');
  const [start, setStart] = useState(null);
  const pages = usePages(async (cursor) => {
    const { runs, next } = await ask('GET', `/api/v1/rules/runs?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    return [runs, next];
  }, 'runs');
  const tryPast = (run) => {
    setStart(run);
    setTab('try');
  };
  return html`
    <${Loaded} asked=${asked}>${({ rules, triggers, within_hour: within }) => html`
      <${Tabs} label=${t('section.rules')} tabs=${['force', 'history', 'try'].map((each) => [each, t(`rules.tab.${each}`)])} chosen=${tab} onChoose=${setTab}>
        ${
          tab === 'force' &&
          html`<${Listing} caption=${t('section.rules')} columns=${columns(within)} rows=${rules} id=${(rule) => rule.name} words=${(rule) => [rule.name, rule.title, rule.on, ...rule.when, ...rule.acts]} empty=${[t('rules.none'), t('rules.none.do')]}
            actions=${html`<a class="button" href="#flows/rules">${t('rules.edit')}</a>`} />`
        }
        ${tab === 'history' && html`<${History} pages=${pages} onTry=${tryPast} />`}
        ${tab === 'try' && html`<${Trial} key=${start?.run_id ?? ''} triggers=${triggers} past=${pages.rows ?? []} start=${start} />`}
      <//>
    `}<//>
  `;
}
