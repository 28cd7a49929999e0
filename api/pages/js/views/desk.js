/** The signed-in page: who I am, what is wrong, the calls, and how to make one. */
import { explain, t } from '../catalogue.js';
import { alarm, alarmed, offered, said } from '../attention.js';
import { show, unreadTogether, writers } from '../chat.js';
import { link } from '../link.js';
import { open, opened, shut } from '../opened.js';
import { accepting, setAvailable, stop } from '../phone.js';
import { Refusal, forget } from '../session.js';
import { undoable } from '../undo.js';
import { chats, waiting } from '../website.js';
import { available, calls, isOffered, lines, living, me, parked, queues, ready, voicemail } from '../state.js';
import { Banners } from './banners.js';
import { Call } from './call.js';
import { Demo, Dial } from './dial.js';
import { PlacesBar } from '../../kit/frame.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { Incoming } from './incoming.js';
import { later } from './later.js';
import { Recent } from './recent.js';

const Settings = later(() => import('./settings.js'), 'Settings');
const Parked = later(() => import('./parked.js'), 'Parked');
const Shortcuts = later(() => import('./shortcuts.js'), 'Shortcuts');
const Centre = later(() => import('./centre.js'), 'Centre');
const Queues = later(() => import('./centre.js'), 'Queues');
const Writers = later(() => import('./website.js'), 'Writers');
const Chats = later(() => import('./website.js'), 'Chats');
const Undo = later(() => import('./undo.js'), 'Undo');
const Palette = later(() => import('./palette.js'), 'Palette');
const Colleagues = later(() => import('./colleagues.js'), 'Colleagues');
const SoundCheck = later(() => import('./sound_check.js'), 'SoundCheck');
const SoundCheckButton = later(() => import('./check_button.js'), 'SoundCheckButton');
const Supervisor = later(() => import('./supervisor.js'), 'Supervisor');
const Day = later(() => import('./day.js'), 'Day');
const Voicemail = later(() => import('./voicemail.js'), 'Voicemail');
const Tasks = later(() => import('./tasks.js'), 'Tasks');

/** In another site's frame there is the telephone alone. */
const framed = window.parent !== window;

async function toggleAvailable() {
  try {
    await setAvailable(!available.value);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
}

function signOut() {
  stop();
  forget('signed_out');
}

function LineChip() {
  if (!lines.value.length) return null;
  const up = lines.value.every((line) => line.ready);
  return html`<span class=${`chip ${up ? 'good' : 'bad'}`} data-part="line"><i class="dot" aria-hidden="true"></i>${t(up ? 'line.up' : 'line.down')}</span>`;
}

/** To what was written and not read. */
function toChat() {
  show(writers.peek()[0] ?? null);
  document.getElementById('supervisor')?.scrollIntoView({ block: 'nearest' });
}

const withMini = 'documentPictureInPicture' in window;
const mini = () => import('./mini.js').then(({ openMini }) => openMini());

function Header() {
  const inCall = living.value.some((call) => !isOffered(call));
  return html`
    <header class="top">
      <p class="wordmark">${t('title')}</p>
      <${LineChip} />
      <button type="button" class="state" data-do="available" aria-pressed=${String(available.value)} disabled=${link.value !== 'up'} onClick=${toggleAvailable}>
        <i class="dot" aria-hidden="true"></i>${t(available.value ? 'presence.available' : 'presence.away')}
      </button>
      ${ready.value && voicemail.value && !framed && html`<${Voicemail} />`}
      <span class="spacer"></span>
      <span class="me">${me.value?.name}</span>
      ${withMini && html`<button type="button" class="round plain" data-do="mini" aria-label=${t('mini.open')} title=${t('mini.open')} onClick=${mini}><${Icon} name="mini" /></button>`}
      ${unreadTogether.value > 0 && html`<button type="button" class="small unread" data-do="unread" onClick=${toChat}><${Icon} name="chat" />${t('chat.new', { count: unreadTogether.value })}</button>`}
      <button type="button" class="round plain" data-do="palette" aria-label=${t('palette.title')} title=${t('palette.title')} onClick=${() => open('palette')}><${Icon} name="search" /></button>
      <button type="button" class="round plain" data-do="settings" aria-label=${t('settings.title')} title=${t('settings.title')} onClick=${() => open('settings')}><${Icon} name="settings" /></button>
      <button type="button" class="round plain" data-do="shortcuts" aria-label=${t('keys.title')} title=${t('keys.title')} onClick=${() => open('shortcuts')}><${Icon} name="keyboard" /></button>
      <button type="button" class="round plain" data-do="sign-out" disabled=${inCall} aria-label=${t('sign_out')} title=${t(inCall ? 'sign_out.in_call' : 'sign_out')} onClick=${signOut}><${Icon} name="leave" /></button>
    </header>
  `;
}

const Idle = () => html`
  <section class="card idle">
    <div class="idle-mark" aria-hidden="true"><${Icon} name="call" /></div>
    <h2>${t(available.value ? 'idle.ready' : 'idle.away')}</h2>
    <p>${t(available.value ? 'idle.ready.do' : 'idle.away.do')}</p>
    <${SoundCheckButton} />
  </section>
`;

function Calls() {
  const carried = calls.value.filter((call) => !isOffered(call) || accepting.value.has(call.call_id));
  return html`
    <section class="calls" aria-labelledby="calls-title">
      <h2 id="calls-title" class="visually-hidden">${t('calls.title')}</h2>
      ${offered.value.map((call) => html`<${Incoming} key=${call.call_id} call=${call} />`)}
      ${carried.map((call) => html`<${Call} key=${call.call_id} call=${call} />`)}
      ${!offered.value.length && !carried.length && html`<${Idle} />`}
    </section>
  `;
}

export function Desk() {
  return html`
    <a class="skip" href="#main">${t('skip')}</a>
    <${Header} />
    ${!framed && html`<${PlacesBar} />`}
    <${Banners} />
    <main id="main" class="desk" tabindex="-1" data-ready=${String(ready.value)}>
      <h1 class="visually-hidden">${t('desk.title')}</h1>
      <div class="column">
        ${undoable.value && html`<${Undo} />`}
        ${ready.value && html`<${Centre} />`}
        ${waiting.value.length > 0 && html`<${Writers} />`}
        <${Calls} />
        ${parked.value.length > 0 && html`<${Parked} />`}
        <${Demo} />
      </div>
      <div class="column tools">
        ${chats.value.length > 0 && html`<${Chats} />`}
        <div class="tools-side">
          <${Dial} />
          <${Recent} />
        </div>
        <div class="tools-side">
          ${queues.value.length > 0 && html`<${Queues} />`}
          ${ready.value && html`<${Tasks} />`}
          ${ready.value && html`<${Supervisor} />`}
          ${ready.value && html`<${Colleagues} />`}
          ${ready.value && html`<${Day} />`}
        </div>
      </div>
    </main>
    ${opened.value === 'settings' && html`<${Settings} onClose=${shut} />`}
    ${opened.value === 'shortcuts' && html`<${Shortcuts} onClose=${shut} />`}
    ${opened.value === 'sound-check' && html`<${SoundCheck} onClose=${shut} />`}
    ${opened.value === 'palette' && html`<${Palette} onClose=${shut} />`}
    <div class="visually-hidden" role="status" data-part="said">${said.value}</div>
    <div class="toast" role="alert" data-part="alarmed">${alarmed.value && html`<p class="notice bad">${alarmed.value}<button type="button" class="round plain" aria-label=${t('dialog.close')} onClick=${() => (alarmed.value = '')}><${Icon} name="close" /></button></p>`}</div>
  `;
}
