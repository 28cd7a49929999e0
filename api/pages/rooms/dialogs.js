/** A new room, and the keys of this page. */
import { useState } from 'preact/hooks';
import { html } from '../js/views/html.js';
import { alarm, dialog, hears, people, presenceOf } from './desk.js';
import { attempt, make } from './doings.js';
import { Consequences, Safety } from './encryption.js';
import { Dialog } from './parts.js';
import { t } from './words.js';

const close = () => (dialog.value = '');

/** What each key does, by the id of its text. */
const KEYS = [
  ['Ctrl K', 'keys.search'],
  ['Alt ↑ ↓', 'keys.rooms'],
  ['↑ ↓', 'keys.messages'],
  ['Enter', 'keys.tools'],
  ['Enter', 'keys.send'],
  ['Shift Enter', 'keys.line'],
  ['↑', 'keys.edit'],
  ['Esc', 'keys.escape'],
];

const Keys = () => html`
  <${Dialog} id="keys" title=${t('keys')} onClose=${close}>
    <dl class="key-list">${KEYS.map(([key, id]) => html`<div key=${id}><dt><kbd>${key}</kbd></dt><dd>${t(id)}</dd></div>`)}</dl>
  <//>
`;

function NewRoom() {
  const [kind, setKind] = useState('group');
  const [encrypted, setEncrypted] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const wanted = {
      kind,
      name: form.get('name')?.trim() ?? '',
      encrypted,
      invited: form.getAll('who').map((identity) => ({ identity, name: people.value.find((each) => each.identity === identity).name })),
      ...(kind === 'meeting' && { waiting_room: form.has('waiting_room') }),
    };
    if (await attempt(() => make(wanted))) close();
  };
  return html`
    <${Dialog} id="new-room" title=${t('new')} onClose=${close}>
      <form class="stacked" onSubmit=${submit}>
        ${alarm.value && html`<p class="notice bad" role="alert">${alarm.value}</p>`}
        <fieldset class="kinds">
          <legend>${t('new.kind')}</legend>
          ${['group', 'meeting', 'direct'].map((each) => html`
            <label key=${each} class="check"><input type="radio" name="kind" value=${each} checked=${kind === each} onChange=${() => setKind(each)} /><span><b>${t(`kind.${each}`)}</b><span class="fine">${t(`kind.${each}.explained`)}</span></span></label>
          `)}
        </fieldset>
        ${kind !== 'direct' && html`<label><span>${t('name')}</span><input name="name" maxlength="128" required autocomplete="off" /></label>`}
        <fieldset class="whom">
          <legend>${t('new.people')}</legend>
          ${people.value.filter((who) => !hears(who.identity)).map((who) => html`
            <label key=${who.identity} class="check"><input type=${kind === 'direct' ? 'radio' : 'checkbox'} name="who" required=${kind === 'direct'} value=${who.identity} /><span>${who.name}<span class="fine">${t(`presence.${presenceOf(who.identity)}`)}</span></span></label>
          `)}
        </fieldset>
        ${kind === 'meeting' && html`<label class="check"><input type="checkbox" name="waiting_room" /><span>${t('waiting_room')}<span class="fine">${t('waiting_room.explained')}</span></span></label>`}
        <div>
          <label class="check"><input type="checkbox" data-do="encrypted" checked=${encrypted} onChange=${(event) => setEncrypted(event.target.checked)} aria-describedby="consequences" /><span>${t('encrypted')}<span class="fine">${t('encrypt.fixed')}</span></span></label>
          <div id="consequences">${encrypted && html`<${Consequences} />`}</div>
        </div>
        <button type="submit" class="primary" data-do="make">${t('new.do')}</button>
      </form>
    <//>
  `;
}

export function Dialogs() {
  if (dialog.value === 'new') return html`<${NewRoom} />`;
  if (dialog.value === 'safety') return html`<${Safety} />`;
  if (dialog.value === 'keys') return html`<${Keys} />`;
  return null;
}
