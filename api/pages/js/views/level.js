/** The microphone's level, drawn without rendering: 47 values a second are no business of a component tree. */
import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../catalogue.js';
import * as microphone from '../microphone.js';
import { html } from './html.js';

const QUIETEST_DBFS = -60;

export function Level({ off = false }) {
  const bar = useRef();
  useEffect(
    () =>
      effect(() => {
        const share = Math.min(1, Math.max(0, 1 - microphone.level.value / QUIETEST_DBFS));
        if (!bar.current) return;
        bar.current.style.setProperty('--level', share.toFixed(3));
        bar.current.dataset.heard = String(share > 0.25);
      }),
    [],
  );
  return html`<span ref=${bar} class=${off ? 'level off' : 'level'} data-part="level" role="img" aria-label=${t(microphone.track.value ? 'level.on' : 'level.off')}></span>`;
}
