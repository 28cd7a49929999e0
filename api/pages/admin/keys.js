/** Keys for programs. A key is shown once, when it is made: the server keeps what checks it and not the key. */
import { useRef, useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, html, say, t } from '../kit/page.js';
import { Badge, Button, Choice, Confirm, Dialog, Field, Notice } from '../kit/parts.js';
import { copied, FormFault, Listing, Loaded, TextField, useAsked, useForm } from './shared.js';

const DAY_S = 86_400;
const LIVES = [30, 90, 365, 0];

function NewKey({ me, users, onMade, onClose }) {
  const people = users.filter((user) => !user.disabled).sort((one, other) => (other.role === 'service') - (one.role === 'service') || one.name.localeCompare(other.name));
  const form = useForm({ identity: people[0]?.identity ?? me.identity, name: '', days: '90', scopes: new Set() });
  const flip = (scope) => {
    const scopes = new Set(form.values.scopes);
    if (!scopes.delete(scope)) scopes.add(scope);
    form.set('scopes', scopes);
  };
  const make = async ({ identity, name, days, scopes }) => {
    onMade(await ask('POST', '/api/v1/keys', { identity, name: name.trim(), scopes: [...scopes], ...(Number(days) && { expires_in: Number(days) * DAY_S }) }));
  };
  return html`
    <${Dialog} title=${t('keys.new')} onClose=${onClose} data-part="new-key">
      <form class="kit-form" onSubmit=${form.submit(make)}>
        <${FormFault} form=${form} />
        <${TextField} form=${form} name="name" label=${t('keys.name')} hint=${t('keys.name.hint')} required maxlength="128" autocomplete="off" />
        ${
          people.length
            ? html`<${Choice} name="identity" label=${t('keys.identity')} hint=${t('keys.identity.hint')} value=${form.values.identity} options=${people.map((user) => [user.identity, `${user.name} · ${t(`role.${user.role}`)}`])} onChange=${(value) => form.set('identity', value)} error=${form.wrong.identity} />`
            : html`<${TextField} form=${form} name="identity" label=${t('keys.identity')} hint=${t('keys.identity.hint')} required />`
        }
        <${Choice} name="expires_in" label=${t('keys.life')} value=${form.values.days} options=${LIVES.map((days) => [String(days), days ? t('keys.days', { count: days }) : t('keys.forever')])} onChange=${(value) => form.set('days', value)} />
        <details><summary>${t('keys.scopes', { count: form.values.scopes.size })}</summary>
          <p class="fine">${t('keys.scopes.hint')}</p>
          <fieldset class="admin-ticks"><legend class="visually-hidden">${t('keys.scope')}</legend>${me.permissions.map((each) => html`<label key=${each} class="check"><input type="checkbox" checked=${form.values.scopes.has(each)} onChange=${() => flip(each)} /><code>${each}</code></label>`)}</fieldset>
        </details>
        <div class="acts end"><${Button} onClick=${onClose}>${t('kit.cancel')}<//><${Button} kind="primary" type="submit" data-do="make" busy=${form.busy}>${t('keys.make')}<//></div>
      </form>
    <//>
  `;
}

function MadeKey({ made, onClose }) {
  const field = useRef();
  const [done, setDone] = useState(false);
  const copy = async () => {
    setDone(await copied(made.key, field.current));
    say(t('keys.copied'));
  };
  return html`
    <${Dialog} title=${t('keys.made', { name: made.row.name })} onClose=${onClose} data-part="made-key">
      <${Notice} tone="warn">${t('keys.once')}<//>
      <${Field} label=${t('keys.key')}><input ref=${field} class="admin-code" readonly dir="ltr" value=${made.key} onFocus=${(event) => event.currentTarget.select()} /><//>
      <div class="acts end"><${Button} kind="primary" data-do="copy" icon=${done ? 'good' : undefined} onClick=${copy}>${t(done ? 'keys.copied' : 'keys.copy')}<//><${Button} data-do="have-it" onClick=${onClose}>${t('keys.have_it')}<//></div>
    <//>
  `;
}

function Ends({ at }) {
  if (!at) return html`<${Badge} tone="warn">${t('keys.forever')}<//>`;
  const left = at - Date.now() / 1000;
  return html`<${Badge} tone=${left < 0 ? 'bad' : left < 14 * DAY_S ? 'warn' : 'good'}>${left < 0 ? t('keys.over') : formats.date(at)}<//>`;
}

export default function Keys({ me }) {
  const asked = useAsked('/api/v1/keys');
  const people = useAsked(me.permissions.includes('users.manage') ? '/api/v1/users' : null);
  const [open, setOpen] = useState(null);
  const columns = [
    { id: 'name', title: t('keys.name'), draw: (key) => html`<strong>${key.name}</strong><br /><code class="fine">${key.prefix}…</code>`, sort: (key) => key.name },
    { id: 'identity', title: t('keys.identity'), draw: (key) => key.identity, sort: (key) => key.identity },
    { id: 'scopes', title: t('keys.scope'), draw: (key) => (key.scopes.length ? html`<span title=${key.scopes.join(', ')}>${t('keys.some', { count: key.scopes.length })}</span>` : t('keys.all')), sort: (key) => key.scopes.length },
    { id: 'made', title: t('keys.made_by'), draw: (key) => html`${formats.date(key.created_at)}<br /><span class="fine">${key.created_by}</span>`, sort: (key) => key.created_at },
    { id: 'ends', title: t('keys.life'), draw: (key) => html`<${Ends} at=${key.expires_at} />`, sort: (key) => key.expires_at ?? Number.MAX_VALUE },
    { id: 'used', title: t('keys.used'), draw: (key) => (key.used_at ? formats.ago(key.used_at) : t('users.never')), sort: (key) => key.used_at ?? 0, end: true },
    { id: 'do', title: t('do'), draw: (key) => html`<${Button} kind="bad" small data-do="revoke" onClick=${() => setOpen({ revoke: key })}>${t('keys.revoke')}<//>` },
  ];
  const made = (answer) => {
    setOpen({ made: answer });
    asked.again();
  };
  return html`
    <${Loaded} asked=${asked}>${({ keys }) => html`
      <${Listing} caption=${t('section.keys')} columns=${columns} rows=${keys} id=${(key) => key.key_id} words=${(key) => [key.name, key.identity, key.prefix, ...key.scopes]} empty=${[t('keys.none'), t('keys.none.do')]}
        actions=${html`<${Button} kind="primary" data-do="new-key" onClick=${() => setOpen({ fresh: true })}>${t('keys.new')}<//>`} />
    `}<//>
    ${open?.fresh && html`<${NewKey} me=${me} users=${people.data?.users ?? []} onMade=${made} onClose=${() => setOpen(null)} />`}
    ${open?.made && html`<${MadeKey} made=${open.made} onClose=${() => setOpen(null)} />`}
    ${
      open?.revoke &&
      html`<${Confirm} title=${t('keys.revoke')} say=${t('keys.revoke.say', { name: open.revoke.name })} doing=${t('keys.revoke')} onClose=${() => setOpen(null)}
        onYes=${async () => {
          await ask('DELETE', `/api/v1/keys/${encodeURIComponent(open.revoke.key_id)}`);
          say(t('keys.revoked', { name: open.revoke.name }));
          asked.again();
        }} />`
    }
  `;
}
