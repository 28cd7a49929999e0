/** A page: its frame, the door when nobody is in, and what is said to those who listen. All that a view needs is exported here. */
import { signal } from '@preact/signals';
import { effect } from '@preact/signals';
import { render } from 'preact';
import { Refusal, session } from '../js/session.js';
import { Door } from './door.js';
import { Skip, TopBar } from './frame.js';
import { html } from './html.js';
import { Button } from './parts.js';
import './theme.js';
import { explain, has, language, speak, t } from './words.js';

export { alsoSpeak, explain, has, language, t } from './words.js';
export { ask } from '../js/rest.js';
export { Refusal, session } from '../js/session.js';
export { html };

/** The last polite and the last urgent word. */
const said = signal('');
const alarmed = signal('');

/** Say politely. The same words twice are two announcements. */
export const say = (text) => {
  said.value = said.peek() === text && text ? `${text} ` : text;
};

/** Say at once, and keep it in sight until it is put away. */
export const alarm = (text) => {
  alarmed.value = alarmed.peek() === text && text ? `${text} ` : text;
};

/** Do it, and say why where it was refused. True where it was done. */
export async function tell(work) {
  try {
    alarm('');
    await work();
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
    return false;
  }
}

/** The two live regions. */
export const Told = () => html`
  <div class="visually-hidden" role="status" data-part="said">${said.value}</div>
  <div class="toast" role="alert" data-part="alarmed">
    ${alarmed.value && html`<div class="notice bad"><span>${alarmed.value}</span><${Button} kind="quiet" icon="close" label=${t('kit.close')} onClick=${() => alarm('')} /></div>`}
  </div>
`;

function Page({ View, door, wide }) {
  if (!language.value) return null;
  const closed = door && !session.value;
  return html`
    <${Skip} />
    <${TopBar} />
    <main id="main" class=${closed ? 'door' : `kit-main ${wide ? 'wide' : ''}`} tabindex="-1" data-ready="true">
      ${closed ? html`<${Door} lead=${has('door.lead') ? t('door.lead') : undefined} />` : html`<${View} />`}
    </main>
    <${Told} />
  `;
}

/** Draw the page. `door`: only for who is signed in. `wide`: takes the whole width of a large screen. The page's name is its text `title`. */
export async function mount(View, { door = true, wide = false } = {}) {
  await speak();
  effect(() => {
    if (language.value) document.title = `${t('title')} · ${t('kit.product')}`;
  });
  render(html`<${Page} View=${View} door=${door} wide=${wide} />`, document.getElementById('page'));
}
