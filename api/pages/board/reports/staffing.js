/** Agents that are needed in the next hours, beside those who are there. */
import { hourIn, length, number, percent } from '../../kit/formats.js';
import { Badge, Card, Empty, Figure, Figures, Notice, Skeleton, Table, ask, html, t } from '../kit.js';
import { titleOf } from '../live.js';
import { Csv, useAnswer } from './parts.js';

const none = '–';
const address = '/api/v1/reports/staffing?hours=6';

/** Enough, or how many are missing. */
function Against({ hour, present }) {
  if (hour.needed === null) return t('staff.unknown');
  const missing = hour.needed - present;
  return missing > 0 ? html`<${Badge} tone="warn">${t('staff.short', { count: missing })}<//>` : html`<${Badge} tone="good">${t('staff.enough')}<//>`;
}

function Queue({ of, zone, goal }) {
  const columns = [
    { id: 'at', title: t('staff.hour'), draw: (hour) => hourIn(zone, hour.at) },
    { id: 'calls', title: t('staff.calls'), end: true, draw: (hour) => (hour.calls === null ? none : number(hour.calls, 1)) },
    { id: 'needed', title: t('staff.needed'), end: true, draw: (hour) => (hour.needed === null ? none : number(hour.needed)) },
    { id: 'now', title: t('staff.now'), draw: (hour) => html`<${Against} hour=${hour} present=${of.present} />` },
    { id: 'level', title: t('staff.level'), end: true, draw: (hour) => (hour.level === null ? none : percent(hour.level)) },
  ];
  return html`
    <${Card} title=${titleOf(of.queue)} data-queue=${of.queue}>
      <${Figures}>
        <${Figure} label=${t('staff.present')} value=${number(of.present)} note=${of.away ? t('staff.away', { count: of.away }) : undefined} />
        <${Figure} label=${t('staff.handle')} value=${of.handle_s === null ? none : length(of.handle_s)} />
        <${Figure} label=${t('staff.patience')} value=${of.patience_s === null ? none : length(of.patience_s)} note=${of.patience_s === null && of.calls ? t('staff.endless') : undefined} />
        <${Figure} label=${t('staff.weeks')} value=${number(of.weeks)} />
      <//>
      ${of.why ? html`<${Notice} data-why=${of.why}>${t(`staff.why.${of.why}`, { weeks: of.weeks, calls: of.calls })}<//>` : html`<p class="fine">${t('staff.goal', { goal: percent(goal), within: number(of.within_s), zone })}</p><${Table} caption=${t('staff.table', { queue: titleOf(of.queue) })} columns=${columns} rows=${of.hours} id=${(hour) => hour.at} />`}
    <//>
  `;
}

export function View() {
  const { found, wrong } = useAnswer(ask, address);
  if (wrong) return html`<${Notice} tone="bad">${wrong}<//>`;
  if (!found) return html`<${Skeleton} lines=${5} />`;
  return html`
    <div class="report-lead" data-part="staffing"><p>${t('staff.lead')}</p><${Csv} name="staffing" address=${`${address}&format=csv`} /></div>
    ${found.queues.length ? found.queues.map((each) => html`<${Queue} key=${each.queue} of=${each} zone=${found.zone} goal=${found.goal} />`) : html`<${Empty} title=${t('staff.none')} />`}
    <p class="fine">${t('staff.method')}</p>
  `;
}
