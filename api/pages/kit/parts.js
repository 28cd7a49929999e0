/** The parts all pages are made of. Each is shown in all its states on `/styleguide`; further attributes go to the part's own element. */
import { cloneElement } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { Icon } from './icon.js';
import { explain, t } from './words.js';

export { Table } from './table.js';
export { Icon };

const KINDS = { plain: '', primary: 'primary', good: 'go', bad: 'stop', quiet: 'plain' };
/** A shape for each tone, so that no meaning is in a colour alone. */
const SHAPES = { good: 'good', warn: 'warning', bad: 'close', neutral: 'none', info: 'info' };

/** `kind`: plain, primary, good, bad, quiet. Without children it shows its `icon` alone and is called by `label`. */
export function Button({ kind = 'plain', icon, busy = false, pressed, small = false, label, type = 'button', disabled = false, onClick, children, ...more }) {
  const alone = children === undefined || children === null;
  const names = [KINDS[kind], alone && 'round', small && 'small', more.class].filter(Boolean).join(' ');
  return html`
    <button ...${more} type=${type} class=${names} disabled=${disabled || busy} aria-busy=${busy ? 'true' : null} aria-label=${label ?? null} title=${alone ? label : null}
      aria-pressed=${pressed === undefined ? null : String(Boolean(pressed))} onClick=${onClick}>
      ${busy ? html`<i class="turning" aria-hidden="true"></i>` : icon && html`<${Icon} name=${icon} />`}${children}
    </button>
  `;
}

/** A label, one field (an input, select or textarea as the child), what helps to fill it, and what is wrong with what is in it. */
export function Field({ label, hint, error, children }) {
  const id = useId();
  const [field] = [children].flat();
  const described = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ');
  const named = { id: field.props.id ?? id, 'aria-describedby': described || null, 'aria-invalid': error ? 'true' : null };
  return html`
    <div class="kit-field">
      <label for=${named.id}>${label}</label>
      ${cloneElement(field, named)}
      ${hint && html`<p id=${`${id}-hint`} class="fine">${hint}</p>`}
      ${error && html`<p id=${`${id}-error`} class="wrong"><${Icon} name="warning" />${error}</p>`}
    </div>
  `;
}

/** One of a few; `options`: `[value, words]` each. */
export function Choice({ label, value, options, onChange, hint, error, ...more }) {
  return html`
    <${Field} label=${label} hint=${hint} error=${error}>
      <select ...${more} value=${value} onChange=${(event) => onChange(event.currentTarget.value)}>
        ${options.map(([each, words]) => html`<option key=${each} value=${each} selected=${each === value}>${words}</option>`)}
      </select>
    <//>
  `;
}

/** On or off, at once. */
export function Switch({ label, on, onChange, disabled = false, ...more }) {
  return html`
    <label class="kit-switch">
      <input ...${more} type="checkbox" role="switch" checked=${on} disabled=${disabled} onChange=${(event) => onChange(event.currentTarget.checked)} />
      <span>${label}</span>
    </label>
  `;
}

/** What belongs together, under a heading of its own; `actions` stand beside that. `level`: of the heading. */
export function Card({ title, actions, level = 2, children, ...more }) {
  const id = useId();
  return html`
    <section ...${more} class=${`card kit-card ${more.class ?? ''}`} aria-labelledby=${title ? id : null}>
      ${
        (title || actions) &&
        html`<header class="kit-card-head">
          ${title && html`<${`h${level}`} id=${id}>${title}<//>`}
          ${actions && html`<div class="acts">${actions}</div>`}
        </header>`
      }
      ${children}
    </section>
  `;
}

/** A state in a word or two; one that is neither good nor bad has no shape. */
export const Badge = ({ tone = 'neutral', children, ...more }) => html`
  <span ...${more} class=${`kit-badge ${tone}`}>${tone !== 'neutral' && html`<${Icon} name=${SHAPES[tone]} />`}${children}</span>
`;

