/**
 * The softphone. Starts when the texts are there, connects when somebody is signed in and this tab is the phone.
 *
 * For engineers and tests, `window.centralita` shows the connections and what the server told; buttons carry `data-do`, calls
 * `data-call-id` and `data-state`. `?processing=off` takes the microphone as it is, `?codec=g722` offers that codec alone.
 */
import { effect, untracked } from '@preact/signals';
import { render } from 'preact';
import { mind } from './attention.js';
import { language, speak, t } from './catalogue.js';
import { survey } from './devices.js';
import { number } from './given.js';
import { mindKeys } from './keys.js';
import { mindLeaving } from './leaving.js';
import * as link from './link.js';
import * as microphone from './microphone.js';
import * as phone from './phone.js';
import { keepGoing, lapsed, session } from './session.js';
import * as state from './state.js';
import { claim, tab } from './tab.js';
import './theme.js';
import { stayAwake } from './wake.js';
import { Desk } from './views/desk.js';
import { html } from './views/html.js';
import { SignIn } from './views/sign_in.js';

const useHere = () => claim(phone.stop, { steal: true });

function Elsewhere() {
  return html`
    <main id="main" class="door">
      <div class="card door-card">
        <h1 class="wordmark">${t('title')}</h1>
        <p class="lead">${t('tab.elsewhere')}</p>
      ${number.value && html`<p>${t('tab.given', { number: number.value })}</p>`}
        <button type="button" class="primary wide" data-do="use-here" onClick=${useHere}>${t('tab.use_here')}</button>
      </div>
    </main>
  `;
}

function Page() {
  if (!language.value) return null;
  if (tab.value === 'elsewhere') return html`<${Elsewhere} />`;
  if (!session.value) return html`<${SignIn} />`;
  return tab.value === 'here' ? html`<${Desk} />` : null;
}

window.centralita = {
  get peers() {
    return phone.peers.peek();
  },
  state: {
    get link() {
      return link.link.peek();
    },
    get calls() {
      return state.calls.peek();
    },
    get recent() {
      return state.recent.peek();
    },
    get quality() {
      return state.quality.peek();
    },
    get digitsHeard() {
      return state.digitsHeard.peek();
    },
    get microphone() {
      return { track: microphone.track.peek(), problem: microphone.problem.peek(), level: microphone.level.peek() };
    },
  },
  /** What is heard of a call, as a `MediaStream`. */
  remoteStream: (callId) => phone.peers.peek()[callId]?.stream ?? null,
};

// The telephone first, the words after: a call that goes on waits for its sound, not for the page.
const words = speak();
survey();
claim(phone.stop);
keepGoing(() => tab.peek() === 'here' && state.living.peek().some((call) => !state.isOffered(call)));
effect(() => {
  const wanted = session.value && !lapsed.value && tab.value === 'here';
  untracked(() => {
    if (wanted && !link.isOpen()) link.open(phone.receive);
  });
});
await words;
mind();
mindKeys();
mindLeaving();
stayAwake();
if (window.parent !== window) import('./embed.js');
if (localStorage.getItem('centralita.headset') && navigator.hid) import('./headset.js').then(({ useKnown }) => useKnown());
render(html`<${Page} />`, document.getElementById('page'));
