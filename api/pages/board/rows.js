/**
 * The calls that run, as a table of which only the rows in sight are drawn: five hundred of them cost what twenty do.
 *
 * Rows stand still while somebody is at them, by mouse or keyboard: new ones come at the end, and the order is made anew when they leave.
 */
import { Telephone } from '../kit/telephone.js';
import { useComputed, useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { length, number } from '../kit/formats.js';
import { Icon } from '../kit/icon.js';
import { Badge, html, t } from './kit.js';
import { calls, clock, ids, titleOf } from './live.js';
import { TONES, grade, gradeOf, hears, lowest } from './verdict.js';

const ROW_PX = 44;
const SPARE = 4;
const WORST = { bad: 0, fair: 1, none: 2, good: 3 };

const since = (call) => call.answered_at ?? call.started_at;
/** What a column is sorted by. */
const SORTS = {
  verdict: (call) => WORST[gradeOf(call)],
  customer: (call) => (call.name || call.number).toLowerCase(),
  agent: (call) => call.agent.toLowerCase(),
  queue: (call) => call.queue.toLowerCase(),
  state: (call) => (call.held ? 'held' : call.state),
  length: (call) => -since(call),
  agent_hears: (call) => hears(call, 'agent') ?? 9,
  customer_hears: (call) => hears(call, 'phone') ?? 9,
  cause: (call) => call.hop,
};
const COLUMNS = Object.keys(SORTS);
const AT_END = new Set(['length', 'agent_hears', 'customer_hears']);

/** In which words a call is bad, or ''. */
export const fault = (call) => (call.hop ? t('fault', { hop: t(`hop.${call.hop}`), cause: t(`cause.${call.cause}`) }) : '');

/** Does a call have these words, and is it of this kind? `show`: all, bad, waiting, held, mine (`me`). */
export function fits(call, words, show, queue, me) {
  if (show === 'bad' && !call.hop && grade(lowest(call)) !== 'bad') return false;
  if (show === 'waiting' && call.state === 'live') return false;
  if (show === 'held' && !call.held) return false;
  if (show === 'mine' && !call.monitors.some((each) => each.identity === me)) return false;
  if (queue && call.queue !== queue) return false;
  return !words || `${call.name} ${call.number} ${call.agent} ${call.queue}`.toLowerCase().includes(words.toLowerCase());
}

/** One MOS. */
export const Mos = ({ mos }) => html`<span class="mos" data-grade=${grade(mos)}>${mos === null || mos === undefined ? '–' : number(mos, 1)}</span>`;

const Length = ({ from }) => html`<span class="since">${length(clock.value - from)}</span>`;

/** Follows its own call, and nothing else. */
function Row({ of, at, current, open, onOpen, onFocus }) {
  const call = of.value;
  const quality = gradeOf(call);
  return html`
    <tr data-row=${call.call_id} data-call-id=${call.call_id} data-state=${call.state} data-hop=${call.hop} class="opens" aria-rowindex=${at + 2}
      tabindex=${current ? 0 : -1} aria-current=${open ? 'true' : null} onClick=${() => onOpen(call.call_id)} onFocus=${() => onFocus(call.call_id)}>
      <td><${Badge} tone=${TONES[quality]}>${t(`grade.${quality}`)}<//></td>
      <td class="who">${call.name && html`<bdi>${call.name}</bdi> · `}<${Telephone} text=${call.number} /></td>
      <td>${call.agent}</td>
      <td>${titleOf(call.queue)}</td>
      <td>${t(call.held ? 'state.held' : `state.${call.state}`)}</td>
      <td class="end"><${Length} from=${since(call)} /></td>
      <td class="end"><${Mos} mos=${hears(call, 'agent')} /></td>
      <td class="end"><${Mos} mos=${hears(call, 'phone')} /></td>
      <td class="cause">${fault(call)}</td>
    </tr>
  `;
}

function Head({ id, order }) {
  const { by, down } = order.value;
  const way = by === id ? (down ? 'descending' : 'ascending') : 'none';
  const turn = () => (order.value = { by: id, down: by === id && !down });
  return html`
    <th scope="col" class=${AT_END.has(id) ? 'end' : null} aria-sort=${way}>
      <button type="button" class="kit-sort" data-sort=${id} onClick=${turn}>${t(`column.${id}`)}<${Icon} name=${{ ascending: 'rising', descending: 'falling', none: 'both' }[way]} /></button>
    </th>
  `;
}

function sorted(list, { by, down }) {
  const key = SORTS[by];
  const keys = new Map(list.map((call) => [call.call_id, key(call)]));
  const way = down ? -1 : 1;
  const compare = (one, other) => {
    const [a, b] = [keys.get(one.call_id), keys.get(other.call_id)];
    return (a < b ? -1 : a > b ? 1 : 0) * way || since(one) - since(other) || (one.call_id < other.call_id ? -1 : 1);
  };
  return list.sort(compare).map((call) => call.call_id);
}

/** `list`: a signal of the calls that are wanted. `open`: the id of the one that is looked at; `onOpen(id)`. */
export function Rows({ list, open, onOpen }) {
  const box = useRef();
  const order = useSignal({ by: 'verdict', down: false });
  const at = useSignal(null); // the row that keys reach
  const top = useSignal(0);
  const high = useSignal(480);
  const busy = useSignal(false); // somebody is at the rows
  const toFocus = useRef(false);
  const kept = useRef({ order: null, ids: [] });

  const shown = useComputed(() => {
    const wanted = list.value;
    if (busy.value && kept.current.order === order.value) {
      const there = new Set(wanted.map((call) => call.call_id));
      const stay = kept.current.ids.filter((id) => there.has(id));
      const had = new Set(stay);
      kept.current.ids = [...stay, ...wanted.map((call) => call.call_id).filter((id) => !had.has(id))];
    } else kept.current = { order: order.value, ids: sorted([...wanted], order.value) };
    return kept.current.ids;
  });
  const rows = shown.value;
  const current = rows.includes(at.value) ? at.value : (rows[0] ?? null);
  const first = Math.max(0, Math.floor(top.value / ROW_PX) - SPARE);
  const count = Math.ceil(high.value / ROW_PX) + 2 * SPARE;
  const drawn = rows.slice(first, first + count);

  useEffect(() => {
    const watch = new ResizeObserver(() => box.current && (high.value = box.current.clientHeight));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (!toFocus.current) return;
    toFocus.current = false;
    box.current.querySelector(`tr[data-row="${CSS.escape(current)}"]`)?.focus({ preventScroll: true });
  });

  const go = (event) => {
    const here = rows.indexOf(current);
    const page = Math.max(1, Math.floor(high.peek() / ROW_PX) - 2);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, PageDown: here + page, PageUp: here - page, Home: 0, End: rows.length - 1 }[event.key];
    if (event.target.tagName !== 'TR') return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      onOpen(current);
    }
    if (to === undefined) return;
    event.preventDefault();
    const next = Math.min(rows.length - 1, Math.max(0, to));
    const [above, below] = [next * ROW_PX, (next + 2) * ROW_PX + 8 - high.peek()];
    if (box.current.scrollTop > above) box.current.scrollTop = above;
    if (box.current.scrollTop < below) box.current.scrollTop = below;
    top.value = box.current.scrollTop;
    at.value = rows[next];
    toFocus.current = true;
  };
  const left = (event) => {
    if (!box.current.contains(event.relatedTarget)) busy.value = false;
  };
  return html`
    <div ref=${box} class="kit-table rows" id="calls" role="region" aria-label=${t('calls')} tabindex="-1" onScroll=${() => (top.value = box.current.scrollTop)}
      onFocusIn=${() => (busy.value = true)} onFocusOut=${left} onPointerEnter=${() => (busy.value = true)} onPointerLeave=${() => (busy.value = box.current.contains(document.activeElement))}>
      <table aria-rowcount=${rows.length + 1}>
        <caption class="visually-hidden">${t('calls')}</caption>
        <thead><tr>${COLUMNS.map((id) => html`<${Head} key=${id} id=${id} order=${order} />`)}</tr></thead>
        <tbody onKeyDown=${go}>
          ${first > 0 && html`<tr key="above" aria-hidden="true" style=${{ blockSize: `${first * ROW_PX}px` }}></tr>`}
          ${drawn.map((id, place) => html`<${Row} key=${id} of=${calls.get(id)} at=${first + place} current=${id === current} open=${id === open} onOpen=${onOpen} onFocus=${(row) => (at.value = row)} />`)}
          ${first + drawn.length < rows.length && html`<tr key="below" aria-hidden="true" style=${{ blockSize: `${(rows.length - first - drawn.length) * ROW_PX}px` }}></tr>`}
        </tbody>
      </table>
    </div>
  `;
}

export { ids };
