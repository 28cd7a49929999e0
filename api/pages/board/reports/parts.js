/** What the views of reports share: the period that is asked for, files, bars. Their words are in a catalogue of their own. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { alsoSpeak } from '../../kit/page.js';
import { Button, Choice, Field, alarm, explain, html, session, t } from '../kit.js';

await alsoSpeak('board/reports/text');

const PERIODS = ['today', 'yesterday', '7d', '28d', 'dates'];
/** The period, kept from view to view. */
export const period = signal({ period: 'today', from: '', to: '' });

/** What an address says of the period and more; null while days are still to be chosen. */
export function queryOf(more = {}) {
  const { period: name, from, to } = period.value;
  if (name === 'dates' && (!from || !to || from > to)) return null;
  const asked = { period: name, ...(name === 'dates' && { from, to }), ...more };
  return new URLSearchParams(Object.entries(asked).filter(([, value]) => value)).toString();
}

export function PeriodFields() {
  const change = (more) => (period.value = { ...period.peek(), ...more });
  const day = (name) => html`<${Field} label=${t(`period.${name}`)}><input type="date" data-field=${name} value=${period.value[name]} onChange=${(event) => change({ [name]: event.currentTarget.value })} /><//>`;
  return html`
    <${Choice} label=${t('period')} data-field="period" value=${period.value.period} options=${PERIODS.map((each) => [each, t(`period.${each}`)])} onChange=${(name) => change({ period: name })} />
    ${period.value.period === 'dates' && day('from')}
    ${period.value.period === 'dates' && day('to')}
  `;
}

/** What `ask` answers to this address, asked again whenever it or `anew` changes: `{found, wrong, busy, again}`. */
export function useAnswer(ask, address, anew = 0) {
  const [state, setState] = useState({ found: null, wrong: null, busy: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!address) return undefined;
    let here = true;
    setState((before) => ({ ...before, busy: true }));
    ask('GET', address).then(
      (found) => here && setState({ found, wrong: null, busy: false }),
      (refusal) => here && setState({ found: null, wrong: explain(refusal), busy: false }),
    );
    return () => (here = false);
  }, [address, turn, anew]);
  return { ...state, again: () => setTurn((before) => before + 1) };
}

/** A table as a file. */
export function Csv({ address, name }) {
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    const answer = await fetch(address, { headers: { authorization: `Bearer ${session.peek()?.token}` } }).catch(() => null);
    setBusy(false);
    if (!answer?.ok) return alarm(explain('server_unreachable'));
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
  };
  return html`<${Button} data-do=${`csv-${name}`} busy=${busy} disabled=${!address} onClick=${save}>${t('csv')}<//>`;
}

/** Bars beside one another's names; the table beneath says the same in figures. `rows`: `[name, value or null, words]`. */
export function Bars({ caption, rows }) {
  const most = Math.max(0, ...rows.map(([, value]) => Math.abs(value ?? 0))) || 1;
  return html`
    <figure class="bars" aria-hidden="true">
      ${caption && html`<figcaption>${caption}</figcaption>`}
      ${rows.map(
        ([name, value, words]) => html`
          <div class="bar" key=${name}><span class="bar-name">${name}</span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none"><rect x="0" y="0" width=${(100 * Math.abs(value ?? 0)) / most} height="10" class=${value < 0 ? 'below' : null} /></svg>
            <span class="bar-value">${words}</span></div>
        `,
      )}
    </figure>
  `;
}
