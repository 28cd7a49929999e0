/** Queues as the plan in force has them, and what each agent can and of which queues they are. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, has, html, say, t } from '../kit/page.js';
import { Badge, Button, Card, Dialog, Skeleton } from '../kit/parts.js';
import { usePicture } from './numbers.js';
import { QueueDialog } from './queue_form.js';
import { FormFault, Listing, Loaded, TextField, titled, useAsked, useForm, worded } from './shared.js';

const span = (seconds) => (seconds ? formats.length(seconds) : '–');

const queueColumns = (edit) => [
  { id: 'name', title: t('queues.name'), draw: (queue) => html`<strong>${titled(queue.titles, queue.name)}</strong><br /><code class="fine">${queue.name}</code>`, sort: (queue) => titled(queue.titles, queue.name) },
  { id: 'strategy', title: t('queues.strategy'), draw: (queue) => html`<span class="admin-whole">${worded('strategy', queue.strategy, has)}</span>`, sort: (queue) => queue.strategy },
  { id: 'needs', title: t('queues.needs'), draw: (queue) => Object.entries(queue.needs).map(([skill, level]) => `${skill} ${level}`).join(', ') || '–' },
  { id: 'priority', title: t('queues.priority'), draw: (queue) => formats.number(queue.priority), sort: (queue) => queue.priority, end: true },
  { id: 'ring', title: t('queues.ring'), draw: (queue) => span(queue.ring_s), sort: (queue) => queue.ring_s, end: true },
  { id: 'wrap', title: t('queues.wrap_up'), draw: (queue) => span(queue.wrap_up_s), sort: (queue) => queue.wrap_up_s, end: true },
  { id: 'level', title: t('queues.level'), draw: (queue) => span(queue.service_level_s), sort: (queue) => queue.service_level_s, end: true },
  { id: 'most', title: t('queues.most'), draw: (queue) => formats.number(queue.max_waiting), sort: (queue) => queue.max_waiting, end: true },
  { id: 'used', title: t('queues.used'), draw: (queue) => (queue.used_by.length ? queue.used_by.map((flow) => html`<a href=${`#flows/flows/${flow}`}>${flow}</a> `) : html`<${Badge} tone="warn">${t('queues.unused')}<//>`) },
  { id: 'edit', title: t('do'), draw: (queue) => html`<${Button} small data-do="edit-queue" label=${t('queue.edit_what', { name: queue.name })} onClick=${() => edit(queue.name)}>${t('queue.edit')}<//>` },
];

/** `english 3, hotels 1` as levels by skill; a skill without a level is of the first. */
function skillsIn(text) {
  const found = {};
  for (const each of text.split(',')) {
    const [, skill, level] = /^\s*([^\s:=]+)[\s:=]*(\d+)?\s*$/.exec(each) ?? [];
    if (skill) found[skill] = Number(level ?? 1);
  }
  return found;
}

function SkillForm({ user, known, queues, onClose }) {
  const path = `/api/v1/agents/${encodeURIComponent(user.identity)}/skills`;
  const form = useForm({ skills: Object.entries(known.skills).map(([skill, level]) => `${skill} ${level}`).join(', '), queues: known.queues.join(', ') });
  const save = async ({ skills, queues: wanted }) => {
    await ask('PUT', path, { skills: skillsIn(skills), queues: wanted.split(/[\s,]+/).filter(Boolean) });
    say(t('skills.changed', { name: user.name }));
    onClose();
  };
  return html`
    <form class="kit-form" onSubmit=${form.submit(save)}>
      <${FormFault} form=${form} />
      <${TextField} form=${form} name="skills" label=${t('skills.skills')} hint=${t('skills.hint')} autocapitalize="none" spellcheck=${false} />
      <${TextField} form=${form} name="queues" label=${t('skills.queues')} hint=${queues.length ? t('skills.queues.known', { queues: formats.list(queues) }) : t('skills.queues.hint')} autocapitalize="none" spellcheck=${false} />
      <div class="acts end"><${Button} onClick=${onClose}>${t('kit.cancel')}<//><${Button} kind="primary" type="submit" data-do="save" busy=${form.busy}>${t('save')}<//></div>
    </form>
  `;
}

