/** The contact centre on the desk: who waits in which queue, who is to be called back, breaks, and the work after a call. Loaded with the
 * desk of everybody who is signed in; where there is no queue nothing of it is seen. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { alarm } from '../attention.js';
import { alsoSpeak, clockface, explain, figure, has, language, percent, t } from '../catalogue.js';
import * as link from '../link.js';
import { Refusal } from '../session.js';
import { available, breakReason, callBacks, calls, now, queues, receive, wrapUp } from '../state.js';
import { Telephone } from '../../kit/telephone.js';
import { codeOf, reasonOf } from '../../kit/reasons.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { Note } from './note.js';
import { useTicks } from './ticks.js';

await alsoSpeak('calls');

/** Before the server forgets that we watch. */
const ASK_AGAIN_MS = 30_000;
const LAST_SECONDS = 10;
/** Facts that are figures. */
const FIGURES = new Set(['lead_score']);
const breakReasons = signal([]);

async function tried(action) {
  try {
    await action();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
}

async function watch() {
  try {
    const told = await link.ask('queues.watch');
    breakReasons.value = told.break_reasons;
    receive({ type: 'queues.changed', ...told });
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // the next one tells
  }
}

export const titleOf = (name) => {
  const titles = queues.value.find((queue) => queue.name === name)?.titles ?? {};
  return titles[language.value] || Object.values(titles)[0] || name;
};

const Clock = ({ since }) => html`<span role="timer" aria-live="off">${clockface(now() - since)}</span>`;

/** Why they call and what is known of them, as the flow and the look-ups learned it. */
export function Known({ call }) {
  const { centre } = call;
  useTicks(1_000, centre?.queued_at);
  if (!centre) return null;
  const told = Object.entries(centre.facts).filter(([name, value]) => has(`fact.${name}`) && value && !['false', 'False', '0'].includes(value));
  const speaks = centre.language && new Intl.DisplayNames(language.value, { type: 'language' }).of(centre.language);
  const what = [
    centre.entry && t('centre.entry', { entry: centre.entry }),
    speaks && t('centre.speaks', { language: speaks }),
    centre.queued_at === null && centre.waited_s !== null && t('centre.waited', { time: clockface(centre.waited_s) }),
  ];
  return html`
    <div class="known" data-part="known">
      ${centre.call_back && html`<p class="notice"><${Icon} name="out" /><span>${t('centre.call_back')}</span></p>`}
      ${centre.queue && html`<p><strong>${titleOf(centre.queue)}</strong>${centre.queued_at !== null && html` · ${t('centre.waits')} <${Clock} since=${centre.queued_at} />`}</p>`}
      <p class="fine">${what.filter(Boolean).join(' · ')}</p>
      ${told.length > 0 &&
      html`<ul class="chips">${told.map(([name, value]) => html`<li class="chip" data-fact=${name}>${t(`fact.${name}`, { value: FIGURES.has(name) ? figure(Number(value), 2) : value })}</li>`)}</ul>`}
    </div>
  `;
}

/** The timed work after a call from a queue. */
function Work() {
  const work = wrapUp.value;
  const [code, choose] = useState('');
  useTicks(1_000, work);
  useEffect(() => choose(''), [work?.call_id]);
  if (!work) return null;
  const left = work.ends_at - now();
  const finish = (event) => {
    event.preventDefault();
    tried(() => link.ask('wrap_up.finish', { call_id: work.call_id, code }));
  };
  return html`
    <form class="card wrap-up" aria-labelledby="wrap-up-title" data-part="wrap-up" onSubmit=${finish}>
      <h2 id="wrap-up-title">${t('wrap_up.title')}</h2>
      <p>
        ${t(work.due ? 'wrap_up.due' : 'wrap_up.what', { queue: titleOf(work.queue) })}${' '}
        <strong role="timer" aria-live="off" class=${left < LAST_SECONDS ? 'last' : ''}>${clockface(left)}</strong>
      </p>
      ${work.codes.length > 0 &&
      html`
        <fieldset class="codes">
          <legend>${t(work.required ? 'wrap_up.code_required' : 'wrap_up.code')}</legend>
          ${work.codes.map(
            (each) => html`
              <label class="check"><input type="radio" name="wrap-up-code" value=${each} checked=${code === each} onChange=${() => choose(each)} /><span>${codeOf(each)}</span></label>
            `,
          )}
        </fieldset>
      `}
      ${!calls.value.some((call) => call.call_id === work.call_id) && html`<${Note} callId=${work.call_id} />`}
      <div class="picker-row">
        <button type="submit" class="primary" data-do="wrap-up-finish" disabled=${work.required && !code}>${t('wrap_up.finish')}</button>
        ${work.more_s > 0 && !work.due &&
        html`<button type="button" data-do="wrap-up-more" onClick=${() => tried(() => link.ask('wrap_up.extend', { call_id: work.call_id }))}>${t('wrap_up.more')}</button>`}
      </div>
    </form>
  `;
}

/** Going on a break with its reason. */
function Breaks() {
  if (!available.value || !breakReasons.value.length) return null;
  const go = (reason) =>
    tried(async () => {
      await link.ask('presence.set', { available: false, reason });
      available.value = false;
    });
  return html`
    <div class="breaks" role="group" aria-labelledby="breaks-title">
      <h3 id="breaks-title">${t('breaks.title')}</h3>
      <div class="picker-row">${breakReasons.value.map((reason) => html`<button type="button" class="small" data-do=${`break-${reason}`} onClick=${() => go(reason)}>${reasonOf(reason)}</button>`)}</div>
    </div>
  `;
}

function Queue({ queue }) {
  return html`
    <li class="queue" data-queue=${queue.name} data-waiting=${queue.waiting}>
      <span class="queue-name">${titleOf(queue.name)}</span>
      <span><strong>${t('queue.waiting', { count: queue.waiting })}</strong>${queue.longest_since !== null && html` · <${Clock} since=${queue.longest_since} />`}</span>
      <span class="fine">${t('queue.agents', { available: queue.available, agents: queue.agents })}${queue.service_level !== null && html` · ${t('queue.level', { level: percent(queue.service_level) })}`}</span>
    </li>
  `;
}

function CallBack({ one }) {
  const id = one.call_back_id;
  return html`
    <li class="queue" data-call-back=${one.state}>
      <span class="queue-name"><${Telephone} text=${one.name || one.number} /></span>
      <span>${titleOf(one.queue)} · <${Clock} since=${one.since} /></span>
      <span class="fine">${t(`call_back.${one.state}`, { agent: one.agent })}${one.tries > 0 && html` · ${t('call_back.tries', { count: one.tries })}`}</span>
      ${one.state === 'waiting' &&
      html`<button type="button" class="small" data-do="call-back-cancel" aria-label=${t('call_back.cancel_who', { who: one.name || one.number })} onClick=${() => tried(() => link.ask('call_back.cancel', { call_back_id: id }))}>${t('call_back.cancel')}</button>`}
    </li>
  `;
}

/** Why calls stay away though nobody here asked for that. */
function PutOnBreak() {
  const id = `breaks.${breakReason.value}`;
  if (available.value || !has(id)) return null;
  return html`<p class="notice warn" role="alert" data-part="put-on-break"><${Icon} name="warning" /><span>${t(id)}</span></p>`;
}

/** At the top of the desk. */
export function Centre() {
  useEffect(() => {
    watch();
    const timer = setInterval(watch, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return html`<${PutOnBreak} /><${Work} />`;
}

/** Beside the dial pad. */
export function Queues() {
  useTicks(1_000, queues.value.some((queue) => queue.waiting) || callBacks.value.length);
  if (!queues.value.length) return null;
  return html`
    <section class="card queues" aria-labelledby="queues-title">
      <h2 id="queues-title">${t('queues.title')}</h2>
      <ul class="plain-list">${queues.value.map((queue) => html`<${Queue} key=${queue.name} queue=${queue} />`)}</ul>
      ${callBacks.value.length > 0 &&
      html`
        <h3>${t('call_backs.title')}</h3>
        <ul class="plain-list">${callBacks.value.map((one) => html`<${CallBack} key=${one.call_back_id} one=${one} />`)}</ul>
      `}
      <${Breaks} />
    </section>
  `;
}
