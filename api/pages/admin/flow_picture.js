/** A flow drawn as a tree of cards: each step once, at the first way that leads to it; where another leads there too, its name is a link. */
import { has, html, t } from '../kit/page.js';
import { Badge } from '../kit/parts.js';
import { conditionOf } from './conditions.js';
import { Facts, worded } from './shared.js';

const TONES = { queue: 'good', voicemail: 'warn', transfer: 'good', hang_up: 'neutral', call_back: 'warn' };

/** What a way is called: a key of the telephone, a condition, or how the step ends. */
function wayWords(way) {
  if (/^[0-9*#]$/.test(way.outcome)) return html`<kbd>${way.outcome}</kbd>`;
  if (way.when) return conditionOf(way.when);
  return worded('way', way.outcome, has);
}

function Step({ step, steps, drawn, onLine, shown }) {
  const go = (name) => () => onLine(steps.get(name).line, name);
  const ways = step.ways.map((way) => {
    if (!way.to) return { way };
    const first = steps.has(way.to) && !drawn.has(way.to);
    if (first) drawn.add(way.to);
    return { way, child: first ? steps.get(way.to) : null };
  });
  const open = ways.filter(({ way }) => way.to);
  const silent = ways.filter(({ way }) => !way.to);
  return html`
    <div class="flow-step" data-step=${step.name} aria-current=${shown === step.name ? 'true' : null}>
      <p class="flow-head"><${Badge} tone=${TONES[step.kind] ?? 'info'}>${worded('step', step.kind, has)}<//> <button type="button" class="flow-name" onClick=${() => onLine(step.line, step.name)}>${step.name}</button></p>
      ${step.said.length > 0 && html`<blockquote>${step.said.join(' ')}</blockquote>`}
      <${Facts} rows=${Object.entries(step.settings).map(([name, value]) => [worded('key', name, has), value])} />
      ${step.goes_to_flow && html`<p>→ <a href=${`#flows/flows/${step.goes_to_flow}`}>${step.goes_to_flow}</a></p>`}
    </div>
    ${
      (open.length > 0 || silent.length > 0) &&
      html`<ul class="flow-ways">
        ${open.map(({ way, child }) => html`
          <li key=${way.outcome}>
            <p class="flow-way"><span>${wayWords(way)}</span> ${!child && html`→ <button type="button" class="flow-name" onClick=${go(way.to)}>${way.to}</button>`}</p>
            ${child && html`<${Step} step=${child} steps=${steps} drawn=${drawn} onLine=${onLine} shown=${shown} />`}
          </li>
        `)}
        ${silent.length > 0 && html`<li class="flow-silent fine">${silent.map(({ way }) => (way.when ? conditionOf(way.when) : worded('way', way.outcome, has))).join(', ')}: ${t('flows.goodbye')}</li>`}
      </ul>`
    }
  `;
}

/** `onLine(line, step)`: somebody wants to see it in the text. */
export function Picture({ flow, onLine, shown }) {
  const steps = new Map(flow.steps.map((step) => [step.name, step]));
  const drawn = new Set([flow.start]);
  return html`
    <div class="flow" data-part="picture" data-flow=${flow.name}>
      <p class="fine">${flow.numbers.length ? t('flows.numbers', { numbers: flow.numbers.join(', ') }) : t('flows.no_numbers')} ${t('flows.languages', { languages: flow.languages.join(', ') })}</p>
      <${Step} step=${steps.get(flow.start)} steps=${steps} drawn=${drawn} onLine=${onLine} shown=${shown} />
    </div>
  `;
}
