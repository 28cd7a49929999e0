/** The mini phone: a small window that stays above all others (Document Picture-in-Picture), with what a call needs. */
import { effect } from '@preact/signals';
import { render } from 'preact';
import { offered, who } from '../attention.js';
import { alsoSpeak, clockface, language, t } from '../catalogue.js';
import { accept, decline, hangUp, isMuted, mute } from '../phone.js';
import { isOffered, living, now } from '../state.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { useTicks } from './ticks.js';

await alsoSpeak('calls');

const SIZE = { width: 320, height: 200 };

const Do = ({ name, icon, label, tone, pressed, action }) => html`
  <button type="button" class=${tone} data-do=${`mini-${name}`} aria-pressed=${pressed === undefined ? null : String(pressed)} onClick=${action}><${Icon} name=${icon} /><span>${label}</span></button>
`;

function Ringing({ call }) {
  return html`
    <p class="call-state">${t('incoming.title')}</p>
    <h1 class="call-who"><bdi>${who(call)}</bdi></h1>
    <div class="mini-buttons">
      <${Do} name="accept" icon="call" tone="go" label=${t('incoming.accept')} action=${() => accept(call.call_id)} />
      <${Do} name="decline" icon="end" tone="stop" label=${t('incoming.decline')} action=${() => decline(call.call_id)} />
    </div>
  `;
}

function Talking({ call }) {
  useTicks(500);
  const muted = isMuted(call);
  return html`
    <p class="call-state">${t(call.state === 'live' && call.held ? 'call.held' : `call.${call.state}`)}
      ${call.answered_at && html` · <span role="timer" aria-live="off">${clockface(now() - call.answered_at)}</span>`}</p>
    <h1 class="call-who"><bdi>${who(call)}</bdi></h1>
    <div class="mini-buttons">
      <${Do} name="mute" icon=${muted ? 'muted' : 'mic'} label=${t('call.mute')} pressed=${muted} action=${() => mute(call.call_id, !muted)} />
      <${Do} name="hang-up" icon="end" tone="stop" label=${t('call.hang_up')} action=${() => hangUp(call.call_id)} />
    </div>
  `;
}

function Mini() {
  const [ringing] = offered.value;
  const talking = living.value.find((call) => !isOffered(call));
  if (ringing) return html`<${Ringing} key=${ringing.call_id} call=${ringing} />`;
  if (talking) return html`<${Talking} key=${talking.call_id} call=${talking} />`;
  return html`<p class="lead">${t('idle.ready')}</p>`;
}

/** Open it; from a click. It closes with the page. */
export async function openMini() {
  const mini = await documentPictureInPicture.requestWindow(SIZE);
  const { document: its } = mini;
  for (const sheet of document.querySelectorAll('link[rel=stylesheet]')) its.head.append(its.importNode(sheet));
  const place = its.createElement('main');
  place.className = 'card mini';
  its.body.append(place);
  const stop = effect(() => {
    its.documentElement.lang = language.value;
    its.documentElement.dir = document.documentElement.dir;
    its.title = t('title');
    its.documentElement.dataset.colours = document.documentElement.dataset.colours;
  });
  render(html`<${Mini} />`, place);
  mini.addEventListener('pagehide', () => {
    stop();
    render(null, place);
  });
}
