/** Who is there and what they do; what they can, changed on the spot. */
import { useState } from 'preact/hooks';
import { reasonOf } from '../kit/reasons.js';
import { Badge, Button, Dialog, Field, Notice, Table, ask, html, say, t, tell } from './kit.js';
import { people, queues, titleOf } from './live.js';

const TONES = { available: 'good', ringing: 'info', on_call: 'info', consulting: 'info', wrap_up: 'warn', break: 'warn', offline: 'neutral' };

/** `sales 3, hotels 1`: what stands in the field, read back. Null: it cannot be read. */
function readSkills(text) {
  const skills = {};
  for (const part of text.split(',').map((each) => each.trim()).filter(Boolean)) {
    const [, name, level] = /^([a-z0-9][a-z0-9-]{0,63})(?:\s+(\d{1,3}))?$/.exec(part) ?? [];
    if (!name || level === '0') return null;
    skills[name] = Number(level ?? 1);
  }
  return skills;
}

function Skills({ who, given, onClose }) {
  const [skills, setSkills] = useState(Object.entries(given.skills).map(([name, level]) => `${name} ${level}`).join(', '));
  const [taken, setTaken] = useState(new Set(given.queues));
  const [wrong, setWrong] = useState('');
  const save = async (event) => {
    event.preventDefault();
    const read = readSkills(skills);
    if (!read) return setWrong(t('team.unread'));
    const done = await tell(() => ask('PUT', `/api/v1/agents/${encodeURIComponent(who.identity)}/skills`, { skills: read, queues: [...taken] }));
    if (!done) return;
    say(t('team.saved'));
    onClose();
  };
  const turn = (name) => {
    const next = new Set(taken);
    if (!next.delete(name)) next.add(name);
    setTaken(next);
  };
  return html`
    <${Dialog} title=${t('team.skills_of', { who: who.name || who.identity })} onClose=${onClose} data-part="skills">
      <form class="kit-form" onSubmit=${save}>
        <${Field} label=${t('team.skills')} hint=${t('team.hint')} error=${wrong}><input data-field="skills" value=${skills} maxlength="2000" onInput=${(event) => setSkills(event.currentTarget.value)} /><//>
        ${queues.value.length > 0 && html`<fieldset><legend>${t('team.queues')}</legend>${queues.value.map(({ name }) => html`<label key=${name} class="check"><input type="checkbox" checked=${taken.has(name)} onChange=${() => turn(name)} /><span>${titleOf(name)}</span></label>`)}</fieldset>`}
        <${Button} kind="primary" type="submit" data-do="save-skills">${t('team.save')}<//>
      </form>
    <//>
  `;
}

export function Team() {
  const [open, setOpen] = useState(null);
  const rows = [...people.value.values()];
  const change = (who) => tell(async () => setOpen({ who, given: await ask('GET', `/api/v1/agents/${encodeURIComponent(who.identity)}/skills`) }));
  const columns = [
    { id: 'name', title: t('team.name'), draw: (each) => each.name || each.identity, sort: (each) => (each.name || each.identity).toLowerCase() },
    { id: 'state', title: t('team.state'), draw: (each) => html`<${Badge} tone=${TONES[each.state] ?? 'neutral'}>${t(`agent.${each.state}`)}<//>`, sort: (each) => each.state },
    { id: 'reason', title: t('team.reason'), draw: (each) => reasonOf(each.reason) },
    { id: 'phones', title: t('team.phones'), end: true, draw: (each) => each.phones, sort: (each) => each.phones },
    { id: 'skills', title: t('team.skills'), draw: (each) => html`<${Button} small data-do="skills" onClick=${() => change(each)}>${t('team.change')}<//>` },
  ];
  return html`
    ${rows.length === 0 ? html`<${Notice}>${t('now.nobody')}<//>` : html`<${Table} data-part="team" caption=${t('view.team')} columns=${columns} rows=${rows} id=${(each) => each.identity} sorted=${{ id: 'name', way: 'ascending' }} />`}
    ${open && html`<${Skills} who=${open.who} given=${open.given} onClose=${() => setOpen(null)} />`}
  `;
}

