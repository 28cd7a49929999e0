/**
 * Figures over time, drawn by uPlot, with the same figures as a table for who does not see the lines. uPlot comes with the first chart that
 * is drawn: most visits to a page that could draw one see none.
 */
import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, time } from './formats.js';
import { html } from './html.js';
import { theme } from './theme.js';
import { language, t } from './words.js';

const HEIGHT_PX = 200;
const ROWS_SHOWN = 120;
/** Of a digit on the axis, and between two times there. */
const WIDEST_PX = 7;
const GAP_PX = 12;
const COLOURS = ['--primary', '--good', '--warn', '--bad', '--text-soft'];
/** Lines differ in their dashes too. */
const DASHES = [[], [8, 4], [2, 3], [12, 3, 2, 3], [5, 5]];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const unitsOf = (series) => [...new Set(series.map(({ unit }) => unit ?? ''))];

/** The columns uPlot wants: all times once, and each line's value at each of them; where it has none nothing, which breaks no line as a null does. */
function columnsOf(series) {
  const lines = series.map(({ points }) => new Map(points));
  const times = [...new Set(lines.flatMap((line) => [...line.keys()]))].sort((one, other) => one - other);
  return [times, ...lines.map((line) => times.map((at) => line.get(at)))];
}

let library = null;

/** uPlot, once it is there; null until then. */
function useLibrary() {
  const [there, setThere] = useState(() => library);
  useEffect(() => {
    if (!library) import('uplot').then((module) => setThere(() => (library = module.default)));
  }, []);
  return there;
}

/** Moments less than a minute from one another are told with their seconds. */
const told = (ticks) => ticks.map(ticks.length > 1 && ticks[1] - ticks[0] < 60 ? clock : time);

function optionsOf({ caption, from, to, series, scale }, width) {
  const [text, line] = [colour('--text-soft'), colour('--line')];
  const units = unitsOf(series).slice(0, 2);
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: '12px Roboto, sans-serif' };
  const rows = series.map(({ words, unit }, at) => ({
    label: words,
    scale: units.includes(unit ?? '') ? unit || 'y' : units[0] || 'y',
    stroke: colour(COLOURS[at % COLOURS.length]),
    dash: DASHES[at % DASHES.length],
    width: 2,
    spanGaps: false,
    points: { show: series[at].points.length < 3 },
  }));
  const sides = units.map((unit, at) => ({ ...axis, scale: unit || 'y', label: unit || null, labelSize: unit ? 18 : 0, side: at ? 1 : 3, grid: at ? { show: false } : axis.grid }));
  return {
    width,
    height: HEIGHT_PX,
    title: undefined,
    ariaLabel: caption,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true, range: from === undefined ? undefined : [from, to] }, ...(scale && { [units[0] || 'y']: { range: () => scale } }) },
    series: [{}, ...rows],
    axes: [{ ...axis, space: WIDEST_PX * clock(0).length + GAP_PX, values: (_, ticks) => told(ticks) }, ...sides],
  };
}

/** A line at a moment, or none. */
function stand(plot, at) {
  plot?.setCursor(at === null ? { left: -10, top: -10 } : { left: plot.valToPos(at, 'x'), top: 0 }, false);
}

function Twin({ caption, series }) {
  const [times, ...values] = columnsOf(series);
  const step = Math.max(1, Math.ceil(times.length / ROWS_SHOWN));
  const rows = times.map((at, row) => ({ at, row })).filter(({ row }) => row % step === 0);
  const head = (each) => html`<th scope="col" class="end">${each.words}${each.unit ? ` (${each.unit})` : ''}</th>`;
  return html`
    <details class="kit-twin">
      <summary>${t('kit.as_table')}</summary>
      <div class="kit-table" role="region" aria-label=${caption} tabindex="0">
        <table>
          <caption class="visually-hidden">${caption}</caption>
          <thead><tr><th scope="col">${t('kit.time')}</th>${series.map(head)}</tr></thead>
          <tbody>${rows.map(({ at, row }) => html`<tr key=${at}><th scope="row">${clock(at)}</th>${values.map((each) => html`<td class="end">${each[row] ?? '–'}</td>`)}</tr>`)}</tbody>
        </table>
      </div>
    </details>
  `;
}

/** `series`: `{words, unit, points: [[seconds since the epoch, value or null], ...]}` each; of at most two units. `from`, `to`: what is shown; `scale`: the least and most of the first unit, or as the values are. `mark`: a signal with the moment at which a line stands, or null. */
export function Timeline({ caption, from, to, series, scale, mark }) {
  const box = useRef();
  const plot = useRef(null);
  const Plot = useLibrary();
  const look = `${theme.value} ${language.value} ${series.map(({ words, unit }) => `${words}${unit}`).join()} ${from} ${to}`;
  useEffect(() => {
    if (!Plot) return undefined;
    const draw = () => {
      if (!box.current) return; // put away before it was drawn
      plot.current?.destroy();
      plot.current = new Plot(optionsOf({ caption, from, to, series, scale }, Math.max(200, box.current.clientWidth)), columnsOf(series), box.current);
    };
    draw();
    const resized = new ResizeObserver(() => box.current && plot.current?.setSize({ width: Math.max(200, box.current.clientWidth), height: HEIGHT_PX }));
    if (box.current) resized.observe(box.current);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [look, Plot]);
  useEffect(() => plot.current?.setData(columnsOf(series)), [series]);
  useEffect(() => mark && effect(() => stand(plot.current, mark.value)), [mark, look, Plot]);
  return html`
    <figure class="kit-chart">
      <figcaption>
        <span>${caption}</span>
        <span class="kit-legend">${series.map((each, at) => html`<span key=${each.words}><i class=${`kit-key kit-key-${at % COLOURS.length}`} aria-hidden="true"></i>${each.words}</span>`)}</span>
      </figcaption>
      <div ref=${box} class="kit-plot" aria-hidden="true" dir="ltr"></div>
      <${Twin} caption=${caption} series=${series} />
    </figure>
  `;
}
