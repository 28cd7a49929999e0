/** Trying one's sound before the first call: one speaks, hears oneself, and is told in words how it is. */
import { useEffect } from 'preact/hooks';
import { alsoSpeak, explain, figure, percent, t } from '../catalogue.js';
import { open } from '../opened.js';
import { LISTEN_MS, check, runCheck, stopCheck } from '../sound_check.js';
import { Dialog } from './dialog.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { Level } from './level.js';
import { useTicks } from './ticks.js';

await alsoSpeak('calls');

const NOTICE = { good: 'good', warn: 'warn', bad: 'bad' };
/** Reasons that other devices may cure. */
const OF_DEVICES = new Set(['microphone', 'silent', 'unheard']);

function Running({ now }) {
  useTicks(100);
  const past = now.state === 'listening' ? Math.min(1, (Date.now() - now.since) / LISTEN_MS) : 0;
  return html`
    <p class="lead" role="status">${t(`sound_check.${now.state}`)}</p>
    <progress max="1" value=${past} aria-label=${t('sound_check.title')}></progress>
    <div class="sound-row"><span>${t('call.your_microphone')}</span><${Level} /></div>
  `;
}

function Verdict({ verdict, refusal }) {
  const { why, tone, mos, loss, round_trip_ms: delay } = verdict;
  const rows = [
    ['details.mos', mos === null ? null : t('quality.mos', { mos: figure(mos, 1) })],
    ['details.lost', loss === null ? null : percent(loss)],
    ['details.round_trip', delay === null ? null : t('details.ms', { ms: figure(Math.max(1, delay)) })],
  ];
  return html`
    <div role="status" data-part="verdict" data-why=${why}>
      <p class=${`notice ${NOTICE[tone]}`}><${Icon} name=${tone === 'good' ? 'good' : 'warning'} /><span><strong>${t(`sound_check.is.${why}`)}</strong> ${refusal ? explain(refusal) : t(`sound_check.do.${why}`)}</span></p>
    </div>
    <dl class="figures">${rows.map(([id, value]) => html`<div key=${id}><dt>${t(id)}</dt><dd>${value ?? t('details.none')}</dd></div>`)}</dl>
    <div class="picker-row">
      <button type="button" class="primary" data-do="check-again" onClick=${runCheck}>${t('sound_check.again')}</button>
      ${OF_DEVICES.has(why) && html`<button type="button" data-do="check-devices" onClick=${() => open('settings')}>${t('settings.title')}</button>`}
    </div>
  `;
}

export function SoundCheck({ onClose }) {
  useEffect(() => {
    runCheck();
    return stopCheck;
  }, []);
  const now = check.value;
  return html`
    <${Dialog} id="sound-check" title=${t('sound_check.title')} onClose=${onClose}>
      <p class="fine">${t('sound_check.what')}</p>
      ${now?.state === 'over' ? html`<${Verdict} ...${now} />` : now && html`<${Running} now=${now} />`}
    <//>
  `;
}
