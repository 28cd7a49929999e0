/**
 * A call that rings. It takes the focus only from somebody who is not typing, and Escape does nothing to it. What comes late stands below
 * the buttons, which never move away from under a hand.
 */
import { useEffect, useRef } from 'preact/hooks';
import { explain, t } from '../catalogue.js';
import { Telephone } from '../../kit/telephone.js';
import { isFromWebsite, silence, silenced, who } from '../attention.js';
import { accept, decline, trouble } from '../phone.js';
import { SHORT } from './call.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { later } from './later.js';

const Came = later(() => import('./moves.js'), 'Came');
const Context = later(() => import('./context.js'), 'Context');
const LocalTime = later(() => import('./local_time.js'), 'LocalTime');
const Known = later(() => import('./centre.js'), 'Known');

const isTyping = () => document.activeElement?.matches('input, textarea, select') ?? false;

export function Incoming({ call }) {
  const answer = useRef();
  const callId = call.call_id;
  const refusal = trouble.value[callId];
  const fromWebsite = isFromWebsite(call);
  const page = fromWebsite && call.centre.facts.visitor_page;
  useEffect(() => {
    if (!isTyping()) answer.current.focus();
  }, []);
  return html`
    <section class="card incoming" role="alertdialog" aria-labelledby=${`who-${callId}`} aria-describedby=${`what-${callId}`} data-call-id=${callId} data-state="ringing">
      <div class="incoming-pulse" aria-hidden="true"><${Icon} name="call" /></div>
      <div class="incoming-text">
        <p id=${`what-${callId}`} class="call-state">${fromWebsite ? t(page ? 'incoming.web_page' : 'incoming.web', { page }) : t('incoming.title')}</p>
        <h2 id=${`who-${callId}`} class="call-who"><${Telephone} text=${who(call)} /></h2>
        ${call.name && call.number && html`<p class="call-number" dir="ltr"><${Telephone} text=${call.number} /></p>`}
      </div>
      <div class="incoming-buttons">
        <button type="button" ref=${answer} class="go" data-do="accept" onClick=${() => accept(callId)}><${Icon} name="call" />${t('incoming.accept')}</button>
        <button type="button" class="stop" data-do="decline" onClick=${() => decline(callId)}><${Icon} name="end" />${t('incoming.decline')}</button>
        ${!silenced.value.has(callId) &&
        html`<button type="button" class="quiet" data-do="silence" onClick=${() => silence(callId)}><${Icon} name="quiet" />${t('incoming.silence')}</button>`}
      </div>
      <div class="incoming-more">
        ${call.number.length > SHORT && html`<${LocalTime} number=${call.number} />`}
        ${(call.came || call.private || !call.verified) && html`<${Came} call=${call} />`}
        ${call.centre && html`<${Known} call=${call} />`}
        ${refusal && html`<p class="notice bad"><${Icon} name="warning" />${explain(refusal)}</p>`}
      </div>
      <${Context} callId=${callId} working=${false} />
    </section>
  `;
}
