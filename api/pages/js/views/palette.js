/** Everything that can be done here, by a few letters of its name: Ctrl+K. A combobox with its list (WAI-ARIA, combobox pattern). */
import { useEffect, useRef, useState } from 'preact/hooks';
import { alarm, offered, who } from '../attention.js';
import { LANGUAGES, alsoSpeak, explain, language, speak, t } from '../catalogue.js';
import { colleagues, reachable, sorted, watchColleagues } from '../colleagues.js';
import { ACTIONS, act, letters, shortcuts } from '../keys.js';
import { open } from '../opened.js';
import { canDial, setAvailable } from '../phone.js';
import { Refusal } from '../session.js';
import { available, living, recent } from '../state.js';
import { THEMES, setTheme } from '../theme.js';
import { giveTo } from './call.js';
import { call } from './dial.js';
import { Dialog } from './dialog.js';
import { html } from './html.js';

await alsoSpeak('calls');

const MOST = 12;
const PAGES = ['contacts', 'bookings', 'tickets', 'articles', 'voicemail', 'rooms', 'account'];
const plain = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
const looksLikeNumber = (text) => /^[+\d][\d\s().-]{1,}$/.test(text);

async function tried(work) {
  try {
    await work();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
}

/** `{id, words, hint, run}` of all that can be done now. */
function everything() {
  const live = living.value.find((each) => each.state === 'live' && each.owned);
  const hint = (name) => (shortcuts.value ? `${t('keys.ctrl')} ${t('keys.shift')} ${letters.value[name]}` : '');
  const callsNow = Object.keys(ACTIONS)
    .filter((name) => ACTIONS[name][0]())
    .map((name) => ({ id: `do-${name}`, words: t(`keys.${name}`), hint: hint(name), run: () => act(name) }));
  const give = live
    ? sorted(colleagues.value).filter(reachable).map((someone) => ({
        id: `give-${someone.identity}`,
        words: t('palette.give', { who: someone.name }),
        hint: t(`moves.state.${someone.state}`),
        run: () => giveTo(live.call_id, `@${someone.identity}`),
      }))
    : [];
  const numbers = new Map(canDial.value ? recent.value.filter((each) => each.number).map((each) => [each.number, each]) : []);
  const again = [...numbers.values()].slice(0, 5).map((each) => ({ id: `call-${each.call_id}`, words: t('recent.again', { who: who(each) }), hint: each.name ? each.number : '', run: () => call(each.number) }));
  return [
    ...callsNow,
    ...give,
    { id: 'available', words: t(available.value ? 'palette.away' : 'palette.available'), hint: '', run: () => tried(() => setAvailable(!available.peek())) },
    ...again,
    { id: 'dial', words: t('palette.dial'), hint: '', run: () => document.getElementById('number')?.focus() },
    { id: 'settings', words: t('settings.title'), hint: '', run: () => open('settings') },
    ...(canDial.value ? [{ id: 'sound-check', words: t('sound_check.open'), hint: '', run: () => open('sound-check') }] : []),
    { id: 'shortcuts', words: t('keys.title'), hint: '?', run: () => open('shortcuts') },
    ...PAGES.map((name) => ({ id: `page-${name}`, words: t(`palette.page.${name}`), hint: '', run: () => window.open(`/${name}`, '_blank') })),
    ...Object.entries(LANGUAGES).filter(([code]) => code !== language.value).map(([code, name]) => ({ id: `language-${code}`, words: name, hint: t('kit.language'), run: () => speak(code) })),
    ...THEMES.map((name) => ({ id: `theme-${name}`, words: t(`kit.theme.${name}`), hint: t('kit.theme'), run: () => setTheme(name) })),
  ];
}

function found(typed) {
  const words = plain(typed).split(/\s+/).filter(Boolean);
  const matches = everything().filter((each) => words.every((word) => plain(`${each.words} ${each.hint}`).includes(word)));
  const dial = looksLikeNumber(typed.trim()) && canDial.value ? [{ id: 'dial-typed', words: t('recent.again', { who: typed.trim() }), hint: '', run: () => call(typed) }] : [];
  return [...dial, ...matches].slice(0, MOST);
}

export function Palette({ onClose }) {
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const field = useRef();
  const then = useRef(null);
  useEffect(watchColleagues, []);
  useEffect(() => field.current.focus(), []);
  offered.value;
  const list = found(typed);
  const chosen = list[Math.min(at, list.length - 1)];
  const close = () => {
    onClose();
    const run = then.current;
    then.current = null;
    if (run) setTimeout(run); // once the dialog has given the focus back
  };
  const take = (one) => {
    then.current = one.run;
    field.current.closest('dialog').close();
  };
  const keys = {
    ArrowDown: () => setAt((Math.min(at, list.length - 1) + 1) % list.length),
    ArrowUp: () => setAt((Math.min(at, list.length - 1) + list.length - 1) % list.length),
    Enter: () => take(chosen),
  };
  const press = (event) => {
    if (!keys[event.key] || !list.length) return;
    event.preventDefault();
    keys[event.key]();
  };
  const type = (event) => {
    setTyped(event.currentTarget.value);
    setAt(0);
  };
  return html`
    <${Dialog} id="palette" title=${t('palette.title')} onClose=${close}>
      <label for="palette-words" class="visually-hidden">${t('palette.what')}</label>
      <input id="palette-words" ref=${field} role="combobox" aria-expanded="true" aria-controls="palette-list" aria-autocomplete="list"
        aria-activedescendant=${chosen ? `palette-${chosen.id}` : null} placeholder=${t('palette.what')} autocomplete="off" spellcheck=${false} maxlength="64" value=${typed} onInput=${type} onKeyDown=${press} />
      <ul id="palette-list" class="palette" role="listbox" aria-label=${t('palette.title')}>
        ${list.map(
          (one) => html`
            <li key=${one.id} id=${`palette-${one.id}`} role="option" aria-selected=${String(one === chosen)} data-command=${one.id} onClick=${() => take(one)}>
              <span><bdi>${one.words}</bdi></span>${one.hint && html`<span class="fine"><bdi>${one.hint}</bdi></span>`}
            </li>
          `,
        )}
      </ul>
      <p class="fine" role="status">${list.length ? '' : t('palette.nothing')}</p>
    <//>
  `;
}
