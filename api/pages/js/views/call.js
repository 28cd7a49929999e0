/** One call of ours, from dialling to its end. */
import { Telephone } from '../../kit/telephone.js';
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { clockface, explain, has, t } from '../catalogue.js';
import { who } from '../attention.js';
import * as microphone from '../microphone.js';
import { accepting, bring, canDial, carried, digitsSent, hangUp, holdCall, isMuted, mute, peers, press, trouble } from '../phone.js';
import { digitsHeard, dismiss, now, records } from '../state.js';
import { call as callAgain } from './dial.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { Keypad } from './keypad.js';
import { later } from './later.js';
import { Level } from './level.js';
import { Details, Quality } from './quality.js';
import { useTicks } from './ticks.js';

const TALKING_DBFS = -40;
const TALKING_MS = 600;
/** Numbers of the house have no country. */
export const SHORT = 6;

const Moves = later(() => import('./moves.js'), 'Moves');
const Context = later(() => import('./context.js'), 'Context');
const Known = later(() => import('./centre.js'), 'Known');
const LocalTime = later(() => import('./local_time.js'), 'LocalTime');
const Recording = later(() => import('./recording.js'), 'Recording');
const SoundReport = later(() => import('./sound_report.js'), 'SoundReport');
const Monitors = later(() => import('./monitors.js'), 'Monitors');
/** The call that is being given to somebody else. */
const movesOf = signal(null);
/** To whom, as already said: the field of the transfer begins with it. */
export const target = signal('');
export function giveAway(callId) {
  target.value = '';
  movesOf.value = movesOf.value === callId ? null : callId;
}
export function giveTo(callId, whom) {
  target.value = whom;
  movesOf.value = callId;
}

/** The call whose keypad is open takes digits from the keyboard. */
export const padOf = signal(null);

function stateWords(call) {
  if (accepting.value.has(call.call_id)) return t('call.answering');
  if (call.state !== 'live') return t(`call.${call.state}`);
  if (call.held) return t('call.held');
  if (call.held_by_other) return t('call.held_by_other');
  if (!carried.value.has(call.call_id)) return t('call.live');
  return peers.value[call.call_id]?.state.value === 'up' ? t('call.live') : t('call.connecting');
}

/** Counts on the server's clock; silent for screen readers, who may read it when they like. */
function Timer({ since }) {
  useTicks(500);
  return html`<span class="timer" role="timer" aria-live="off" aria-label=${t('call.duration')}>${clockface(now() - since)}</span>`;
}

const Toggle = ({ on, icon, name, label, action, disabled }) => html`
  <button type="button" class="control" data-do=${name} aria-pressed=${String(on)} disabled=${disabled} onClick=${action}>
    <${Icon} name=${icon} /><span>${label}</span>
  </button>
`;

function MutedHint({ muted }) {
  const since = useRef(0);
  const [talking, setTalking] = useState(false);
  const loud = muted && microphone.level.value > TALKING_DBFS;
  useEffect(() => {
    if (!loud) return undefined;
    since.current = setTimeout(() => setTalking(true), TALKING_MS);
    return () => clearTimeout(since.current);
  }, [loud]);
  useEffect(() => setTalking(false), [muted]);
  return html`<div role="status">${talking && muted && html`<p class="notice warn"><${Icon} name="muted" />${t('call.talking_muted')}</p>`}</div>`;
}

function MediaTrouble({ call }) {
  const peer = peers.value[call.call_id];
  const refusal = trouble.value[call.call_id] ?? peer?.problem.value;
  const lost = peer?.state.value === 'lost';
  return html`
    <div role="alert">
      ${lost && html`<p class="notice warn" data-banner="media"><${Icon} name="warning" />${t('call.media_lost')}</p>`}
      ${refusal && html`<p class="notice bad" data-banner="refusal"><${Icon} name="warning" />${explain(refusal)}</p>`}
    </div>
  `;
}

function Controls({ call }) {
  const callId = call.call_id;
  const muted = isMuted(call);
  const live = call.state === 'live';
  const open = padOf.value === callId;
  return html`
    <div class="controls">
      <${Toggle} on=${muted} icon=${muted ? 'muted' : 'mic'} name="mute" label=${t('call.mute')} disabled=${Boolean(call.mode)} action=${() => mute(callId, !muted)} />
      <${Toggle} on=${call.held} icon=${call.held ? 'resume' : 'hold'} name="hold" label=${t('call.hold')} disabled=${!live || !call.owned || call.move} action=${() => holdCall(callId, !call.held)} />
      <button type="button" class="control" data-do="keypad" aria-expanded=${String(open)} aria-controls=${`pad-${callId}`} disabled=${!live || call.mode} onClick=${() => (padOf.value = open ? null : callId)}>
        <${Icon} name="keypad" /><span>${t('call.keypad')}</span>
      </button>
      <button type="button" class="control" data-do="transfer" aria-expanded=${String(movesOf.value === callId)} disabled=${!live || !call.owned} onClick=${() => giveAway(callId)}>
        <${Icon} name="out" /><span>${t('call.transfer')}</span>
      </button>
      <button type="button" class="control stop" data-do="hang-up" onClick=${() => hangUp(callId)}><${Icon} name="end" /><span>${t('call.hang_up')}</span></button>
    </div>
  `;
}

