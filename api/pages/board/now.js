/** The row of numbers that says how it stands, and how today went. */
import { effect, signal } from '@preact/signals';
import { length, list, number, percent } from '../kit/formats.js';
import { session } from '../js/session.js';
import { Figure, Figures, html, t } from './kit.js';
import { clock, known, nodes, summary, total } from './live.js';
import { grade } from './verdict.js';

const TODAY_EVERY_MS = 60_000;
const TONES = { good: 'good', fair: 'warn', bad: 'bad' };
const STATES = ['available', 'ringing', 'on_call', 'consulting', 'wrap_up', 'break', 'offline'];
const GOAL = 0.8;
const FULL = 0.8;

/** What queues did since the midnight of the house, as in reports: `{offered, answered, inTime, abandoned, short, counted}`; null: not known. */
const today = signal(null);
let timer = 0;

async function askToday() {
  clearTimeout(timer);
  timer = setTimeout(askToday, TODAY_EVERY_MS);
  const query = new URLSearchParams({ interval: '15', from: 'today' });
  const answer = await fetch(`/api/v1/queues/statistics?${query}`, { headers: { authorization: `Bearer ${session.peek()?.token}` } }).catch(() => null);
  if (!answer?.ok) return;
  const rows = (await answer.text()).split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const sum = (name) => rows.reduce((all, row) => all + row[name], 0);
  today.value = { offered: sum('offered'), inTime: sum('in_time'), abandoned: sum('abandoned'), short: sum('short'), counted: sum('answered') + sum('abandoned') - sum('short') + sum('overflowed') };
}

/** Keep today's numbers for who may watch. */
export function keepToday() {
  effect(() => {
    if (known.value) askToday();
    else {
      clearTimeout(timer);
      today.value = null;
    }
  });
}

const none = '–';
const share = (load) => percent(Math.round(100 * load) / 100);
const mos = (value) => (value === null ? none : number(value, 1));

export function Now() {
  const { bad, p50, p10, measured, waiting, since, states } = summary.value;
  const wait = since === null ? null : Math.max(0, clock.value - since);
  const level = today.value?.counted ? today.value.inTime / today.value.counted : null;
  const gaveUp = today.value?.offered ? (today.value.abandoned - today.value.short) / today.value.offered : null;
  const busiest = nodes.value.reduce((most, node) => (most && most.load >= node.load ? most : node), null);
  const shown = STATES.filter((state) => states.get(state));
  const agents = list(shown.map((state) => t(`agents.${state}`, { count: states.get(state) })));
  return html`
    <${Figures}>
      <${Figure} data-figure="live" label=${t('now.live')} value=${number(total.value)} />
      <${Figure} data-figure="bad" label=${t('now.bad')} value=${number(bad)} tone=${bad ? 'bad' : 'good'} />
      <${Figure} data-figure="waiting" label=${t('now.waiting')} value=${number(waiting)} tone=${waiting ? 'warn' : undefined} />
      <${Figure} data-figure="wait" label=${t('now.wait')} value=${wait === null ? none : length(wait)} tone=${wait > 60 ? 'bad' : undefined} />
      <${Figure} data-figure="agents" label=${t('now.agents')} value=${number([...states.values()].reduce((sum, each) => sum + each, 0))} note=${agents || t('now.nobody')} />
      <${Figure} data-figure="level" label=${t('now.level')} value=${level === null ? none : percent(level)} tone=${level === null ? undefined : level >= GOAL ? 'good' : 'bad'} note=${t('now.goal', { goal: percent(GOAL) })} />
      <${Figure} data-figure="abandoned" label=${t('now.abandoned')} value=${gaveUp === null ? none : percent(gaveUp)} tone=${gaveUp > 0.05 ? 'warn' : undefined} />
      <${Figure} data-figure="mos" label=${t('now.mos')} value=${`${mos(p50)} / ${mos(p10)}`} tone=${p10 === null ? undefined : TONES[grade(p10)]} note=${t('now.measured', { count: measured })} />
      <${Figure} data-figure="nodes" label=${t('now.nodes')} value=${busiest ? share(busiest.load) : none} tone=${busiest && busiest.load > FULL ? 'warn' : undefined}
        note=${nodes.value.length > 1 ? nodes.value.map((node) => `${node.name || t('now.this')}: ${share(node.load)}`).join(', ') : undefined} />
    <//>
  `;
}
