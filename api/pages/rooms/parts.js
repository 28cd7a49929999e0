/** Small parts of several views. */
import { useEffect, useRef } from 'preact/hooks';
import { html } from '../js/views/html.js';
import { hueOf, initials, presence, presenceOf } from './desk.js';
import { Icon } from './icon.js';
import { t } from './words.js';

/** A round picture of two letters; with `there`, a dot for presence, which words elsewhere say too. */
export const Avatar = ({ identity, name, there = false, icon = '' }) => html`
  <span class="avatar" data-hue=${hueOf(identity)} aria-hidden="true">
    ${icon ? html`<${Icon} name=${icon} />` : initials(name)}
    ${there && html`<i class="dot" data-presence=${presenceOf(identity)}></i>`}
  </span>
`;

/** What somebody does now, in words: presence, agent state, on which devices. */
export function presenceWords(identity) {
  const now = presence.value.get(identity);
  if (!now || now.presence === 'offline') return t('presence.offline');
  const words = [t(`presence.${now.presence}`)];
  if (now.state !== 'offline') words.push(now.state === 'break' && now.reason ? t('state.break_for', { reason: now.reason }) : t(`state.${now.state}`));
  if (now.phones) words.push(t('devices.phones', { count: now.phones }));
  if (now.pages) words.push(t('devices.pages', { count: now.pages }));
  return words.join(' · ');
}

/** A native modal dialog: keeps the focus, closes with Escape, gives the focus back. */
export function Dialog({ id, title, onClose, children }) {
  const box = useRef();
  useEffect(() => box.current.showModal(), []);
  return html`
    <dialog ref=${box} id=${id} class="card dialog" aria-labelledby=${`${id}-title`} onClose=${onClose} onClick=${(event) => event.target === box.current && box.current.close()}>
      <div class="dialog-inner">
        <header class="dialog-head">
          <h2 id=${`${id}-title`}>${title}</h2>
          <button type="button" class="round plain" data-do="close" aria-label=${t('close')} onClick=${() => box.current.close()}><${Icon} name="close" /></button>
        </header>
        ${children}
      </div>
    </dialog>
  `;
}

/** Arrow keys, Home and End move the focus among the elements that match, of which one is in the order of the Tab key. */
export function roving(selector) {
  return (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || !event.target.matches(selector)) return;
    const all = [...event.currentTarget.querySelectorAll(selector)];
    const to = Math.min(all.length - 1, Math.max(0, all.indexOf(event.target) + step));
    event.preventDefault();
    all[to].focus();
  };
}
