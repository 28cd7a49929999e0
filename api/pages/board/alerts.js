/** What is wrong now, as all supervisors see it: who sees to it, what is put off; and from where on they are told, tried on yesterday first. */
import { useEffect, useState } from 'preact/hooks';
import { ago, length, list, number, percent, time } from '../kit/formats.js';
import { Badge, Button, Card, Empty, Field, Notice, Table, ask, html, say, t, tell } from './kit.js';
import { alerts, calls, clock, people } from './live.js';

const SNOOZE_S = 15 * 60;
const OF_AGENTS = new Set(['help', 'report']);
const OF_QUEUES = new Set(['service_level', 'wait', 'nobody']);
const SHARES = new Set(['loss', 'service_level']);

const loud = () => alerts.value.filter((alert) => !alert.acknowledged_by && alert.snoozed_until <= clock.value);

/** The value that an alert is about, with its unit. */
function value({ kind, worst }) {
  if (SHARES.has(kind)) return percent(worst);
  if (kind === 'mos') return number(worst, 1);
  if (kind === 'wait') return length(worst);
  if (OF_AGENTS.has(kind)) return '';
  return kind === 'silent' || kind === 'nobody' ? '' : `${number(worst)} ms`;
}

/** Whom it is about. */
function about(alert) {
  const name = people.value.get(alert.subject)?.name || alert.subject;
  if (alert.kind === 'help') return name;
  if (alert.kind === 'report') return t('alert.said', { who: name, what: t(`report.${alert.what}`) });
  if (OF_QUEUES.has(alert.kind)) return t('alert.queue', { queue: alert.subject });
  const call = calls.get(alert.call_id)?.peek();
  const who = call ? call.name || call.number : alert.call_id;
  return t('alert.call', { who, hop: t(`hop.${alert.hop}`) });
}

const words = (alert) => [t(`alert.${alert.kind}`), value(alert)].filter(Boolean).join(' ');
const see = (alert) => tell(() => ask('POST', `/api/v1/alerts/${encodeURIComponent(alert.alert_id)}/acknowledgement`));
const putOff = (alert) => tell(() => ask('POST', `/api/v1/alerts/${encodeURIComponent(alert.alert_id)}/snooze`, { for_s: SNOOZE_S }));

function Buttons({ alert }) {
  return html`
    <span class="acts">
      <${Button} small data-do="acknowledge" onClick=${() => see(alert)}>${t('alert.see')}<//>
      <${Button} small data-do="snooze" onClick=${() => putOff(alert)}>${t('alert.snooze', { minutes: SNOOZE_S / 60 })}<//>
      ${alert.call_id && html`<a class="button-link" href=${`#${alert.call_id}`}>${t('call.open')}</a>`}
    </span>
  `;
}

/** Those that nobody saw to, over the calls. */
export function AlertStrip() {
  const open = loud();
  if (!open.length) return null;
  const more = open.length - 3;
  return html`
    <ul class="alerts" data-part="alerts" aria-label=${t('view.alerts')}>
      ${open.slice(0, 3).map((alert) => html`<li key=${alert.alert_id} data-alert=${alert.kind}><${Notice} tone="bad"><div class="alert-row"><span><strong>${words(alert)}</strong> ${about(alert)}</span><${Buttons} alert=${alert} /></div><//></li>`)}
      ${more > 0 && html`<li><a href="#alerts">${t('alert.more', { count: more })}</a></li>`}
    </ul>
  `;
}

const FIELDS = [
  ['round_trip_ms', 1, 10_000, 1],
  ['jitter_ms', 1, 10_000, 1],
  ['mos', 1, 5, 0.1],
  ['loss', 0, 100, 0.5],
  ['service_level', 0, 100, 1],
  ['wait_s', 1, 86_400, 1],
];

/** A share is asked for in percent. */
const shownAs = (name, value) => (SHARES.has(name) ? Math.round(value * 1e5) / 1e3 : value);
const meant = (name, value) => (SHARES.has(name) ? value / 100 : value);

function Thresholds() {
  const [wanted, setWanted] = useState(null);
  const [tried, setTried] = useState(null);
  const [busy, setBusy] = useState('');
  useEffect(() => {
    tell(async () => setWanted((await ask('GET', '/api/v1/alert-thresholds')).thresholds));
  }, []);
  if (!wanted) return null;
  const work = async (name, act) => {
    setBusy(name);
    await tell(act);
    setBusy('');
  };
  const preview = () => work('preview', async () => setTried(await ask('POST', '/api/v1/alert-thresholds/preview', wanted)));
  const save = (event) => {
    event.preventDefault();
    work('save', async () => {
      await ask('PUT', '/api/v1/alert-thresholds', wanted);
      say(t('thresholds.saved'));
    });
  };
  const told = tried && Object.entries(tried.told).filter(([, count]) => count > 0);
  return html`
    <${Card} title=${t('thresholds.title')} data-part="thresholds">
      <p class="fine">${t('thresholds.explained')}</p>
      <form class="kit-form two" onSubmit=${save}>
        ${FIELDS.map(([name, min, max, step]) => html`<${Field} key=${name} label=${t(`thresholds.${name}`)}><input type="number" data-field=${name} min=${min} max=${max} step=${step} required value=${shownAs(name, wanted[name])} onInput=${(event) => setWanted({ ...wanted, [name]: meant(name, event.currentTarget.valueAsNumber) })} /><//>`)}
        <div class="acts"><${Button} data-do="preview" busy=${busy === 'preview'} onClick=${preview}>${t('thresholds.preview')}<//><${Button} kind="primary" type="submit" data-do="save-thresholds" busy=${busy === 'save'}>${t('thresholds.save')}<//></div>
      </form>
      ${tried && html`<p class="notice" data-part="tried" role="status">${tried.seconds === 0 ? t('thresholds.nothing') : told.length ? t('thresholds.told', { what: list(told.map(([kind, count]) => `${t(`alert.${kind}`)} ${number(count)}`)) }) : t('thresholds.silent')}${tried.whole ? '' : ` ${t('thresholds.part')}`}</p>`}
    <//>
  `;
}

export function Alerts() {
  const columns = [
    { id: 'what', title: t('alert.what'), draw: (alert) => html`<${Badge} tone="bad">${words(alert)}<//>`, sort: (alert) => alert.kind },
    { id: 'about', title: t('alert.about'), draw: about },
    { id: 'since', title: t('alert.since'), draw: (alert) => ago(alert.since, clock.value), sort: (alert) => alert.since },
    { id: 'by', title: t('alert.by'), draw: (alert) => (alert.acknowledged_by ? t('alert.seen', { who: alert.acknowledged_by }) : alert.snoozed_until > clock.value ? t('alert.off', { who: alert.snoozed_by, until: time(alert.snoozed_until) }) : '') },
    { id: 'do', title: t('alert.do'), draw: (alert) => html`<${Buttons} alert=${alert} />` },
  ];
  return html`
    ${alerts.value.length ? html`<${Table} data-part="alert-list" caption=${t('view.alerts')} columns=${columns} rows=${alerts.value} id=${(alert) => alert.alert_id} />` : html`<${Empty} title=${t('alert.none')} />`}
    <${Thresholds} />
  `;
}

