/** Who are you? Also shown when a session ended; calls already up go on behind it. */
import { useRef, useState } from 'preact/hooks';
import { explain, t } from '../catalogue.js';
import { Refusal, ended, signIn } from '../session.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { LanguageSwitch } from './language.js';

export function SignIn() {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const user = useRef();
  const password = useRef();

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    try {
      await signIn(user.current.value.trim(), password.current.value);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setRefusal(error);
      setBusy(false);
      password.current.select();
      password.current.focus();
    }
  }

  return html`
    <main id="main" class="door">
      <form class="card door-card" onSubmit=${submit} aria-labelledby="door-title">
        <h1 id="door-title" class="wordmark">${t('title')}</h1>
        <p class="lead">${t('sign_in.lead')}</p>
        ${ended.value && !refusal && html`<p class="notice" role="status"><${Icon} name="info" />${t(`sign_in.${ended.value}`)}</p>`}
        <label for="user">${t('sign_in.user')}</label>
        <input id="user" ref=${user} name="username" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="64" required autofocus />
        <label for="password">${t('sign_in.password')}</label>
        <input id="password" ref=${password} name="password" type="password" autocomplete="current-password" maxlength="256" required
          aria-describedby=${refusal ? 'door-error' : null} aria-invalid=${refusal ? 'true' : null} />
        <div role="alert">
          ${refusal && html`<p class="notice bad" id="door-error"><${Icon} name="warning" />${explain(refusal)}</p>`}
        </div>
        <button class="primary wide" data-do="sign-in" type="submit" disabled=${busy}>${t(busy ? 'sign_in.busy' : 'sign_in.submit')}</button>
      </form>
      <${LanguageSwitch} />
    </main>
  `;
}
