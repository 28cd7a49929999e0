/** What stands on every page: the way past the top, the wordmark, the pages one may use, language, theme, and the way out. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { forget, session } from '../js/session.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { isHere, placesFor } from './places.js';
import { THEMES, setTheme, theme } from './theme.js';
import { LANGUAGES, language, speak, t } from './words.js';

export const Skip = () => html`<a class="skip" href="#main">${t('kit.skip')}</a>`;

/** The pages a person may use. */
export function Places({ onGo }) {
  const places = session.value ? placesFor(session.value.role) : [];
  if (places.length < 2) return null;
  return html`
    <nav class="kit-places" aria-label=${t('kit.places')}>
      <ul>${places.map(({ address, name }) => html`<li key=${address}><a href=${address} aria-current=${isHere(address) ? 'page' : null} onClick=${onGo}>${t(name)}</a></li>`)}</ul>
    </nav>
  `;
}

/** Language and theme. */
export const Choices = () => html`
  <div class="choices">
    <select id="language" aria-label=${t('kit.language')} value=${language.value} onChange=${(event) => speak(event.currentTarget.value)}>
      ${Object.entries(LANGUAGES).map(([code, name]) => html`<option key=${code} value=${code} lang=${code} selected=${code === language.value}>${name}</option>`)}
    </select>
    <select id="theme" aria-label=${t('kit.theme')} value=${theme.value} onChange=${(event) => setTheme(event.currentTarget.value)}>
      ${THEMES.map((each) => html`<option key=${each} value=${each} selected=${each === theme.value}>${t(`kit.theme.${each}`)}</option>`)}
    </select>
  </div>
`;

/** On narrow screens the pages, language and theme are behind one button. Escape closes them, from the moment they are in sight. */
export function TopBar({ leave = () => forget('signed_out'), leaveDisabled = false, children }) {
  const [open, setOpen] = useState(false);
  const button = useRef();
  useLayoutEffect(() => {
    if (!open) return undefined;
    const close = (event) => {
      if (event.key !== 'Escape') return;
      setOpen(false);
      button.current.focus();
    };
    document.addEventListener('keydown', close);
    return () => document.removeEventListener('keydown', close);
  }, [open]);
  const inside = Boolean(session.value) && session.value.role !== 'customer';
  return html`
    <header class=${`kit-top ${open ? 'open' : ''} ${inside ? 'inside' : ''}`}>
      <div class="kit-bar">
        <p class="wordmark">${t('kit.product')}</p>
        ${children}
        <span class="spacer"></span>
        ${inside && html`<span class="me">${session.value.name}</span>`}
        ${inside && html`<button ref=${button} type="button" class="plain kit-menu" data-do="menu" aria-expanded=${String(open)} aria-controls="kit-drawer" onClick=${() => setOpen(!open)}><${Icon} name=${open ? 'close' : 'menu'} /><span>${t('kit.menu')}</span></button>`}
      </div>
      <div id="kit-drawer" class="kit-drawer">
        <${Places} onGo=${() => setOpen(false)} />
        <${Choices} />
        ${inside && html`<button type="button" class="plain" data-do="sign-out" disabled=${leaveDisabled} onClick=${leave}>${t('kit.sign_out')}</button>`}
      </div>
    </header>
  `;
}

/** The pages one may use, below a top of the page's own; on narrow screens behind a button. */
export function PlacesBar() {
  const [open, setOpen] = useState(false);
  return html`
    <div class=${`kit-top kit-strip inside ${open ? 'open' : ''}`}>
      <button type="button" class="plain kit-menu" data-do="menu" aria-expanded=${String(open)} aria-controls="kit-strip" onClick=${() => setOpen(!open)}><${Icon} name=${open ? 'close' : 'menu'} /><span>${t('kit.menu')}</span></button>
      <div id="kit-strip" class="kit-drawer"><${Places} onGo=${() => setOpen(false)} /></div>
    </div>
  `;
}
