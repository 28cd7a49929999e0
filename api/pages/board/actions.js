/** What a supervisor may do with a call, and what they are doing in it. */
import { Refusal } from '../js/session.js';
import { Button, explain, html, say, session, t } from './kit.js';
import { leave, mine, monitor, muted, peer, takeOver, trouble } from './monitor.js';

const MODES = ['listen', 'whisper', 'barge'];

async function ask(act) {
  say('');
  try {
    await act();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    say(refusal.code === 'forbidden' ? explain('not_your_team') : explain(refusal));
  }
}

export function Actions({ call }) {
  const ours = mine.value?.call_id === call.call_id ? mine.value : null;
  if (call.state !== 'live' && !ours) return null;
  const me = session.value?.identity;
  const owned = Boolean(ours?.owned) || (!ours && call.agent === me);
  const silenced = Boolean(ours && peer.value?.silenced.value);
  const words = call.monitors.filter((each) => each.identity !== me).map((each) => t(`other.${each.mode}`, { who: each.identity }));
  if (ours) words.unshift(t(ours.owned ? 'mine.owned' : `mine.${ours.mode}`, { who: call.agent }), trouble());
  const told = words.filter(Boolean).join(' ');
  return html`
    <div class="actions" data-mode=${ours ? ours.mode || 'owned' : ''}>
      ${told && html`<p class="mine">${told}</p>`}
      <div class="acts" role="group" aria-label=${t('actions', { number: call.number })}>
        ${!owned && MODES.map((mode) => html`<${Button} key=${mode} small data-do=${mode} pressed=${ours?.mode === mode} onClick=${() => ask(() => monitor(call.call_id, mode))}>${t(`mode.${mode}`)}<//>`)}
        ${!owned && html`<${Button} small data-do="take-over" onClick=${() => ask(() => takeOver(call.call_id, false))}>${t('take_over')}<//>`}
        ${!owned && ours && html`<${Button} small data-do="take-over-stays" onClick=${() => ask(() => takeOver(call.call_id, true))}>${t('take_over_stays')}<//>`}
        ${silenced && html`<${Button} small data-do="hear" onClick=${() => peer.peek()?.play()}>${t('hear')}<//>`}
        ${ours?.owned && html`<${Button} small data-do="mute" pressed=${muted.value} onClick=${() => (muted.value = !muted.peek())}>${t('mute')}<//>`}
        ${ours && html`<${Button} small kind=${owned ? 'bad' : 'plain'} data-do="leave" onClick=${() => ask(leave)}>${t(owned ? 'hang_up' : 'leave')}<//>`}
      </div>
    </div>
  `;
}