function Pad({ call }) {
  const callId = call.call_id;
  return html`
    <div id=${`pad-${callId}`} class="pad">
      <output class="digits" dir="ltr" aria-label=${t('call.digits_sent')}>${digitsSent.value[callId] ?? ''}</output>
      <${Keypad} label=${t('call.keypad')} onKey=${(key) => press(callId, key)} />
      <p class="fine">${t('call.keypad_keys')}</p>
    </div>
  `;
}

function Ended({ call }) {
  const id = `ended.${call.direction}.${call.reason}`;
  return html`
    <p class="outcome" role="status">${t(has(id) ? id : 'ended.unknown')}</p>
    ${call.detail && call.reason !== 'completed' && html`<p class="fine" lang="en">${call.detail}</p>`}
    ${call.answered_at && !call.mode && html`<${SoundReport} callId=${call.call_id} />`}
    ${call.answered_at && html`<${Context} callId=${call.call_id} working=${!call.mode} />`}
    <div class="controls">
      <button type="button" class="control" data-do="again" disabled=${!canDial.value || !call.number} onClick=${() => callAgain(call.number)}><${Icon} name="call" /><span>${t('call.again')}</span></button>
      <button type="button" class="control" data-do="dismiss" onClick=${() => dismiss(call.call_id)}><${Icon} name="close" /><span>${t('call.dismiss')}</span></button>
    </div>
  `;
}

/** The call is ours, its sound on another page of ours. */
function Elsewhere({ call }) {
  if (carried.value.has(call.call_id)) return null;
  return html`
    <p class="notice" role="status"><${Icon} name="info" />${t('call.elsewhere')}</p>
    <button type="button" class="small" data-do="bring" onClick=${() => bring(call.call_id)}>${t('call.bring')}</button>
  `;
}

function Body({ call }) {
  const callId = call.call_id;
  const heard = digitsHeard.value[callId];
  return html`
    <${Elsewhere} call=${call} />
    ${call.centre && html`<${Known} call=${call} />`}
    <${Controls} call=${call} />
    ${(records.value || call.recording !== 'off') && call.state === 'live' && !call.mode && html`<${Recording} call=${call} />`}
    ${(call.mode || call.monitors?.length > 0) && html`<${Monitors} call=${call} />`}
    ${padOf.value === callId && html`<${Pad} call=${call} />`}
    ${(movesOf.value === callId || call.move || call.note || (!call.mode && call.parties?.length > 1)) && html`<${Moves} call=${call} open=${movesOf.value === callId} />`}
    ${heard && html`<p class="fine">${t('call.digits_heard')}${' '}<bdi class="digits-heard">${heard}</bdi></p>`}
    <${MutedHint} muted=${isMuted(call)} />
    <${MediaTrouble} call=${call} />
    <${Context} callId=${callId} working=${!call.mode} />
    <div class="sound-row"><span>${t('call.your_microphone')}</span><${Level} off=${isMuted(call) || call.held} /></div>
    <${Quality} call=${call} />
    <${Details} call=${call} />
  `;
}

export function Call({ call }) {
  const title = `call-${call.call_id}`;
  return html`
    <article class="card call" data-call-id=${call.call_id} data-state=${call.state} data-held=${String(call.held)} data-media=${peers.value[call.call_id]?.state.value ?? 'none'} aria-labelledby=${title}>
      <header class="call-head">
        <div>
          <p class="call-state" data-part="state">${stateWords(call)}</p>
          <h2 id=${title} class="call-who"><${Telephone} text=${who(call)} /></h2>
          ${call.name && call.number && html`<p class="call-number" dir="ltr"><${Telephone} text=${call.number} /></p>`}
          ${call.number.length > SHORT && html`<${LocalTime} number=${call.number} />`}
        </div>
        ${call.answered_at && call.state === 'live' && html`<${Timer} since=${call.answered_at} />`}
        ${call.state === 'ended' && call.answered_at && html`<span class="timer">${clockface(call.ended_at - call.answered_at)}</span>`}
      </header>
      ${call.state === 'ended' ? html`<${Ended} call=${call} />` : html`<${Body} call=${call} />`}
    </article>
  `;
}
