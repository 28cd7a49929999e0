/**
 * Rows and columns. Heads sort, arrow keys go from row to row, and on a narrow screen each row is a card of its own, its values beside the
 * names of their columns. What a part is in the table is said of it (`role`), for it is drawn there as none.
 */
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { Icon } from './icon.js';
import { spoken, t } from './words.js';

const WAYS = { ascending: 1, descending: -1 };

/** Those without a value come last, whichever way it goes. */
function compare(one, other, collator) {
  const [no, none] = [one, other].map((value) => value === null || value === undefined || value === '');
  if (no || none) return Number(no) - Number(none);
  return typeof one === 'number' && typeof other === 'number' ? one - other : collator.compare(String(one), String(other));
}

function inOrder(rows, columns, order) {
  const column = order && columns.find((each) => each.id === order.id);
  if (!column?.sort) return rows;
  const collator = new Intl.Collator(spoken(), { numeric: true });
  const value = (row) => column.sort(row);
  const missing = (found) => found === null || found === undefined || found === '';
  return [...rows].sort((a, b) => compare(value(a), value(b), collator) * (missing(value(a)) || missing(value(b)) ? 1 : WAYS[order.way]));
}

function Head({ column, order, setOrder }) {
  const way = order?.id === column.id ? order.way : 'none';
  const names = column.end ? 'end' : null;
  if (!column.sort) return html`<th scope="col" role="columnheader" class=${names}>${column.title}</th>`;
  const turn = () => setOrder({ id: column.id, way: way === 'ascending' ? 'descending' : 'ascending' });
  const icon = { ascending: 'rising', descending: 'falling', none: 'both' }[way];
  return html`
    <th scope="col" role="columnheader" class=${names} aria-sort=${way}>
      <button type="button" class="kit-sort" data-sort=${column.id} onClick=${turn}>${column.title}<${Icon} name=${icon} /></button>
    </th>
  `;
}

/** Does what is in the box stick out of it? Then it takes the focus, so that keys can move it. */
function useSticksOut(box) {
  const [out, setOut] = useState(false);
  useEffect(() => {
    const watch = new ResizeObserver(() => box.current && setOut(box.current.scrollWidth > box.current.clientWidth));
    watch.observe(box.current);
    watch.observe(box.current.firstElementChild);
    return () => watch.disconnect();
  }, []);
  return out;
}

/**
 * `columns`: `{id, title, draw(row), sort(row), end}` each; `sort` gives a number or a text, `end` puts figures below one another. `id(row)` is
 * the row's own, `onOpen(row)` what Enter and a click do, `caption` what the table is called, `sorted` how it begins, `shown` the row that is open.
 */
export function Table({ columns, rows, id, empty, onOpen, caption, sorted = null, shown, ...more }) {
  const name = useId();
  const box = useRef();
  const [order, setOrder] = useState(sorted);
  const [current, setCurrent] = useState(null);
  const sticksOut = useSticksOut(box);
  const ordered = useMemo(() => inOrder(rows, columns, order), [rows, columns, order]);
  const here = ordered.some((row) => id(row) === current) ? current : ordered.length ? id(ordered[0]) : null;

  const go = (event) => {
    const lines = [...box.current.querySelectorAll('tbody tr')];
    const at = lines.indexOf(event.target);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      lines[to]?.focus();
    } else if (event.key === 'Enter') onOpen(ordered[at]);
  };
  const clicked = (row) => (event) => !event.target.closest('a, button, input, select, label') && onOpen(row);
  const opens = (row) => (onOpen ? { tabindex: id(row) === here ? 0 : -1, onClick: clicked(row), onFocus: () => setCurrent(id(row)) } : {});
  const line = (row) => html`
    <tr key=${id(row)} role="row" data-row=${id(row)} class=${onOpen ? 'opens' : null} aria-current=${shown === id(row) ? 'true' : null} ...${opens(row)}>
      ${columns.map((column) => html`<td key=${column.id} role="cell" class=${column.end ? 'end' : null} data-title=${column.title}><div>${column.draw(row)}</div></td>`)}
    </tr>
  `;
  return html`
    <div ...${more} ref=${box} class="kit-table kit-cards" role="region" aria-labelledby=${name} tabindex=${sticksOut ? 0 : null}>
      <table role="table">
        <caption id=${name} class="visually-hidden">${caption}</caption>
        <thead role="rowgroup"><tr role="row">${columns.map((column) => html`<${Head} key=${column.id} column=${column} order=${order} setOrder=${setOrder} />`)}</tr></thead>
        <tbody role="rowgroup" onKeyDown=${onOpen ? go : null}>
          ${ordered.map(line)}
          ${!ordered.length && html`<tr role="row"><td role="cell" class="fine" colspan=${columns.length}>${empty ?? t('kit.nothing')}</td></tr>`}
        </tbody>
      </table>
    </div>
  `;
}
