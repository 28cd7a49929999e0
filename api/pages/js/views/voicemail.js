/** Messages that nobody has heard, in boxes of mine: how many, and the way to them. Where there are none, nothing is seen. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { alsoSpeak, t } from '../catalogue.js';
import { ask } from '../rest.js';
import { Refusal } from '../session.js';
import { voicemailChanges } from '../state.js';
import { html } from './html.js';
import { Icon } from './icon.js';

await alsoSpeak('calls');

const MOST = 20;
const unheard = signal(0);

async function look() {
  try {
    unheard.value = (await ask('GET', `/api/v1/voicemails?unheard=true&limit=${MOST}`)).voicemails.length;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // this server has none, or says it later
  }
}

export function Voicemail() {
  const changes = voicemailChanges.value;
  useEffect(() => {
    look();
  }, [changes]);
  if (!unheard.value) return null;
  return html`<a class="chip warn" href="/voicemail" target="_blank" rel="opener" data-part="voicemail" data-count=${unheard.value}><${Icon} name="in" />${t('voicemail.new', { count: unheard.value })}</a>`;
}
