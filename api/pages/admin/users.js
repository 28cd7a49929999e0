/** Who may sign in, with what role, in which teams; and the teams as they come of that. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, html, say, t } from '../kit/page.js';
import { Badge, Button, Choice, Confirm, Dialog, Switch, Tabs } from '../kit/parts.js';
import { FormFault, Listing, Loaded, TextField, useAsked, useForm } from './shared.js';

const ROLES = ['agent', 'professional', 'supervisor', 'admin', 'service'];
const NAMED = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** Twenty letters and digits that nobody confuses with one another. */
function drawn() {
  const numbers = crypto.getRandomValues(new Uint32Array(20));
  return [...numbers].map((each) => NAMED[each % NAMED.length]).join('');
}

const teamsIn = (text) => text.split(/[\s,]+/).filter(Boolean);
const userPath = (identity) => `/api/v1/users/${encodeURIComponent(identity)}`;

function UserForm({ user, teams, me, onDone, onClose }) {
  const form = useForm({ identity: user?.identity ?? '', name: user?.name ?? '', role: user?.role ?? 'agent', teams: user?.teams.join(', ') ?? '', password: '', disabled: user?.disabled ?? false });
  const [asking, setAsking] = useState('');
  const own = user?.identity === me.identity;
  const save = async ({ identity, name, role, teams: wanted, password, disabled }) => {
    const body = { name: name.trim(), teams: teamsIn(wanted), ...(password && { password }), ...(!own && { role, disabled }) };
    await ask('PUT', userPath(user?.identity ?? identity.trim()), body);
    onDone(t(user ? 'users.changed' : 'users.made', { name: body.name }));
  };
  const end = async () => {
    const { ended } = await ask('DELETE', `${userPath(user.identity)}/sessions`);
    say(t('users.signed_out', { count: ended }));
  };
  const reset = async () => {
    await ask('DELETE', `${userPath(user.identity)}/second-factor`);
    onDone(t('users.factor_gone', { name: user.name }));
  };
  return html`
    <${Dialog} title=${user ? user.name : t('users.new')} onClose=${onClose} data-part="user">
      <form class="kit-form" onSubmit=${form.submit(save)}>
        <${FormFault} form=${form} />
        ${!user && html`<${TextField} form=${form} name="identity" label=${t('users.identity')} hint=${t('users.identity.hint')} required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck=${false} />`}
        <${TextField} form=${form} name="name" label=${t('users.name')} required maxlength="128" autocomplete="off" />
        <${Choice} name="role" label=${t('users.role')} hint=${own ? t('users.own') : t(`role.${form.values.role}.may`)} value=${form.values.role} disabled=${own} options=${ROLES.map((each) => [each, t(`role.${each}`)])} onChange=${(value) => form.set('role', value)} error=${form.wrong.role} />
        <${TextField} form=${form} name="teams" label=${t('users.teams')} hint=${teams.length ? t('users.teams.known', { teams: formats.list(teams) }) : t('users.teams.hint')} autocomplete="off" autocapitalize="none" spellcheck=${false} />
        <${TextField} form=${form} name="password" label=${t(user ? 'users.password.new' : 'users.password')} hint=${t('users.password.hint')} type="text" autocomplete="off" autocapitalize="none" spellcheck=${false} maxlength="256" dir="ltr" />
        <div class="acts"><${Button} small data-do="draw" onClick=${() => form.set('password', drawn())}>${t('users.password.draw')}<//></div>
        ${!own && html`<${Switch} label=${t('users.disabled')} on=${form.values.disabled} onChange=${(on) => form.set('disabled', on)} />`}
        <div class="acts end">
          <${Button} onClick=${onClose}>${t('kit.cancel')}<//>
          <${Button} kind="primary" type="submit" data-do="save" busy=${form.busy}>${t('save')}<//>
        </div>
      </form>
      ${
        user &&
        html`<div class="admin-danger">
          <h3>${t('users.access')}</h3>
          <div class="acts">
            ${me.permissions.includes('session.any') && html`<${Button} kind="bad" small data-do="end-sessions" onClick=${() => setAsking('sessions')}>${t('users.end_sessions')}<//>`}
            <${Button} kind="bad" small data-do="reset-factor" disabled=${!user.second_factor} onClick=${() => setAsking('factor')}>${t('users.reset_factor')}<//>
          </div>
          ${!user.second_factor && html`<p class="fine">${t('users.no_factor')}</p>`}
        </div>`
      }
      ${asking === 'sessions' && html`<${Confirm} title=${t('users.end_sessions')} say=${t('users.end_sessions.say', { name: user.name })} doing=${t('users.end_sessions')} onYes=${end} onClose=${() => setAsking('')} />`}
      ${asking === 'factor' && html`<${Confirm} title=${t('users.reset_factor')} say=${t('users.reset_factor.say', { name: user.name })} doing=${t('users.reset_factor')} onYes=${reset} onClose=${() => setAsking('')} />`}
    <//>
  `;
}

