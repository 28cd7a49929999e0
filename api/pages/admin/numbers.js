/** Which number leads where, for whom and when; who is refused, who matters; voicemail boxes. As the plan in force says. */
import { useEffect, useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, html, Refusal, t } from '../kit/page.js';
import { Badge, Button, Card } from '../kit/parts.js';
import { Facts, FormFault, Listing, Loaded, TextField, titled, useForm } from './shared.js';

/** The plan in force as it is drawn: `{data, wrong, again}`. */
export function usePicture() {
  const [state, setState] = useState({ data: null, wrong: null });
  const again = async () => {
    try {
      setState({ data: await ask('POST', '/api/v1/centre/picture', {}), wrong: null });
    } catch (wrong) {
      if (!(wrong instanceof Refusal)) throw wrong;
      setState((before) => ({ ...before, wrong }));
    }
  };
  useEffect(() => {
    again();
  }, []);
  return { ...state, again };
}

const columns = () => [
  { id: 'pattern', title: t('numbers.number'), draw: (one) => html`<strong dir="ltr">${one.pattern === '*' ? t('numbers.any') : one.pattern}</strong>${one.label && html`<br /><span class="fine">${one.label}</span>`}`, sort: (one) => one.pattern },
  { id: 'flow', title: t('numbers.flow'), draw: (one) => html`<a href=${`#flows/flows/${one.flow}`}>${one.flow}</a>`, sort: (one) => one.flow },
  { id: 'callers', title: t('numbers.callers'), draw: (one) => (one.callers.length ? html`<span dir="ltr">${one.callers.join(', ')}</span>` : t('numbers.anybody')) },
  { id: 'when', title: t('numbers.when'), draw: (one) => (one.calendar ? t('numbers.during', { calendar: one.calendar, during: t(`numbers.${one.during}`) }) : t('numbers.always')), sort: (one) => one.calendar },
  { id: 'language', title: t('numbers.language'), draw: (one) => one.language || '–', sort: (one) => one.language },
];

/** Where a call to a number would go now. */
function Where() {
  const form = useForm({ called: '', caller: '' });
  const [way, setWay] = useState(null);
  const run = async ({ called, caller }) => setWay(await ask('POST', '/api/v1/centre/try', { call: { called: called.trim(), caller: caller.trim() } }));
  return html`
    <${Card} title=${t('numbers.where')}>
      <form class="kit-form two" onSubmit=${form.submit(run)} data-part="where">
        <${TextField} form=${form} name="called" label=${t('flows.called')} type="tel" dir="ltr" required maxlength="128" />
        <${TextField} form=${form} name="caller" label=${t('flows.caller')} hint=${t('flows.caller.hint')} type="tel" dir="ltr" maxlength="128" />
        <div class="acts"><${Button} kind="primary" type="submit" busy=${form.busy}>${t('numbers.where.do')}<//></div>
        <${FormFault} form=${form} />
      </form>
      <div aria-live="polite">${
        way &&
        html`<div class="admin-result"><p>${way.refused ? html`<${Badge} tone="bad">${t('numbers.refused')}<//> ${way.refused}` : way.flow ? html`<${Badge} tone="good">${t('numbers.leads')}<//> <a href=${`#flows/flows/${way.flow}`}>${way.flow}</a> ${way.entry}` : html`<${Badge} tone="warn">${t('numbers.everybody')}<//>`}</p></div>`
      }</div>
    <//>
  `;
}

export default function Numbers() {
  const asked = usePicture();
  return html`
    <${Loaded} asked=${asked}>${(plan) => html`
      <${Card} title=${t('numbers.title')} actions=${html`<a class="button" href="#flows/numbers">${t('plan.edit')}</a>`}>
        <${Listing} caption=${t('numbers.title')} columns=${columns()} rows=${plan.numbers.map((one, at) => ({ ...one, at }))} id=${(one) => String(one.at)} words=${(one) => [one.pattern, one.label, one.flow, ...one.callers]} empty=${[t('numbers.none'), t('numbers.none.do')]} />
      <//>
      <${Where} />
      <div class="kit-columns">
        <${Card} title=${t('numbers.lists')}>
          <${Facts} rows=${[[t('numbers.blocked'), plan.blocked.length ? html`<span dir="ltr">${plan.blocked.join(', ')}</span>` : t('numbers.nobody')], [t('numbers.vip'), plan.vip.length ? html`<span dir="ltr">${plan.vip.join(', ')}</span>` : t('numbers.nobody')]]} />
        <//>
        <${Card} title=${t('numbers.boxes')} actions=${html`<a class="button" href="#flows/boxes">${t('plan.edit')}</a>`}>
          <${Listing} caption=${t('numbers.boxes')} rows=${plan.boxes} id=${(box) => box.name} words=${(box) => [box.name]} search=${false} empty=${[t('numbers.boxes.none'), t('numbers.boxes.none.do')]}
            columns=${[
              { id: 'name', title: t('numbers.box'), draw: (box) => titled(box.titles, box.name), sort: (box) => box.name },
              { id: 'who', title: t('numbers.box.who'), draw: (box) => [...box.agents, ...box.teams].join(', ') || '–' },
              { id: 'days', title: t('retention.days'), draw: (box) => formats.number(box.keep_days), sort: (box) => box.keep_days, end: true },
            ]} />
        <//>
      </div>
    `}<//>
  `;
}
