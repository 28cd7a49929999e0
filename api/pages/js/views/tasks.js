/** What is to be done for customers, by me and my teams: what is due first on top, each one click from being called or done. Where there
 * is nothing, nothing of it is seen. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { alarm } from '../attention.js';
import { alsoSpeak, explain, fullMoment, moment, t } from '../catalogue.js';
import { canDial } from '../phone.js';
import { ask } from '../rest.js';
import { Refusal } from '../session.js';
import { now, recent } from '../state.js';
import { call } from './dial.js';
import { html } from './html.js';
import { Icon } from './icon.js';

await alsoSpeak('calls');

const ASK_AGAIN_MS = 60_000;
const SHOWN = 20;
const tasks = signal([]);

async function look() {
  try {
    tasks.value = (await ask('GET', `/api/v1/tasks?limit=${SHOWN}`)).tasks;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // the next look tells
  }
}

async function done(task) {
  try {
    await ask('POST', `/api/v1/tasks/${encodeURIComponent(task.task_id)}/done`);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
  await look();
}

function Task({ task }) {
  const late = task.due_at !== null && task.due_at < now();
  return html`
    <li class="queue" data-task=${late ? 'late' : 'open'}>
      <span class="queue-name">${task.title}</span>
      <span class="picker-row">
        ${task.number &&
        html`<button type="button" class="round" data-do="task-call" disabled=${!canDial.value} aria-label=${t('recent.again', { who: task.number })} title=${t('recent.again', { who: task.number })} onClick=${() => call(task.number)}><${Icon} name="call" /></button>`}
        <button type="button" class="small" data-do="task-done" aria-label=${t('tasks.done_what', { what: task.title })} onClick=${() => done(task)}>${t('tasks.done')}</button>
      </span>
      <span class="fine">
        ${task.due_at !== null && html`<time class=${late ? 'last' : ''} datetime=${new Date(task.due_at * 1000).toISOString()} title=${fullMoment(task.due_at)}>${t(late ? 'tasks.late' : 'tasks.due', { when: moment(task.due_at) })}</time>${' '}`}${task.text}
      </span>
    </li>
  `;
}

/** Beside the dial pad; looked for anew once a minute, and after each call. */
export function Tasks() {
  const newest = recent.value[0]?.call_id;
  useEffect(() => {
    const soon = setTimeout(look, 1_000); // what a call led to is written a moment after it
    const timer = setInterval(look, ASK_AGAIN_MS);
    return () => {
      clearTimeout(soon);
      clearInterval(timer);
    };
  }, [newest]);
  if (!tasks.value.length) return null;
  return html`
    <section class="card queues" aria-labelledby="tasks-title" data-part="tasks">
      <h2 id="tasks-title">${t('tasks.title')}</h2>
      <ul class="plain-list">${tasks.value.map((task) => html`<${Task} key=${task.task_id} task=${task} />`)}</ul>
    </section>
  `;
}
