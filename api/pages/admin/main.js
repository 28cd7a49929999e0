/** Administration: a list of sections, of which a person sees those that they may use; each is fetched when it is opened first. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, explain, html, mount, Refusal, session, t } from '../kit/page.js';
import { Button, Empty, Notice, Skeleton } from '../kit/parts.js';

/** `[name, permissions]` each: one of these opens it. */
const SECTIONS = [
  ['users', ['users.manage']],
  ['keys', ['keys.manage']],
  ['trunks', ['pbx.manage']],
  ['numbers', ['centre.manage']],
  ['queues', ['centre.manage', 'skills.manage']],
  ['flows', ['centre.manage']],
  ['prompts', ['centre.manage']],
  ['website', ['centre.manage']],
  ['rules', ['centre.manage']],
  ['backends', ['backends.manage']],
  ['outbox', ['outbox.manage', 'webhooks.manage']],
  ['retention', ['privacy.manage']],
  ['privacy', ['privacy.manage']],
  ['audit', ['log.read']],
  ['health', ['nodes.watch']],
];

/** `users`, or `flows/main`: what stands behind the name is for the section. */
const place = signal(location.hash.slice(1));
addEventListener('hashchange', () => (place.value = location.hash.slice(1)));

/** `{identity, role, permissions, …}` of who is signed in; null while that is asked. */
const me = signal(null);
const wrong = signal(null);

async function askWhoIAm() {
  wrong.value = null;
  try {
    me.value = await ask('GET', '/api/v1/account');
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    wrong.value = refusal;
  }
}

const views = new Map();

/** The section's module, or why it did not come. */
function useView(name) {
  const [state, setState] = useState({ View: views.get(name) });
  const fetchIt = () => {
    let here = true;
    setState({ View: views.get(name) });
    import(`./${name}.js`).then(
      (module) => {
        views.set(name, module.default);
        if (here) setState({ View: module.default });
      },
      () => here && setState({ failed: true }),
    );
    return () => (here = false);
  };
  useEffect(fetchIt, [name]);
  return { ...state, again: fetchIt };
}

function Section({ name, rest }) {
  const { View, failed, again } = useView(name);
  return html`
    <div class="admin-section" data-section=${name} data-shown=${String(Boolean(View))}>
      <header class="admin-head">
        <h1>${t(`section.${name}`)}</h1>
        <p class="fine">${t(`section.${name}.about`)}</p>
      </header>
      ${failed && html`<${Notice} tone="bad">${t('error.server_unreachable')} <${Button} small onClick=${again}>${t('again')}<//><//>`}
      ${View ? html`<${View} me=${me.value} rest=${rest} />` : !failed && html`<${Skeleton} />`}
    </div>
  `;
}

/** On narrow screens they stand in one line, which is moved so that the chosen one is seen. */
function Sections({ names, chosen }) {
  const list = useRef();
  useEffect(() => {
    const [line, link] = [list.current, list.current.querySelector('[aria-current]')];
    line.scrollLeft += link.getBoundingClientRect().left - line.getBoundingClientRect().left - (line.clientWidth - link.offsetWidth) / 2;
  }, [chosen]);
  return html`
    <nav class="admin-nav" aria-label=${t('sections')}>
      <ul ref=${list}>${names.map((each) => html`<li key=${each}><a href=${`#${each}`} aria-current=${each === chosen ? 'page' : null}>${t(`section.${each}`)}</a></li>`)}</ul>
    </nav>
  `;
}

function Administration() {
  const who = session.value?.identity;
  useEffect(() => {
    me.value = null;
    askWhoIAm();
  }, [who]);
  if (wrong.value) return html`<${Notice} tone="bad">${explain(wrong.value)} <${Button} small onClick=${askWhoIAm}>${t('again')}<//><//>`;
  if (!me.value) return html`<${Skeleton} />`;
  const mine = SECTIONS.filter(([, needed]) => needed.some((each) => me.value.permissions.includes(each))).map(([name]) => name);
  if (!mine.length) return html`<h1>${t('title')}</h1><${Empty} title=${t('nothing_for_you')}>${t('nothing_for_you.ask')}<//>`;
  const [wanted, ...rest] = place.value.split('/');
  const name = mine.includes(wanted) ? wanted : mine[0];
  return html`
    <div class="admin">
      <${Sections} names=${mine} chosen=${name} />
      <${Section} key=${name} name=${name} rest=${rest.map(decodeURIComponent).join('/')} />
    </div>
  `;
}

await mount(Administration, { wide: true });
