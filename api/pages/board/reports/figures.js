/** How a period went: figures of all together and of each queue, team, agent, hour or day, and what each figure is. */
import { signal } from '@preact/signals';
import { length, number, percent } from '../../kit/formats.js';
import { Card, Choice, Field, Figure, Figures, Notice, Skeleton, Table, ask, html, t } from '../kit.js';
import { queues } from '../live.js';
import { FunnelCard } from './funnel.js';
import { Bars, Csv, PeriodFields, period, queryOf, useAnswer } from './parts.js';
import { Schedules } from './schedules.js';

const BYS = ['all', 'queue', 'team', 'agent', 'day', 'hour'];
const none = '–';
const share = (value) => percent(value);
/** Each figure and how it is written. */
const SHAPES = {
  offered: number,
  handled: number,
  abandoned: number,
  abandoned_share: share,
  service_level: share,
  answer_s: length,
  longest_s: length,
  handle_s: length,
  talk_s: length,
  hold_s: length,
  wrap_up_s: length,
  outgoing: number,
  staffed_s: length,
  utilisation: share,
  occupancy: share,
  resolution: share,
  csat: share,
  nps: (value) => number(value),
  effort: (value) => number(value, 1),
  mos_p50: (value) => number(value, 1),
  mos_p10: (value) => number(value, 1),
  bad_share: share,
};
const NAMES = Object.keys(SHAPES);
const SECTIONS = [
  ['demand', ['offered', 'handled', 'abandoned', 'abandoned_share', 'service_level', 'answer_s', 'longest_s']],
  ['work', ['handle_s', 'talk_s', 'hold_s', 'wrap_up_s', 'outgoing', 'staffed_s', 'utilisation', 'occupancy']],
  ['outcome', ['resolution', 'csat', 'nps', 'effort', 'mos_p50', 'mos_p10', 'bad_share']],
];

const chosen = signal({ by: 'all', queue: '', team: '', agent: '', figure: 'handled' });
const set = (more) => (chosen.value = { ...chosen.peek(), ...more });
const words = (name, value) => (value === null || value === undefined ? none : SHAPES[name](value));
/** Of so many answers, calls or conversations a figure is made; '' where that needs no saying. */
function notes(figures) {
  const answers = (scale) => t('report.answers', { count: figures.answers[scale] ?? 0 });
  const measured = t('report.measured', { count: figures.measured });
  return { csat: answers('csat'), nps: answers('nps'), effort: answers('effort'), resolution: t('report.judged', { count: figures.judged }), mos_p50: measured, mos_p10: measured };
}

/** A day or an hour as people write it; names of people and queues as they are. */
function named(by, group) {
  if (by === 'queue' && !group.name) return t('report.no_queue');
  if (by === 'day') return new Intl.DateTimeFormat(document.documentElement.lang, { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' }).format(new Date(`${group.name}T12:00Z`));
  if (by === 'hour') return group.name.slice(5, 16).replace('T', ' ');
  return group.name;
}

function Total({ figures }) {
  const told = notes(figures);
  return SECTIONS.map(
    ([section, names]) => html`
      <section key=${section} class="report-section" aria-labelledby=${`report-${section}`}>
        <h3 id=${`report-${section}`}>${t(`report.section.${section}`)}</h3>
        <${Figures}>${names.map((name) => html`<${Figure} key=${name} data-figure=${name} label=${t(`report.figure.${name}`)} value=${words(name, figures[name])} note=${told[name]} />`)}<//>
      </section>
    `,
  );
}

function Groups({ report }) {
  const { figure } = chosen.value;
  const columns = [
    { id: 'name', title: t(`by.${report.by}`), draw: (group) => named(report.by, group), sort: (group) => group.at ?? group.name },
    ...NAMES.map((name) => ({ id: name, title: t(`report.figure.${name}`), end: true, draw: (group) => words(name, group.figures[name]), sort: (group) => group.figures[name] })),
  ];
  const rows = report.groups.map((group) => [named(report.by, group), group.figures[figure], words(figure, group.figures[figure])]);
  return html`
    <div class="filters"><${Choice} label=${t('report.drawn')} data-field="figure" value=${figure} options=${NAMES.map((name) => [name, t(`report.figure.${name}`)])} onChange=${(name) => set({ figure: name })} /></div>
    <${Bars} caption=${t('report.bars', { figure: t(`report.figure.${figure}`), by: t(`by.${report.by}`) })} rows=${rows} />
    <${Table} data-part="groups" caption=${t('report.groups', { by: t(`by.${report.by}`) })} columns=${columns} rows=${report.groups} id=${(group) => `${group.at ?? ''} ${group.name}`} empty=${t('report.empty')} />
  `;
}

const About = () => html`
  <details class="about"><summary>${t('report.about')}</summary>
    <dl>${NAMES.map((name) => html`<div key=${name}><dt>${t(`report.figure.${name}`)}</dt><dd>${t(`report.about.${name}`)}</dd></div>`)}</dl>
  </details>
`;

export function View() {
  const { by, queue, team, agent } = chosen.value;
  const query = queryOf({ by, queue, team, agent });
  const { found, wrong, busy } = useAnswer(ask, query && `/api/v1/reports?${query}`);
  const text = (name) => html`<${Field} label=${t(`filter.${name}`)}><input type="search" data-field=${name} value=${chosen.value[name]} maxlength="80" onChange=${(event) => set({ [name]: event.currentTarget.value.trim() })} /><//>`;
  const known = queues.value.map((each) => each.name);
  return html`
    <div class="filters" data-part="asked">
      <${PeriodFields} />
      <${Choice} label=${t('by')} data-field="by" value=${by} options=${BYS.map((each) => [each, t(`by.${each}`)])} onChange=${(name) => set({ by: name })} />
      <${Choice} label=${t('filter.queue')} data-field="queue" value=${queue} options=${[['', t('filter.any')], ...known.map((each) => [each, each])]} onChange=${(name) => set({ queue: name })} />
      ${text('team')}
      ${text('agent')}
    </div>
    ${!query && html`<${Notice}>${t('period.choose')}<//>`}
    ${wrong && html`<${Notice} tone="bad">${wrong}<//>`}
    ${busy && !found && query && html`<${Skeleton} lines=${5} />`}
    ${
      found &&
      html`
        <${Card} title=${t(`period.${period.value.period}`)} data-part="report" data-by=${found.by} actions=${html`<${Csv} name="report" address=${query && `/api/v1/reports?${query}&format=csv`} />`}>
          <p class="fine">${t(found.whole ? 'report.zone' : 'report.so_far', { zone: found.zone })}</p>
          ${found.total.offered === null && html`<${Notice}>${t('report.own')}<//>`}
          <${Total} figures=${found.total} />
          ${found.by !== 'all' && html`<${Groups} report=${found} />`}
          <${About} />
        <//>
      `
    }
    <${FunnelCard} />
    <${Schedules} />
  `;
}
