/** What becomes of calls to me: do-not-disturb and forwarding. A part of the settings. */
import { useEffect, useState } from 'preact/hooks';
import { alsoSpeak, explain, t } from '../catalogue.js';
import * as link from '../link.js';
import { Refusal } from '../session.js';
import { html } from './html.js';

await alsoSpeak('calls');

const FORWARDS = ['always', 'busy', 'no_answer', 'offline'];

export function Handling() {
  const [wish, setWish] = useState(null);
  const [told, setTold] = useState('');
  const [failed, setFailed] = useState(false);
  const ask = async (type, body) => {
    try {
      setWish(await link.ask(type, body));
      setFailed(false);
      return true;
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      setTold(explain(refusal));
      setFailed(true);
      return false;
    }
  };
  useEffect(() => {
    ask('handling.read');
  }, []);
  const save = async (event) => {
    event.preventDefault();
    if (await ask('handling.set', wish)) setTold(t('handling.saved'));
  };
  const change = (name) => (event) => {
    setTold('');
    setWish({ ...wish, [name]: event.currentTarget.type === 'number' ? Number(event.currentTarget.value) : event.currentTarget.value });
  };
  return html`
    <h3>${t('handling.title')}</h3>
    ${wish &&
    html`
      <form class="picker" onSubmit=${save}>
        <button type="button" class="small" data-do="do-not-disturb" aria-pressed=${String(wish.do_not_disturb)} onClick=${() => setWish({ ...wish, do_not_disturb: !wish.do_not_disturb })}>${t('handling.do_not_disturb')}</button>
        <p class="fine">${t('handling.do_not_disturb.why')}</p>
        ${FORWARDS.map(
          (name) => html`
            <label key=${name} for=${`forward-${name}`}>${t(`handling.${name}`)}</label>
            <input id=${`forward-${name}`} data-do=${`forward-${name}`} value=${wish[name]} maxlength="64" autocomplete="off" autocapitalize="off" spellcheck=${false} aria-describedby="forward-hint" onInput=${change(name)} />
          `,
        )}
        <label for="forward-seconds">${t('handling.seconds')}</label>
        <input id="forward-seconds" type="number" min="5" max="120" required value=${wish.no_answer_s} onInput=${change('no_answer_s')} />
        <p id="forward-hint" class="fine">${t('handling.hint')}</p>
        <button type="submit" class="primary small" data-do="save-handling">${t('handling.save')}</button>
      </form>
    `}
    <p role="status" class=${failed ? 'notice bad' : 'fine'} data-part="handling" hidden=${!told}>${told}</p>
  `;
}
