/** How each server is: the program, its calls, its media workers, its clock, and what it stands on. Looked at every five seconds. */
import { useEffect } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { has, html, t } from '../kit/page.js';
import { Badge, Button, Card, Figure, Figures, Notice } from '../kit/parts.js';
import { Facts, Loaded, useAsked, worded } from './shared.js';

const EVERY_MS = 5000;
const CLOCK_S = 0.5;
const answering = (one) => html`<${Badge} tone=${one.ready ? 'good' : 'bad'}>${one.kind}<//> ${one.ready ? t('ms', { ms: formats.number(one.took_ms, 1) }) : t('health.away')}`;

function Node({ seen, own, builds }) {
  const { health } = seen;
  const name = seen.node || t('health.alone');
  if (!health) return html`<${Card} title=${name} data-node=${seen.node}><${Notice} tone="bad">${t('health.silent')}<//><//>`;
  const clock = Math.abs(seen.clock_off_s) > CLOCK_S;
  const load = health.load / health.cores;
  const ill = Object.entries(health.parts).filter(([, part]) => !part.ready);
  const told = Object.entries(health.parts).filter(([, part]) => part.ready && part.detail);
  return html`
    <${Card} title=${name} data-node=${seen.node} actions=${html`<${Badge} tone=${health.stopping ? 'warn' : ill.length ? 'bad' : 'good'}>${t(health.stopping ? 'health.stopping' : ill.length ? 'health.ill' : 'health.well')}<//>`}>
      ${ill.map(([part, state]) => html`<${Notice} key=${part} tone="bad"><strong>${worded('part', part, has)}</strong> ${state.detail}<//>`)}
      ${builds > 1 && html`<${Notice} tone="warn">${t('health.builds')}<//>`}
      ${clock && html`<${Notice} tone="bad">${t('health.clock_off', { seconds: formats.number(seen.clock_off_s, 1) })}<//>`}
      <${Figures}>
        <${Figure} label=${t('health.calls')} value=${formats.number(health.calls)} />
        <${Figure} label=${t('health.pages')} value=${formats.number(health.pages)} />
        <${Figure} label=${t('health.load')} value=${formats.percent(load > 1 ? Math.round(100 * load) / 100 : load)} tone=${load > 1 ? 'bad' : load > 0.7 ? 'warn' : undefined} note=${t('health.cores', { count: health.cores })} />
        <${Figure} label=${t('health.tick')} value=${formats.percent(health.tick_share)} tone=${health.tick_share > 0.8 ? 'bad' : undefined} note=${t('health.late', { ms: formats.number(health.tick_late_ms, 1) })} />
        <${Figure} label=${t('health.workers')} value=${t('of', { some: formats.number(health.workers_up), all: formats.number(health.workers) })} tone=${health.workers_up < health.workers ? 'bad' : undefined} />
        <${Figure} label=${t('health.memory')} value=${t('mb', { mb: formats.number(health.memory_mb) })} />
      <//>
      <${Facts} rows=${[
        [t('health.program'), html`${health.version || '–'} <code>${health.build}</code>`],
        [t('health.since'), `${formats.moment(health.since)} (${formats.ago(health.since)})`],
        [t('health.clock'), own ? formats.time(health.at) : t('health.clock.off', { seconds: formats.number(seen.clock_off_s, 2) })],
        [t('health.database'), answering(health.database)],
        [t('health.redis'), health.redis ? answering(health.redis) : t('health.redis.none')],
        [t('health.asked'), own ? '' : t('ms', { ms: formats.number(seen.took_ms, 1) })],
      ]} />
      ${told.length > 0 && html`<details><summary>${t('health.parts')}</summary><${Facts} rows=${told.map(([part, state]) => [worded('part', part, has), state.detail])} /></details>`}
    <//>
  `;
}

export default function Health() {
  const asked = useAsked('/api/v1/nodes');
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && asked.again(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return html`
    <${Loaded} asked=${asked}>${({ nodes, asked: node }) => {
      const builds = new Set(nodes.map((seen) => seen.health?.build).filter(Boolean)).size;
      return html`
        <div class="admin-bar"><p class="fine">${t('health.about', { count: nodes.length })}</p><div class="acts"><${Button} small onClick=${asked.again}>${t('look_again')}<//></div></div>
        ${nodes.map((seen) => html`<${Node} key=${seen.node} seen=${seen} own=${seen.node === node} builds=${builds} />`)}
      `;
    }}<//>
  `;
}
