/** Who are you? Also shown when a session ended; calls already up go on behind it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { explain, t } from '../catalogue.js';
import { Refusal, ended, leaveForIssuer, signIn } from '../session.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { LanguageSwitch } from './language.js';

/** Does another issuer sign people in too? */
const issuer = document.body.dataset.issuer === 'true';

export function SignIn() {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const user = useRef();
  const password = useRef();
  const code = useRef();
  const [coded, setCoded] = useState(false);
  useEffect(() => code.current?.focus(), [coded]);

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    try {
      await signIn(user.current.value.trim(), password.current.value, code.current?.value.trim());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setRefusal(error);
      setBusy(false);
      if (error.code === 'second_factor_required') setCoded(true);
      const field = error.code === 'wrong_code' ? code.current : password.current;
      field.select();
      field.focus();
    }
  }

  const asked = refusal?.code === 'second_factor_required';
  const ofCode = asked || refusal?.code === 'wrong_code';
  const wrong = (is) => ({ 'aria-describedby': is ? 'door-error' : null, 'aria-invalid': is && !asked ? 'true' : null });

  return html`
    <main id="main" class="door">
      <form class="card door-card" onSubmit=${submit} aria-labelledby="door-title">
        <h1 id="door-title" class="wordmark">${t('title')}</h1>
        <p class="lead">${t('sign_in.lead')}</p>
        ${ended.value && !refusal && html`<p class="notice" role="status"><${Icon} name="info" />${t(`sign_in.${ended.value}`)}</p>`}
        <label for="user">${t('sign_in.user')}</label>
        <input id="user" ref=${user} name="username" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="64" required autofocus=${window.parent === window} />
        <label for="password">${t('sign_in.password')}</label>
        <input id="password" ref=${password} name="password" type="password" autocomplete="current-password" maxlength="256" required ...${wrong(refusal && !ofCode)} />
        ${
          coded &&
          html`
            <label for="code">${t('sign_in.code')}</label>
            <input id="code" ref=${code} name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck=${false} maxlength="32" required ...${wrong(ofCode)} />
          `
        }
        <div role="alert">
          ${refusal && html`<p class=${asked ? 'notice' : 'notice bad'} id="door-error"><${Icon} name=${asked ? 'info' : 'warning'} />${explain(refusal)}</p>`}
        </div>
        <button class="primary wide" data-do="sign-in" type="submit" disabled=${busy}>${t(busy ? 'sign_in.busy' : 'sign_in.submit')}</button>
        ${issuer && html`<a href="/api/v1/oidc/start" data-do="issuer" onClick=${leaveForIssuer}>${t('sign_in.issuer')}</a>`}
      </form>
      <${LanguageSwitch} />
    </main>
  `;
}
