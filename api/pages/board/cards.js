/**
 * One card per call: who, how long, what a supervisor may do, and a row per leg with what comes from it and what it hears. The call that we
 * are in comes first, then the worst ones.
 */
import { t } from '../consultation/text.js';
import { Actions } from './actions.js';
import { mine } from './monitor.js';

const GOOD_MOS = 3.8;
const FAIR_MOS = 3.1;

function made(tag, className = '', text = '') {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
};

const grade = (mos) => (mos === null ? 'none' : mos >= GOOD_MOS ? 'good' : mos >= FAIR_MOS ? 'fair' : 'bad');

/** MOS with its scale, loss and jitter of one way, in a cell. */
function way(label, mos, scale, loss, jitterMs) {
  const cell = made('dd', 'way');
  const score = made('span', 'mos', mos === null ? '–' : mos.toFixed(1));
  score.dataset.grade = grade(mos);
  const known = [scale && t(`scale.${scale}`), loss !== null && t('loss', { percent: (100 * loss).toFixed(1) })];
  if (jitterMs !== null) known.push(t('jitter', { ms: Math.round(jitterMs) }));
  cell.append(score, made('span', 'fine', known.filter(Boolean).join(' · ') || t('unmeasured')));
  return [made('dt', 'fine', label), cell];
}

function legRow(leg) {
  const row = made('li', 'leg');
  const trip = leg.round_trip_ms === null ? '' : t('round_trip', { ms: Math.round(leg.round_trip_ms) });
  const head = made('p', 'leg-head');
  head.append(made('strong', '', t(`side.${leg.side}`)), made('span', 'fine', [leg.codec, trip].filter(Boolean).join(' · ')));
  const ways = made('dl', 'ways');
  ways.append(...way(t('way.from'), leg.mos, leg.scale, leg.loss, leg.jitter_ms));
  ways.append(...way(t('way.to'), leg.far_mos, leg.far_scale, leg.far_loss, leg.far_jitter_ms));
  row.dataset.side = leg.side;
  row.append(head, ways);
  return row;
}

function fill({ node: card, told, below, actions }, call) {
  card.dataset.callId = call.call_id;
  card.dataset.state = call.state;
  card.dataset.hop = call.hop;
  const head = made('div', 'call-head');
  const who = made('h3', 'who', call.name ? `${call.name} · ${call.number}` : call.number);
  const since = made('span', 'since');
  since.dataset.from = String(call.answered_at ?? call.started_at);
  head.append(who, since);
  const state = t(call.held ? 'state.held' : `state.${call.state}`);
  const about = made('p', 'fine', [t(`direction.${call.direction}`), call.agent, state].filter(Boolean).join(' · '));
  const verdict = made('p', 'verdict', call.hop ? t('fault', { hop: t(`hop.${call.hop}`), cause: t(`cause.${call.cause}`) }) : '');
  verdict.hidden = !call.hop;
  const legs = made('ul', 'legs');
  legs.append(...call.legs.map(legRow));
  told.replaceChildren(head, about, verdict);
  below.replaceChildren(legs);
  actions.show(call);
}

/** What changes every second is around the buttons, which stay. */
function blank(say) {
  const card = { node: made('li', 'card call'), told: made('div'), below: made('div'), actions: new Actions(say) };
  card.node.append(card.told, card.actions.node, card.below);
  return card;
}

/** Put these into the list in this order, moving none that stands right: a moved button loses the keyboard. */
function arrange(list, nodes) {
  for (const node of [...list.children]) if (!nodes.includes(node)) node.remove();
  const focused = document.activeElement;
  nodes.forEach((node, at) => list.children[at] !== node && list.insertBefore(node, list.children[at] ?? null));
  if (focused !== document.activeElement && focused.isConnected) focused.focus();
}

const lowest = (call) => Math.min(9, ...call.legs.flatMap((leg) => [leg.mos, leg.far_mos]).filter((mos) => mos !== null));

export class Cards {
  /** `say(text)` tells the person what came of what they asked. */
  constructor(list, say) {
    this.list = list;
    this.say = say;
    this.cards = new Map();
  }

  draw(calls, now) {
    const ours = (call) => call.call_id === mine.peek()?.call_id;
    const sorted = calls.sort((one, other) => ours(other) - ours(one) || Boolean(other.hop) - Boolean(one.hop) || lowest(one) - lowest(other));
    const kept = new Map();
    for (const call of sorted) {
      const card = this.cards.get(call.call_id) ?? blank(this.say);
      fill(card, call);
      kept.set(call.call_id, card);
    }
    for (const [callId, card] of this.cards) if (!kept.has(callId)) card.actions.stop();
    this.cards = kept;
    arrange(this.list, [...kept.values()].map((card) => card.node));
    this.tick(now);
  }

  /** The lengths of calls, which run by themselves. */
  tick(now) {
    for (const node of this.list.querySelectorAll('.since')) node.textContent = clock(now - Number(node.dataset.from));
  }
}