const userColumns = () => [
  { id: 'name', title: t('users.name'), draw: (user) => html`<strong>${user.name}</strong><br /><span class="fine" dir="ltr">${user.identity}</span>`, sort: (user) => user.name },
  { id: 'role', title: t('users.role'), draw: (user) => t(`role.${user.role}`), sort: (user) => ROLES.indexOf(user.role) },
  { id: 'teams', title: t('users.teams'), draw: (user) => user.teams.join(', ') || '–', sort: (user) => user.teams.join(' ') },
  { id: 'factor', title: t('users.factor'), draw: (user) => html`<${Badge} tone=${user.second_factor ? 'good' : 'neutral'}>${t(user.second_factor ? 'users.factor.on' : 'users.factor.off')}<//>`, sort: (user) => Number(user.second_factor) },
  { id: 'seen', title: t('users.seen'), draw: (user) => (user.last_sign_in_at ? formats.ago(user.last_sign_in_at) : t('users.never')), sort: (user) => user.last_sign_in_at ?? 0, end: true },
  { id: 'state', title: t('state'), draw: (user) => html`<${Badge} tone=${user.disabled ? 'bad' : 'good'}>${t(user.disabled ? 'users.off' : 'users.on')}<//>`, sort: (user) => Number(user.disabled) },
];

/** Each team with who is in it; a team is there as long as somebody is. */
function teamsOf(users) {
  const found = new Map();
  for (const user of users) for (const team of user.teams) found.set(team, [...(found.get(team) ?? []), user]);
  return [...found].map(([name, members]) => ({ name, members })).sort((one, other) => one.name.localeCompare(other.name));
}

function TeamForm({ team, users, onDone, onClose }) {
  const form = useForm({ name: team?.name ?? '', members: new Set(team?.members.map((each) => each.identity) ?? []) });
  const flip = (identity) => {
    const members = new Set(form.values.members);
    if (!members.delete(identity)) members.add(identity);
    form.set('members', members);
  };
  const save = async ({ name, members }) => {
    for (const user of users) {
      const before = user.teams.filter((each) => each !== team?.name);
      const now = members.has(user.identity) ? [...before, name.trim()] : before;
      if (String([...now].sort()) !== String([...user.teams].sort())) await ask('PUT', userPath(user.identity), { teams: now });
    }
    onDone(t('teams.changed', { name }));
  };
  return html`
    <${Dialog} title=${team?.name ?? t('teams.new')} onClose=${onClose} data-part="team">
      <form class="kit-form" onSubmit=${form.submit(save)}>
        <${FormFault} form=${form} />
        <${TextField} form=${form} name="name" label=${t('teams.name')} hint=${t('teams.name.hint')} required maxlength="64" pattern="[A-Za-z0-9._\\-]+" autocapitalize="none" />
        <fieldset class="admin-ticks"><legend>${t('teams.members')}</legend>${users.map((user) => html`<label key=${user.identity} class="check"><input type="checkbox" checked=${form.values.members.has(user.identity)} onChange=${() => flip(user.identity)} /><span>${user.name}</span></label>`)}</fieldset>
        <div class="acts end"><${Button} onClick=${onClose}>${t('kit.cancel')}<//><${Button} kind="primary" type="submit" busy=${form.busy}>${t('save')}<//></div>
      </form>
    <//>
  `;
}

export default function Users({ me }) {
  const asked = useAsked('/api/v1/users');
  const [tab, setTab] = useState('people');
  const [open, setOpen] = useState(null);
  const done = (words) => {
    setOpen(null);
    say(words);
    asked.again();
  };
  return html`
    <${Loaded} asked=${asked}>${({ users }) => {
      const teams = teamsOf(users);
      return html`
        <${Tabs} label=${t('section.users')} tabs=${[['people', t('users.people')], ['teams', t('users.teams')]]} chosen=${tab} onChoose=${setTab}>
          ${
            tab === 'people'
              ? html`<${Listing} caption=${t('section.users')} columns=${userColumns()} rows=${users} id=${(user) => user.identity} words=${(user) => [user.name, user.identity, t(`role.${user.role}`), ...user.teams]}
                  empty=${[t('users.none'), t('users.none.do')]} sorted=${{ id: 'name', way: 'ascending' }} onOpen=${(user) => setOpen({ user })}
                  actions=${html`<${Button} kind="primary" data-do="new-user" onClick=${() => setOpen({ user: null })}>${t('users.new')}<//>`} />`
              : html`<${Listing} caption=${t('users.teams')} rows=${teams} id=${(team) => team.name} words=${(team) => [team.name, ...team.members.map((each) => each.name)]}
                  columns=${[
                    { id: 'name', title: t('teams.name'), draw: (team) => html`<strong>${team.name}</strong>`, sort: (team) => team.name },
                    { id: 'count', title: t('teams.count'), draw: (team) => formats.number(team.members.length), sort: (team) => team.members.length, end: true },
                    { id: 'members', title: t('teams.members'), draw: (team) => formats.list(team.members.map((each) => each.name)) },
                  ]}
                  empty=${[t('teams.none'), t('teams.none.do')]} onOpen=${(team) => setOpen({ team })}
                  actions=${html`<${Button} kind="primary" data-do="new-team" onClick=${() => setOpen({ team: null })}>${t('teams.new')}<//>`} />`
          }
        <//>
        ${open && 'user' in open && html`<${UserForm} user=${open.user} teams=${teams.map((each) => each.name)} me=${me} onDone=${done} onClose=${() => setOpen(null)} />`}
        ${open && 'team' in open && html`<${TeamForm} team=${open.team} users=${users} onDone=${done} onClose=${() => setOpen(null)} />`}
      `;
    }}<//>
  `;
}