/** One of several views; what is chosen is shown in `children`. Arrow keys go from one to the next. */
export function Tabs({ label, tabs, chosen, onChoose, children }) {
  const id = useId();
  const bar = useRef();
  const step = (event) => {
    const at = tabs.findIndex(([each]) => each === chosen);
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = way ? (at + way * (document.documentElement.dir === 'rtl' ? -1 : 1) + tabs.length) % tabs.length : { Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    onChoose(tabs[to][0]);
    bar.current.children[to].focus();
  };
  useEffect(() => {
    const [all, one] = [bar.current, bar.current.querySelector('[aria-selected=true]')].map((element) => element?.getBoundingClientRect());
    if (one) bar.current.scrollLeft += Math.min(0, one.left - all.left) + Math.max(0, one.right - all.right); // on narrow screens
  }, [chosen]);
  const tab = ([each, words]) => html`
    <button key=${each} type="button" role="tab" id=${`${id}-${each}`} data-tab=${each} aria-selected=${String(each === chosen)} tabindex=${each === chosen ? 0 : -1}
      aria-controls=${children ? `${id}-panel` : null} onClick=${() => onChoose(each)}>${words}</button>
  `;
  return html`
    <div ref=${bar} class="kit-tabs" role="tablist" aria-label=${label ?? null} onKeyDown=${step}>${tabs.map(tab)}</div>
    ${children && html`<div id=${`${id}-panel`} class="kit-panel" role="tabpanel" aria-labelledby=${`${id}-${chosen}`}>${children}</div>`}
  `;
}

/** A native modal dialog: it keeps the focus, closes with Escape, gives the focus back. */
export function Dialog({ title, open = true, onClose, children, ...more }) {
  const id = useId();
  const box = useRef();
  useEffect(() => {
    if (open && !box.current.open) box.current.showModal();
  }, [open]);
  if (!open) return null;
  const outside = (event) => event.target === box.current && box.current.close();
  return html`
    <dialog ...${more} ref=${box} class="card dialog" aria-labelledby=${id} onClose=${onClose} onClick=${outside}>
      <div class="dialog-inner">
        <header class="dialog-head">
          <h2 id=${id}>${title}</h2>
          <${Button} kind="quiet" icon="close" label=${t('kit.close')} data-do="close" onClick=${() => box.current.close()} />
        </header>
        ${children}
      </div>
    </dialog>
  `;
}

/** Something that cannot be undone, asked once more. `doing`: what the button says; `onYes` is waited for, and what it is refused is told here. */
export function Confirm({ title, say, doing, onYes, onClose }) {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState(null);
  const yes = async () => {
    setBusy(true);
    try {
      await onYes();
      onClose();
    } catch (refusal) {
      setWrong(explain(refusal));
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose} data-part="confirm">
      <p>${say}</p>
      <div role="alert">${wrong && html`<${Notice} tone="bad">${wrong}<//>`}</div>
      <div class="acts end">
        <${Button} data-do="no" onClick=${onClose}>${t('kit.cancel')}<//>
        <${Button} kind="bad" data-do="yes" busy=${busy} onClick=${yes}>${doing}<//>
      </div>
    <//>
  `;
}

/** Nothing is here yet: what would be, and what to do about it. */
export const Empty = ({ title, children }) => html`
  <div class="kit-empty"><${Icon} name="empty" />${title && html`<p class="kit-empty-title">${title}</p>`}${children && html`<div class="fine">${children}</div>`}</div>
`;

/** Something to know, where it matters. */
export const Notice = ({ tone = 'info', children, ...more }) => html`
  <div ...${more} class=${`notice ${tone}`}><${Icon} name=${SHAPES[tone]} /><div>${children}</div></div>
`;

/** One number on a board. */
export const Figure = ({ label, value, tone, note, ...more }) => html`
  <div ...${more} class=${`kit-figure ${tone ?? ''}`}>
    <dt>${label}</dt>
    <dd class="kit-figure-value">${tone && html`<${Icon} name=${SHAPES[tone]} />`}${value}</dd>
    ${note && html`<dd class="fine">${note}</dd>`}
  </div>
`;

/** Numbers beside one another. */
export const Figures = ({ children }) => html`<dl class="kit-figures">${children}</dl>`;

/** What is on its way. */
export const Skeleton = ({ lines = 3 }) => html`
  <div class="kit-skeleton" aria-busy="true">
    <span class="visually-hidden">${t('kit.loading')}</span>
    ${Array.from({ length: lines }, (_, at) => html`<i key=${at} aria-hidden="true"></i>`)}
  </div>
`;

/** The next page of a list, while there is one. */
export function More({ cursor, onMore }) {
  const [busy, setBusy] = useState(false);
  if (!cursor) return null;
  const more = async () => {
    setBusy(true);
    await onMore(cursor);
    setBusy(false);
  };
  return html`<p class="kit-more"><${Button} busy=${busy} data-do="more" onClick=${more}>${t('kit.more')}<//></p>`;
}
