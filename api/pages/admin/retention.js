/** What is kept, how long, and what the next look would delete. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, has, html, t } from '../kit/page.js';
import { Button, Card, Figure, Figures, Notice } from '../kit/parts.js';
import { Listing, Loaded, quietly, useAsked, worded } from './shared.js';

const daysOf = (days) => (days === null ? t('retention.for_good') : days >= 730 ? t('retention.years', { years: formats.number(days / 365.25, Math.abs(days / 365.25 - Math.round(days / 365.25)) < 0.05 ? 0 : 1), days: formats.number(days) }) : t('retention.some_days', { count: Math.round(days) }));

export default function Retention() {
  const asked = useAsked('/api/v1/retention');
  const [due, setDue] = useState(null);
  const [busy, setBusy] = useState(false);
  const count = async () => {
    setBusy(true);
    await quietly(async () => setDue((await ask('GET', '/api/v1/retention/due')).due));
    setBusy(false);
  };
  return html`
    <${Loaded} asked=${asked}>${(now) => {
      const columns = [
        { id: 'kind', title: t('retention.kind'), draw: (one) => html`<strong>${worded('kept', one.kind, has)}</strong>`, sort: (one) => worded('kept', one.kind, has) },
        { id: 'class', title: t('retention.class'), draw: (one) => worded('class', one.data_class, has), sort: (one) => one.data_class },
        { id: 'days', title: t('retention.days'), draw: (one) => html`${daysOf(one.days)}${one.class_days !== null && html`<br /><span class="fine">${t('retention.by_class', { count: one.class_days })}</span>`}`, sort: (one) => one.days ?? Number.MAX_VALUE, end: true },
        { id: 'countries', title: t('retention.countries'), draw: (one) => Object.entries(one.countries).map(([code, days]) => `${code}: ${formats.number(days)}`).join(', ') || '–' },
        { id: 'deleted', title: t('retention.deleted'), draw: (one) => formats.number(now.deleted[one.kind] ?? 0), sort: (one) => now.deleted[one.kind] ?? 0, end: true },
        ...(due ? [{ id: 'due', title: t('retention.due'), draw: (one) => html`<strong>${formats.number(due[one.kind] ?? 0)}</strong>`, sort: (one) => due[one.kind] ?? 0, end: true }] : []),
      ];
      const total = due ? Object.values(due).reduce((sum, each) => sum + each, 0) : 0;
      return html`
        ${!now.enabled && html`<${Notice} tone="warn">${t('retention.off')}<//>`}
        ${now.neglected > 0 && html`<${Notice} tone="bad">${t('retention.neglected', { count: now.neglected })}<//>`}
        <${Card} title=${t('retention.kept')} actions=${html`<${Button} kind="primary" small data-do="count" busy=${busy} onClick=${count}>${t('retention.count')}<//>`}>
          <p>${t('retention.about', { hours: formats.number(now.look_every_s / 3600) })}</p>
          <div role="status">${due && html`<${Notice} tone=${total ? 'warn' : 'good'}>${total ? t('retention.would', { count: total }) : t('retention.nothing')}<//>`}</div>
          <${Listing} caption=${t('retention.kept')} columns=${columns} rows=${now.kinds} id=${(one) => one.kind} words=${(one) => [one.kind, worded('kept', one.kind, has)]} search=${false} empty=${[t('kit.nothing'), '']} />
          <p class="fine">${t('retention.settings')}</p>
        <//>
        <${Card} title=${t('retention.others')}>
          <${Figures}>${Object.entries(now.others).map(([name, days]) => html`<${Figure} key=${name} label=${worded('kept', name, has)} value=${daysOf(days)} />`)}<//>
          <p class="fine">${t('retention.holds')} <a href="#privacy">${t('section.privacy')}</a></p>
        <//>
      `;
    }}<//>
  `;
}
