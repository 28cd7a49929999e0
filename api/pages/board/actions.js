/** What a supervisor may do with a call: one row of buttons per card, made once, so that whoever has reached one by keyboard keeps it. */
import { effect } from '@preact/signals';
import { explain, t } from '../consultation/text.js';
import { session } from '../js/session.js';
import { leave, mine, monitor, muted, peer, takeOver, trouble } from './monitor.js';

const MODES = ['listen', 'whisper', 'barge'];

function button(name, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'small';
  made.dataset.do = name;
  made.addEventListener('click', act);
  return made;
}

export class Actions {
  /** `say(text)` tells the person what came of it. */
  constructor(say) {
    this.say = say;
    this.call = null;
    this.node = document.createElement('div');
    this.node.className = 'actions';
    this.words = document.createElement('p');
    this.words.className = 'fine mine';
    this.row = document.createElement('div');
    this.row.className = 'buttons';
    this.row.setAttribute('role', 'group');
    this.modes = MODES.map((mode) => button(mode, () => this.ask(() => monitor(this.call.call_id, mode))));
    this.takes = button('take-over', () => this.ask(() => takeOver(this.call.call_id, false)));
    this.stays = button('take-over-stays', () => this.ask(() => takeOver(this.call.call_id, true)));
    this.mutes = button('mute', () => (muted.value = !muted.peek()));
    this.hears = button('hear', () => peer.peek()?.play());
    this.leaves = button('leave', () => this.ask(leave));
    this.row.append(...this.modes, this.takes, this.stays, this.hears, this.mutes, this.leaves);
    this.node.append(this.words, this.row);
    this.stop = effect(() => this.draw());
  }

  async ask(act) {
    this.say('');
    try {
      await act();
    } catch (refusal) {
      if (!refusal.code) throw refusal;
      this.say(explain(refusal.code === 'forbidden' ? 'not_your_team' : refusal.code));
    }
  }

  show(call) {
    this.call = call;
    this.draw();
  }

  draw() {
    const ours = mine.value?.call_id === this.call?.call_id ? mine.value : null;
    const silenced = Boolean(ours && peer.value?.silenced.value);
    const said = trouble();
    if (!this.call) return;
    const owned = Boolean(ours?.owned) || (!ours && this.call.agent === session.peek()?.identity);
    this.node.dataset.mode = ours ? ours.mode || 'owned' : '';
    this.node.hidden = this.call.state !== 'live' && !ours;
    for (const [at, mode] of MODES.entries()) {
      this.modes[at].textContent = t(`mode.${mode}`);
      this.modes[at].setAttribute('aria-pressed', String(ours?.mode === mode));
      this.modes[at].hidden = owned;
    }
    this.takes.textContent = t('take_over');
    this.stays.textContent = t('take_over_stays');
    this.mutes.textContent = t('mute');
    this.hears.textContent = t('hear');
    this.leaves.textContent = t(owned ? 'hang_up' : 'leave');
    this.mutes.setAttribute('aria-pressed', String(muted.value));
    this.row.setAttribute('aria-label', t('actions', { number: this.call.number }));
    this.takes.hidden = owned;
    this.stays.hidden = owned || !ours;
    this.mutes.hidden = !ours?.owned;
    this.hears.hidden = !silenced;
    this.leaves.hidden = !ours;
    const others = this.call.monitors.filter((each) => each.identity !== session.peek()?.identity);
    const words = others.map((each) => t(`other.${each.mode}`, { who: each.identity }));
    if (ours) words.unshift(t(ours.owned ? 'mine.owned' : `mine.${ours.mode}`, { who: this.call.agent }), said);
    this.words.textContent = words.filter(Boolean).join(' ');
    this.words.hidden = !this.words.textContent;
  }
}
