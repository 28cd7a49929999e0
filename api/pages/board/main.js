/**
 * The supervisor's board: what runs and how it sounds, one call with all that is known of it, calls that were, alerts, the team. `#CALL` is one
 * call's page, `#scorecards/CALL` where it is judged, `?wall` a screen that everybody sees.
 *
 * For engineers and tests, `window.centralita` shows the call that we are in; buttons carry `data-do`, calls `data-call-id`.
 */
import { computed, effect, signal } from '@preact/signals';
import { mount } from '../kit/page.js';
import * as link from '../js/link.js';
import { AlertStrip, Alerts } from './alerts.js';
import { CallPage } from './call.js';
import { History } from './history.js';
import { Badge, Choice, Empty, Field, Notice, Skeleton, Tabs, alarm, explain, html, session, t } from './kit.js';
import { later } from './later.js';
import { age, alerts, all, calls, known, queues, refused, shownAt, stale, titleOf, total, watch } from './live.js';
import * as monitor from './monitor.js';
import { Now, keepToday } from './now.js';
import { Panel } from './panel.js';
import { Rows, fits } from './rows.js';
import { Team } from './team.js';
import { Wall } from './wall.js';

const VIEWS = ['live', 'history', 'alerts', 'team', 'reports', 'differences', 'staffing', 'scorecards'];
const SHOWN = ['all', 'bad', 'waiting', 'held', 'mine'];

const place = signal(location.hash.slice(1));
addEventListener('hashchange', () => (place.value = location.hash.slice(1)));
const wall = new URLSearchParams(location.search).has('wall');

const words = signal('');
const show = signal('all');
const queue = signal('');
const chosen = signal(null);
const list = computed(() => all.value.filter((call) => fits(call, words.value, show.value, queue.value, session.value?.identity)));

/** How old what is shown is. */
const Fresh = () => {
  const words = stale.value ? t(link.link.value === 'lost' ? 'fresh.lost' : 'fresh.stale', { seconds: age.value }) : age.value > 1 ? t('fresh.ago', { seconds: age.value }) : t('fresh.now');
  return html`<span data-part="fresh" data-stale=${String(stale.value)}><${Badge} tone=${stale.value ? 'warn' : 'good'}>${words}<//></span>`;
};

function Filters() {
  const named = queues.value.map((each) => each.name);
  return html`
    <div class="filters">
      <${Field} label=${t('filter.words')}><input type="search" data-field="words" value=${words.value} maxlength="80" onInput=${(event) => (words.value = event.currentTarget.value)} /><//>
      <${Choice} label=${t('filter.show')} data-field="show" value=${show.value} options=${SHOWN.map((each) => [each, t(`show.${each}`)])} onChange=${(each) => (show.value = each)} />
      ${named.length > 0 && html`<${Choice} label=${t('filter.queue')} data-field="queue" value=${queue.value} options=${[['', t('filter.any')], ...named.map((each) => [each, titleOf(each)])]} onChange=${(each) => (queue.value = each)} />`}
    </div>
  `;
}

function Live() {
  if (!known.value) return html`<${Skeleton} lines=${6} />`;
  const bad = all.value.filter((call) => call.hop).length;
  const open = calls.get(chosen.value) ?? calls.get(monitor.mine.value?.call_id);
  return html`
    <${Now} />
    <${AlertStrip} />
    <${Filters} />
    <p id="count" class="fine">${t('count', { total: total.value, bad })}</p>
    <div class=${`live ${open ? 'with-panel' : ''}`}>
      ${all.value.length ? html`<${Rows} list=${list} open=${open?.peek().call_id ?? null} onOpen=${(id) => (chosen.value = chosen.peek() === id ? null : id)} />` : html`<div id="none"><${Empty} title=${t('none')} /></div>`}
      ${open && html`<${Panel} of=${open} onClose=${() => (chosen.value = null)} />`}
    </div>
  `;
}

const Reports = later(() => import('./reports/figures.js'));
const Differences = later(() => import('./reports/differences.js'));
const Staffing = later(() => import('./reports/staffing.js'));
const Scorecards = later(() => import('./reports/scorecards.js'));
const SCREENS = { live: Live, history: History, alerts: Alerts, team: Team, reports: Reports, differences: Differences, staffing: Staffing, scorecards: Scorecards };

function Board() {
  const at = place.value || 'live';
  if (refused.value && !known.value) return html`<div data-part="refused"><h1 class="kit-title">${t('title')}</h1>${refused.value.code === 'forbidden' ? html`<${Empty} title=${t('refused.title')}>${t('error.supervisors')}<//>` : html`<${Notice} tone="bad">${explain(refused.value)}<//>`}</div>`;
  const told = known.value ? 'true' : null;
  if (wall) return html`<div class="board" data-board=${told} data-at=${shownAt.value} data-stale=${String(stale.value)}><${Wall} Fresh=${Fresh} /></div>`;
  const [view, about] = at.split('/');
  const shown = VIEWS.includes(view) ? view : 'call';
  const tabs = VIEWS.map((each) => [each, each === 'alerts' && alerts.value.length ? t('view.alerts_open', { count: alerts.value.length }) : t(`view.${each}`)]);
  if (shown === 'call') tabs.push(['call', t('view.call')]);
  return html`
    <div class="board" data-board=${told} data-at=${shownAt.value} data-stale=${String(stale.value)}>
      <header class="head"><h1>${t('title')}</h1><${Fresh} /><a class="wall-link" href="/board?wall">${t('view.wall')}</a></header>
      <${Tabs} label=${t('title')} tabs=${tabs} chosen=${shown} onChoose=${(each) => each !== 'call' && (location.hash = each === 'live' ? '' : each)}>${shown === 'call' ? html`<${CallPage} key=${at} id=${at} />` : html`<${SCREENS[shown]} key=${at} about=${about} onBack=${() => (location.hash = about)} />`}<//>
    </div>
  `;
}

watch(monitor.receive);
keepToday();
effect(() => {
  if (!session.value) {
    monitor.stop();
    chosen.value = null;
  }
});
effect(() => {
  if (link.link.value === 'lost' && session.peek()) alarm(explain('signalling_lost'));
  else if (link.link.value === 'up') alarm('');
});

window.centralita = {
  state: {
    get calls() {
      return monitor.mine.peek() ? [monitor.mine.peek()] : [];
    },
  },
  /** What is heard of it, as a `MediaStream`. */
  remoteStream: () => monitor.peer.peek()?.stream ?? null,
  /** A call as it is shown. */
  shown: (id) => calls.get(id)?.peek() ?? null,
};

mount(Board, { wide: true });
