/** What is different about bad calls, by more than chance, and the calls behind it. */
import { useState } from 'preact/hooks';
import { brief, number, percent } from '../../kit/formats.js';
import { Badge, Button, Card, Dialog, Figure, Figures, Notice, Skeleton, Table, ask, html, t } from '../kit.js';
import { meansWords } from '../means.js';
import { Mos } from '../rows.js';
import { Bars, Csv, PeriodFields, queryOf, useAnswer } from './parts.js';

const points = (value) => number(100 * value, 1);
const valueOf = (each) => meansWords(each.dimension, each.value);
const called = (each) => `${t(`diff.of.${each.dimension}`)}: ${valueOf(each)}`;

function Behind({ of, onClose }) {
  const query = queryOf({ dimension: of.dimension, value: of.value });
  const { found, wrong } = useAnswer(ask, `/api/v1/reports/differences/calls?${query}`);
  const columns = [
    { id: 'at', title: t('diff.at'), draw: (call) => brief(call.started_at), sort: (call) => call.started_at },
    { id: 'agent', title: t('column.agent'), draw: (call) => call.who, sort: (call) => call.who },
    { id: 'queue', title: t('column.queue'), draw: (call) => call.queue, sort: (call) => call.queue },
    { id: 'mos', title: t('diff.score'), end: true, draw: (call) => html`<${Mos} mos=${call.mos_p10} />`, sort: (call) => call.mos_p10 },
    { id: 'cause', title: t('diff.cause'), draw: (call) => (call.quality_hop ? t('fault', { hop: t(`hop.${call.quality_hop}`), cause: t(`cause.${call.quality_cause}`) }) : t(`cause.${call.quality_cause}`)) },
    { id: 'open', title: t('view.call'), draw: (call) => html`<a href=${`#${call.call_id}`}>${t('diff.open')}</a>` },
  ];
  return html`
    <${Dialog} title=${t('diff.behind', { what: t(`diff.of.${of.dimension}`), value: valueOf(of) })} onClose=${onClose} data-part="behind">
      ${wrong && html`<${Notice} tone="bad">${wrong}<//>`}
      ${!found && !wrong && html`<${Skeleton} lines=${4} />`}
      ${found && html`<${Table} caption=${called(of)} columns=${columns} rows=${found.calls} id=${(call) => call.call_id} />`}
    <//>
  `;
}

function Outliers({ found, onShow }) {
  const columns = [
    { id: 'dimension', title: t('diff.dimension'), draw: (each) => t(`diff.of.${each.dimension}`), sort: (each) => t(`diff.of.${each.dimension}`) },
    { id: 'value', title: t('diff.value'), draw: valueOf, sort: valueOf },
    { id: 'way', title: t('diff.way'), draw: (each) => (each.share > each.rest_share ? html`<${Badge} tone="bad">${t('diff.worse')}<//>` : html`<${Badge} tone="good">${t('diff.better')}<//>`) },
    { id: 'share', title: t('diff.share'), end: true, draw: (each) => t('diff.of_calls', { share: percent(each.share), calls: number(each.calls) }), sort: (each) => each.share },
    { id: 'rest', title: t('diff.rest'), end: true, draw: (each) => t('diff.of_calls', { share: percent(each.rest_share), calls: number(each.rest_calls) }), sort: (each) => each.rest_share },
    { id: 'between', title: t('diff.between'), end: true, draw: (each) => t('diff.from_to', { least: points(each.least), most: points(each.most) }), sort: (each) => each.least },
    { id: 'q', title: t('diff.q'), end: true, draw: (each) => number(each.q, 4), sort: (each) => each.q },
    { id: 'calls', title: t('diff.show'), draw: (each) => html`<${Button} small data-do="behind" onClick=${() => onShow(each)}>${t('diff.show')}<//>` },
  ];
  const rows = found.outliers.map((each) => [called(each), each.share, percent(each.share)]);
  return html`
    <${Bars} caption=${t('diff.bars')} rows=${rows} />
    <${Table} data-part="outliers" caption=${t('diff.table')} columns=${columns} rows=${found.outliers} id=${(each) => `${each.dimension} ${each.value}`} />
  `;
}

export function View() {
  const [open, setOpen] = useState(null);
  const query = queryOf();
  const { found, wrong, busy } = useAnswer(ask, query && `/api/v1/reports/differences?${query}`);
  return html`
    <div class="filters"><${PeriodFields} /></div>
    ${!query && html`<${Notice}>${t('period.choose')}<//>`}
    ${wrong && html`<${Notice} tone="bad">${wrong}<//>`}
    ${busy && !found && query && html`<${Skeleton} lines=${5} />`}
    ${
      found &&
      html`
        <${Card} title=${t('diff.found')} data-part="differences" actions=${html`<${Csv} name="differences" address=${query && `/api/v1/reports/differences?${query}&format=csv`} />`}>
          <p>${t('diff.lead')}</p>
          <${Figures}>
            <${Figure} label=${t('diff.calls')} value=${number(found.calls)} />
            <${Figure} label=${t('diff.bad')} value=${number(found.bad)} />
            <${Figure} label=${t('diff.tested')} value=${number(found.tested)} />
            <${Figure} label=${t('diff.too_few')} value=${number(found.too_few)} />
          <//>
          ${found.outliers.length > 0 ? html`<${Outliers} found=${found} onShow=${setOpen} />` : html`<${Notice} data-part="none">${t(found.tested ? 'diff.none' : 'diff.few')}<//>`}
          <details class="about"><summary>${t('diff.method')}</summary>
            <ul><li>${t('diff.method.test')}</li><li>${t('diff.method.many')}</li><li>${t('diff.method.cause')}</li></ul>
          </details>
        <//>
      `
    }
    ${open && html`<${Behind} of=${open} onClose=${() => setOpen(null)} />`}
  `;
}
