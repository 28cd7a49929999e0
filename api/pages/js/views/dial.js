/** Call a number: typed, pasted as it comes, or by keypad. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { countryName, explain, has, t } from '../catalogue.js';
import { LONGEST, number } from '../given.js';
import { look, numberOf } from '../numbers.js';
import { link } from '../link.js';
import { callMe, canDial, dial } from '../phone.js';
import { Refusal } from '../session.js';
import { demo } from '../state.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { Keypad } from './keypad.js';

const DEMO_NUMBERS = ['600', '601', '602', '603', '604', '605'];

/** Shorter ones are not looked at. */
const SHORTEST = 3;
const HESITATION_MS = 250;

const refusal = signal(null);

/** Dial, and show what came of it under the field. */
export async function call(text) {
  refusal.value = null;
  try {
    await dial(text);
    number.value = '';
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    number.value = text;
    refusal.value = error;
  }
}

async function letThemCall() {
  refusal.value = null;
  try {
    await callMe();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refusal.value = error;
  }
}

/** What the demo line can do. */
export function Demo() {
  if (!demo.value) return null;
  return html`
    <section class="card demo" aria-labelledby="demo-title">
      <h2 id="demo-title">${t('demo.title')}</h2>
      <ul>
        ${DEMO_NUMBERS.map(
          (each) => html`
            <li>
              <button type="button" class="hint" data-do=${`dial-${each}`} disabled=${!canDial.value} onClick=${() => call(each)}>
                <span class="hint-number">${each}</span><span>${t(`demo.${each}`)}</span>
              </button>
            </li>
          `,
        )}
        <li>
          <button type="button" class="hint" data-do="call-me" onClick=${letThemCall}>
            <span class="hint-number"><${Icon} name="in" /></span><span>${t('demo.call_me')}</span>
          </button>
        </li>
      </ul>
    </section>
  `;
}

/** What was typed, as the server reads it: written out, in which country, and why it cannot be called where it cannot. */
function Preview() {
  const up = link.value === 'up';
  const typed = number.value.trim();
  useEffect(() => {
    if (!up || typed.length < SHORTEST) return undefined;
    const timer = setTimeout(look, HESITATION_MS, typed);
    return () => clearTimeout(timer);
  }, [typed, up]);
  const seen = numberOf(typed);
  const what = seen && [seen.e164 || seen.display, seen.region && countryName(seen.region), has(`number.${seen.kind}`) && t(`number.${seen.kind}`)].filter(Boolean);
  return html`
    <div class="seen" id="dial-seen" role="status" data-part="seen" data-code=${seen?.code ?? ''}>
      ${seen && !refusal.value && (seen.kind !== '' || seen.code) &&
      html`
        ${seen.kind !== '' && html`<p class="fine">${what.map((word, place) => html`${place > 0 && ' · '}<bdi>${word}</bdi>`)}</p>`}
        ${seen.code && html`<p class="fine blocked"><${Icon} name="warning" />${explain(seen)}</p>`}
      `}
    </div>
  `;
}

export function Dial() {
  const field = useRef();
  const submit = (event) => {
    event.preventDefault();
    if (number.value.trim()) call(number.value);
    else field.current.focus();
  };
  const type = (key) => {
    number.value = (number.value + key).slice(0, LONGEST);
  };
  const change = (event) => {
    number.value = event.currentTarget.value;
    refusal.value = null;
  };
  return html`
    <section class="card dial" aria-labelledby="dial-title">
      <h2 id="dial-title">${t('dial.title')}</h2>
      <form onSubmit=${submit}>
        <label for="number" class="visually-hidden">${t('dial.number')}</label>
        <div class="field">
          <input id="number" ref=${field} type="text" inputmode="tel" autocomplete="off" spellcheck=${false} dir="ltr" maxlength=${LONGEST} placeholder=${t('dial.placeholder')}
            value=${number} onInput=${change} aria-describedby=${refusal.value ? 'dial-error' : 'dial-seen'} aria-invalid=${refusal.value ? 'true' : null} />
          ${number.value &&
          html`<button type="button" class="erase" aria-label=${t('dial.erase')} onClick=${() => (number.value = number.value.slice(0, -1))}><${Icon} name="erase" /></button>`}
        </div>
        <div role="alert">
          ${refusal.value && html`<p class="notice bad" id="dial-error"><${Icon} name="warning" /><span>${explain(refusal.value)}</span></p>`}
        </div>
        <${Preview} />
        <${Keypad} label=${t('dial.keypad')} onKey=${type} />
        <button class="go wide" data-do="dial" type="submit" disabled=${!canDial.value}><${Icon} name="call" />${t('dial.call')}</button>
      </form>
    </section>
  `;
}
