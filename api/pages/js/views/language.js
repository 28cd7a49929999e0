/** English or Spanish, without a reload. */
import { LANGUAGES, language, speak, t } from '../catalogue.js';
import { html } from './html.js';

export const LanguageSwitch = () => html`
  <div class="switch" role="group" aria-label=${t('kit.language')}>
    ${Object.entries(LANGUAGES).map(
      ([code, name]) => html`
        <button type="button" lang=${code} data-do=${`language-${code}`} aria-pressed=${String(language.value === code)} onClick=${() => speak(code)}>
          ${name}
        </button>
      `,
    )}
  </div>
`;
