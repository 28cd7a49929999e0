/** A screen on a wall: large numbers that take turns, and nobody's name or number. */
import { useEffect, useState } from 'preact/hooks';
import { length, number, percent } from '../kit/formats.js';
import { Button, Empty, Figure, Figures, html, language, t } from './kit.js';
import { alerts, clock, queues, summary } from './live.js';
import { Now } from './now.js';

const TURN_MS = 12_000;

function Queues() {
  if (!queues.value.length) return html`<${Empty} title=${t('wall.no_queues')} />`;
  return html`
    <div class="wall-queues">
      ${queues.value.map(
        (queue) => html`
          <section key=${queue.name} aria-label=${queue.titles[language.value] ?? queue.name}>
            <h2>${queue.titles[language.value] ?? queue.name}</h2>
            <${Figures}>
              <${Figure} label=${t('now.waiting')} value=${number(queue.waiting)} tone=${queue.waiting ? 'warn' : 'good'} />
              <${Figure} label=${t('now.wait')} value=${queue.longest_since === null ? '–' : length(clock.value - queue.longest_since)} />
              <${Figure} label=${t('wall.free')} value=${`${number(queue.available)} / ${number(queue.agents)}`} tone=${queue.agents ? undefined : 'bad'} />
              <${Figure} label=${t('now.level')} value=${queue.service_level === null ? '–' : percent(queue.service_level)} />
            <//>
          </section>
        `,
      )}
    </div>
  `;
}

/** `Fresh`: how old what is shown is. */
export function Wall({ Fresh }) {
  const [at, setAt] = useState(0);
  const [still, setStill] = useState(matchMedia('(prefers-reduced-motion: reduce)').matches);
  useEffect(() => {
    if (still) return undefined;
    const timer = setInterval(() => setAt((before) => (before + 1) % 2), TURN_MS);
    return () => clearInterval(timer);
  }, [still]);
  const open = alerts.value.length;
  return html`
    <div class="wall" data-part="wall" data-face=${at}>
      <header class="head">
        <h1>${t('title')}</h1><${Fresh} />
        <span class="acts"><${Button} small pressed=${still} data-do="still" onClick=${() => setStill(!still)}>${t('wall.still')}<//><${Button} small data-do="turn" onClick=${() => setAt((at + 1) % 2)}>${t('wall.next')}<//></span>
      </header>
      ${at === 0 ? html`<${Now} />` : html`<${Queues} />`}
      <p class=${`wall-line ${open || summary.value.bad ? 'bad' : ''}`}>${t('wall.line', { alerts: open, bad: summary.value.bad })}</p>
    </div>
  `;
}
