/** One card per call: who, how long, and a row per leg with what comes from it and what it hears. The worst calls come first. */
import { t } from '../consultation/text.js';

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

function fill(card, call) {
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
  card.replaceChildren(head, about, verdict, legs);
}

const lowest = (call) => Math.min(9, ...call.legs.flatMap((leg) => [leg.mos, leg.far_mos]).filter((mos) => mos !== null));

export class Cards {
  constructor(list) {
    this.list = list;
    this.cards = new Map();
  }

  draw(calls, now) {
    const sorted = calls.sort((one, other) => Boolean(other.hop) - Boolean(one.hop) || lowest(one) - lowest(other));
    const kept = new Map();
    for (const call of sorted) {
      const card = this.cards.get(call.call_id) ?? made('li', 'card call');
      fill(card, call);
      kept.set(call.call_id, card);
    }
    this.cards = kept;
    this.list.replaceChildren(...kept.values());
    this.tick(now);
  }

  /** The lengths of calls, which run by themselves. */
  tick(now) {
    for (const node of this.list.querySelectorAll('.since')) node.textContent = clock(now - Number(node.dataset.from));
  }
}
