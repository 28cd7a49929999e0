/** Giving a call to somebody else, at once or after asking; talking all three; parking. Loaded when it is first wanted, with its texts. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { isFromWebsite } from '../attention.js';
import { alsoSpeak, has, t } from '../catalogue.js';
import { colleagues, reachable, sorted, watchColleagues } from '../colleagues.js';
import * as link from '../link.js';
import { about } from '../phone.js';
import { target } from './call.js';
import { html } from './html.js';

await alsoSpeak('calls');

const step = (call, action) => about(call.call_id, () => link.ask('call.transfer_step', { call_id: call.call_id, action }));
const reason = (code) => t(has(`reason.out.${code}`) ? `reason.out.${code}` : 'ended.unknown');

function give(call, to, ask) {
  const text = to.trim();
  const whom = text.startsWith('@') ? { agent: text.slice(1) } : { number: text };
  return about(call.call_id, () => link.ask('call.transfer', { call_id: call.call_id, ask, ...whom }));
}

const Action = ({ name, label, action, disabled, primary }) =>
  html`<button type="button" class=${primary ? 'primary small' : 'small'} data-do=${name} disabled=${disabled} onClick=${action}>${label}</button>`;

/** Whom to give it to, and how. */
function Whom({ call }) {
  const [to, setTo] = useState(target.value);
  const id = `to-${call.call_id}`;
  const field = useRef();
  useEffect(watchColleagues, []);
  useLayoutEffect(() => {
    if (target.value) setTo(target.value);
    field.current.focus();
  }, [target.value]);
  const missing = !to.trim();
  const submit = (event) => {
    event.preventDefault();
    if (!missing) give(call, to, true);
  };
  return html`
    <form class="picker" onSubmit=${submit}>
      <label for=${id}>${t('moves.to')}</label>
      <div class="picker-row">
        <input ref=${field} id=${id} data-do="transfer-to" list=${`${id}-list`} value=${to} autocomplete="off" autocapitalize="off" spellcheck=${false} aria-describedby=${`${id}-hint`} onInput=${(event) => setTo(event.currentTarget.value)} />
      </div>
      <datalist id=${`${id}-list`}>
        ${sorted(colleagues.value).filter(reachable).map((someone) => html`<option key=${someone.identity} value=${`@${someone.identity}`}>${someone.name} · ${t(`moves.state.${someone.state}`)}</option>`)}
      </datalist>
      <p id=${`${id}-hint`} class="fine">${t('moves.hint')}</p>
      <div class="incoming-buttons">
        <button type="submit" class="primary small" data-do="ask-first" disabled=${missing}>${t('moves.ask')}</button>
        <${Action} name="blind" label=${t('moves.blind')} disabled=${missing} action=${() => give(call, to, false)} />
        <${Action} name="park" label=${t('moves.park')} action=${() => about(call.call_id, () => link.ask('call.park', { call_id: call.call_id }))} />
      </div>
    </form>
  `;
}

/** A transfer that asks first: who hears whom now, and what can be done. */
function Asking({ call, move }) {
  const there = move.state === 'consulting';
  const talking = there && call.parties.some((party) => party.held && party.party !== move.target);
  const words = !there ? 'moves.calling' : talking ? 'moves.with_target' : 'moves.with_first';
  return html`
    <p class="notice" role="status" data-part="move">${t(words, { who: move.target })}</p>
    <div class="incoming-buttons">
      ${there && html`<${Action} name="swap" label=${t('moves.swap')} action=${() => step(call, 'swap')} />`}
      ${there && html`<${Action} name="merge" label=${t('moves.merge')} action=${() => step(call, 'merge')} />`}
      <${Action} name="complete" primary label=${t('moves.complete')} action=${() => step(call, 'complete')} />
      <${Action} name="cancel-transfer" label=${t('moves.cancel')} action=${() => step(call, 'cancel')} />
    </div>
  `;
}

function Three({ call }) {
  const who = call.parties.map((party) => party.party).join(', ');
  return html`
    <p class="notice" role="status" data-part="move">${t('moves.three', { who })}</p>
    ${call.owned && html`<div class="incoming-buttons"><${Action} name="complete" label=${t('moves.leave')} action=${() => step(call, 'complete')} /></div>`}
  `;
}

function Panel({ call }) {
  const { move } = call;
  if (move && call.owned) return move.state === 'calling' || move.state === 'consulting' ? html`<${Asking} call=${call} move=${move} />` : null;
  if (call.parties.length > 1) return html`<${Three} call=${call} />`;
  return call.owned && call.state === 'live' ? html`<${Whom} call=${call} />` : null;
}

export const Moves = ({ call, open }) => html`
  <section class="moves" id=${`moves-${call.call_id}`} aria-label=${t('moves.title')}>
    ${call.note && html`<p class="notice warn" role="status" data-part="note">${t('moves.note', { reason: reason(call.note) })}</p>`}
    ${(open || call.move || call.parties.length > 1) && html`<${Panel} call=${call} />`}
  </section>
`;

/** What else is to be known of a call that rings: whether the number may be believed, and which colleague brought it. */
export const Came = ({ call }) => html`
  ${(call.private || !call.verified) && !isFromWebsite(call) && html`<p class="fine" data-part="doubt">${t(call.private ? 'caller.private' : 'caller.unverified')}</p>`}
  ${call.came && has(`came.${call.came}`) && html`<${Brought} call=${call} />`}
`;

function Brought({ call }) {
  const why = call.move?.why;
  if (call.came === 'return') {
    const what = call.move?.slot ? t('came.parked') : t('came.return', { who: call.move?.target ?? '', reason: reason(why) });
    return html`<p class="fine" data-part="came">${what}</p>`;
  }
  return html`<p class="fine" data-part="came">${t(`came.${call.came}`, { who: call.by })}</p>`;
}
