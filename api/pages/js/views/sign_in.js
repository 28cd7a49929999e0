/** The kit's door, as the telephone's page shows it: calls that are up go on behind it. */
import { t } from '../catalogue.js';
import { Door } from '../../kit/door.js';
import { Choices } from '../../kit/frame.js';
import { html } from './html.js';

export const SignIn = () => html`
  <main id="main" class="door">
    <${Door} lead=${t('sign_in.lead')} />
    <${Choices} />
  </main>
`;