function Skills({ users, queues }) {
  const [open, setOpen] = useState(null);
  const agents = users.filter((user) => !user.disabled && ['agent', 'professional', 'supervisor'].includes(user.role));
  return html`
    <${Listing} caption=${t('skills')} rows=${agents} id=${(user) => user.identity} words=${(user) => [user.name, user.identity, ...user.teams]} onOpen=${setOpen} empty=${[t('skills.none'), t('users.none.do')]}
      columns=${[
        { id: 'name', title: t('users.name'), draw: (user) => html`<strong>${user.name}</strong>`, sort: (user) => user.name },
        { id: 'teams', title: t('users.teams'), draw: (user) => user.teams.join(', ') || '–', sort: (user) => user.teams.join(' ') },
        { id: 'do', title: t('do'), draw: (user) => html`<${Button} small onClick=${() => setOpen(user)}>${t('skills.edit')}<//>` },
      ]} />
    ${open && html`<${Dialog} title=${open.name} onClose=${() => setOpen(null)} data-part="skills"><${Known} user=${open} queues=${queues} onClose=${() => setOpen(null)} /><//>`}
  `;
}

function Known({ user, queues, onClose }) {
  const asked = useAsked(`/api/v1/agents/${encodeURIComponent(user.identity)}/skills`);
  return html`<${Loaded} asked=${asked}>${(known) => html`<${SkillForm} user=${user} known=${known} queues=${queues} onClose=${onClose} />`}<//>`;
}

/** For who supervises and may not see all people: one is named. */
function Named({ queues }) {
  const form = useForm({ identity: '' });
  const [user, setUser] = useState(null);
  return html`
    <form class="kit-form two" onSubmit=${form.submit(async ({ identity }) => setUser({ identity: identity.trim(), name: identity.trim() }))}>
      <${TextField} form=${form} name="identity" label=${t('users.identity')} required maxlength="64" autocapitalize="none" />
      <div class="acts"><${Button} kind="primary" type="submit">${t('skills.edit')}<//></div>
    </form>
    ${user && html`<${Dialog} title=${user.name} onClose=${() => setUser(null)} data-part="skills"><${Known} user=${user} queues=${queues} onClose=${() => setUser(null)} /><//>`}
  `;
}

/** The plan is asked for anew each time a form is opened: somebody else may have changed it. */
function Edited({ name, onDone, onClose }) {
  const asked = useAsked('/api/v1/centre/documents');
  return html`<${QueueDialog} name=${name} asked=${asked} onDone=${onDone} onClose=${onClose} />`;
}

function Planned({ asked }) {
  const [open, setOpen] = useState(null);
  const done = () => {
    setOpen(null);
    asked.again();
  };
  return html`
    <${Card} title=${t('queues.title')} actions=${html`<a class="button" href="#flows/queues">${t('plan.edit')}</a><${Button} kind="primary" data-do="new-queue" onClick=${() => setOpen('')}>${t('queue.new')}<//>`}>
      ${open !== null && html`<${Edited} key=${open} name=${open} onDone=${done} onClose=${() => setOpen(null)} />`}
      <${Loaded} asked=${asked}>${(plan) => html`<${Listing} caption=${t('queues.title')} columns=${queueColumns(setOpen)} onOpen=${(queue) => setOpen(queue.name)} rows=${plan.queues} id=${(queue) => queue.name} words=${(queue) => [queue.name, ...Object.values(queue.titles), ...Object.keys(queue.needs)]} empty=${[t('queues.none'), t('queues.none.do')]} />`}<//>
    <//>
  `;
}

function WithPlan({ children }) {
  const asked = usePicture();
  return html`<${Planned} asked=${asked} />${children(asked.data?.queues.map((queue) => queue.name) ?? [])}`;
}

export default function Queues({ me }) {
  const may = (each) => me.permissions.includes(each);
  const people = useAsked(may('users.manage') ? '/api/v1/users' : null);
  const skills = (queues) => {
    if (!may('skills.manage')) return null;
    const shown = may('users.manage') ? (people.data ? html`<${Skills} users=${people.data.users} queues=${queues} />` : html`<${Skeleton} />`) : html`<${Named} queues=${queues} />`;
    return html`<${Card} title=${t('skills')}><p>${t('skills.about')}</p>${shown}<//>`;
  };
  return may('centre.manage') ? html`<${WithPlan}>${skills}<//>` : skills([]);
}
