/** What may still be taken back, and for how long. Shown for those seconds alone; it takes the focus from nobody. */
import { useEffect } from 'preact/hooks';
import { say, who } from '../attention.js';
import { alsoSpeak, t } from '../catalogue.js';
import { letters, shortcuts } from '../keys.js';
import { now } from '../state.js';
import { undo, undoable } from '../undo.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { useTicks } from './ticks.js';

await alsoSpeak('calls');

export function Undo() {
  useTicks(250);
  const one = undoable.value;
  const words = one && t(`undo.${one.what}`, { who: one.call ? who(one.call) : '' });
  const keys = shortcuts.value ? `${t('keys.ctrl')} ${t('keys.shift')} ${letters.value.undo}` : '';
  useEffect(() => {
    if (one) say(`${words} ${t(`undo.${one.what}.do`)}: ${keys}`);
  }, [one?.what, one?.callId]);
  if (!one) return null;
  return html`
    <section class="card undo" data-part="undo" data-what=${one.what} aria-label=${t('keys.undo')}>
      <p>${words}</p>
      <button type="button" class="primary" data-do="undo" onClick=${undo}><${Icon} name=${one.what === 'call' ? 'call' : 'missed'} /><span>${t(`undo.${one.what}.do`)}</span></button>
      <p class="fine"><span role="timer" aria-live="off">${t('undo.left', { count: Math.max(0, Math.ceil(one.until - now())) })}</span>${keys && html` · <kbd>${keys}</kbd>`}</p>
    </section>
  `;
}
