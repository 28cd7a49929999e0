/** Who are you? The one door of all pages for people of the house. Also shown when a session ended. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Refusal, ended, leaveForIssuer, signIn } from '../js/session.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { explain, has, t } from './words.js';

/** Does another issuer sign people in too? */
const issuer = document.body.dataset.issuer === 'true';

/** `lead`: what this page is for, in a sentence. `user`: who alone may come in here. */
export function Door({ lead, user: known = '' }) {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const [coded, setCoded] = useState(false);
  const form = useRef();
  useEffect(() => {
    if (coded) form.current.code.focus();
  }, [coded]);

  async function submit(event) {
    event.preventDefault();
    const { user, password, code } = form.current;
    setBusy(true);
    setRefusal(null);
    try {
      await signIn(user.value.trim(), password.value, code?.value.trim());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setRefusal(error);
      setBusy(false);
      if (error.code === 'second_factor_required') return setCoded(true);
      const field = error.code === 'wrong_code' && code ? code : password;
      field.select();
      field.focus();
    }
  }

  const asked = refusal?.code === 'second_factor_required';
  const ofCode = asked || refusal?.code === 'wrong_code';
  const wrong = (is) => ({ 'aria-describedby': is ? 'door-error' : null, 'aria-invalid': is && !asked ? 'true' : null });
  const why = ended.value && !refusal && (has(`kit.ended.${ended.value}`) ? t(`kit.ended.${ended.value}`) : explain(ended.value));
  return html`
    <form id="door" ref=${form} class="card door-card" onSubmit=${submit} aria-labelledby="door-title">
      <h1 id="door-title" class="wordmark">${t('kit.product')}</h1>
      <p class="lead">${lead ?? t('kit.door.lead')}</p>
      ${why && html`<p class="notice" role="status" data-part="ended"><${Icon} name="info" />${why}</p>`}
      <label for="user">${t('kit.door.user')}</label>
      <input id="user" name="user" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="64" required value=${known || undefined} readonly=${Boolean(known)} autofocus=${window.parent === window && !known} />
      <label for="password">${t('kit.door.password')}</label>
      <input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required autofocus=${Boolean(known)} ...${wrong(refusal && !ofCode)} />
      ${
        coded &&
        html`
          <label for="code" id="door-code">${t('kit.door.code')}</label>
          <input id="code" name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck=${false} maxlength="32" required ...${wrong(ofCode)} />
        `
      }
      <div role="alert">
        ${refusal && html`<p class=${asked ? 'notice' : 'notice bad'} id="door-error"><${Icon} name=${asked ? 'info' : 'warning'} />${explain(refusal)}</p>`}
      </div>
      <button class="primary wide" data-do="sign-in" type="submit" disabled=${busy}>${t(busy ? 'kit.door.busy' : 'kit.door.submit')}</button>
      ${issuer && html`<a href="/api/v1/oidc/start" data-do="issuer" onClick=${leaveForIssuer}>${t('kit.door.issuer')}</a>`}
    </form>
  `;
}
