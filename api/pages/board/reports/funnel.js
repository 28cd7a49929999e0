/** From link to conversation: how many consultations came how far. */
import { length, number, percent } from '../../kit/formats.js';
import { Card, Notice, Table, ask, html, t } from '../kit.js';
import { Bars, Csv, queryOf, useAnswer } from './parts.js';

const none = '–';

export function FunnelCard() {
  const query = queryOf();
  const { found, wrong } = useAnswer(ask, query && `/api/v1/reports/funnel?${query}`);
  if (wrong) return html`<${Notice} tone="bad">${wrong}<//>`;
  if (!found) return null;
  const columns = [
    { id: 'step', title: t('funnel.step'), draw: (each) => t(`funnel.${each.step}`) },
    { id: 'reached', title: t('funnel.reached'), end: true, draw: (each) => number(each.reached) },
    { id: 'links', title: t('funnel.of_links'), end: true, draw: (each) => (each.of_links === null ? none : percent(each.of_links)) },
    { id: 'before', title: t('funnel.of_before'), end: true, draw: (each) => (each.of_before === null ? none : percent(each.of_before)) },
    { id: 'about', title: t('funnel.means'), draw: (each) => t(`funnel.${each.step}.about`) },
  ];
  return html`
    <${Card} title=${t('funnel')} data-part="funnel" actions=${html`<${Csv} name="funnel" address=${query && `/api/v1/reports/funnel?${query}&format=csv`} />`}>
      <p class="fine">${t('funnel.about')} ${t('funnel.wait', { wait: found.wait_s === null ? none : length(found.wait_s) })}</p>
      <${Bars} rows=${found.steps.map((each) => [t(`funnel.${each.step}`), each.reached, number(each.reached)])} />
      <${Table} caption=${t('funnel.table')} columns=${columns} rows=${found.steps} id=${(each) => each.step} />
    <//>
  `;
}
