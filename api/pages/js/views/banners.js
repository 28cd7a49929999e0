/** What is wrong right now, whose fault it is, and what to do: one line each. */
import { moment, t } from '../catalogue.js';
import { absent } from '../devices.js';
import { link } from '../link.js';
import * as microphone from '../microphone.js';
import { open } from '../opened.js';
import { peers } from '../phone.js';
import { allow, blocked } from '../sound.js';
import { lapsed } from '../session.js';
import { lines, living, putAway, ready, told, visitors } from '../state.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { later } from './later.js';

const Again = later(() => import('./again.js'), 'Again');

const Banner = ({ tone, name, children }) => html`
  <div class=${`banner ${tone}`} data-banner=${name}><${Icon} name=${tone === 'bad' ? 'warning' : 'info'} /><div class="banner-text">${children}</div></div>
`;

function LinkBanner() {
  if (link.value === 'up' || lapsed.value) return null;
  if (link.value === 'connecting' && !ready.value) return null;
  return html`<${Banner} tone="bad" name="link"><p>${t(living.value.length ? 'banner.link_in_call' : 'banner.link')}</p><//>`;
}

const LineBanner = ({ line }) => html`
  <${Banner} tone="bad" name="line"><p><strong>${t('banner.line', { trunk: line.trunk })}</strong>${' '}${line.detail || t('banner.line_unknown')}</p><//>
`;

function MicrophoneBanner() {
  const cause = microphone.problem.value;
  if (!cause) return null;
  return html`
    <${Banner} tone="bad" name="microphone">
      <p><strong>${t(`microphone.${cause}`)}</strong>${' '}${t(`microphone.${cause}.do`)}${' '}${living.value.length > 0 && t('microphone.listening')}</p>
      <button type="button" class="small" data-do="retry-microphone" onClick=${() => microphone.retry()}>${t('microphone.retry')}</button>
    <//>
  `;
}

/** What was chosen is unplugged: what is used instead, and that it comes back by itself. */
function DeviceBanner() {
  if (!absent.value.length) return null;
  const labels = [...new Set(absent.value.map(({ label }) => label))].join(', ');
  return html`
    <${Banner} tone="warn" name="device">
      <p>${t('banner.device', { device: labels })}</p>
      <button type="button" class="small" data-do="devices" onClick=${() => open('settings')}>${t('settings.title')}</button>
    <//>
  `;
}

function SilencedBanner() {
  const mute = Object.values(peers.value).filter((peer) => peer.silenced.value);
  if (!mute.length && !blocked.value) return null;
  const open = () => {
    allow();
    mute.forEach((peer) => peer.play());
  };
  return html`
    <${Banner} tone="warn" name="sound">
      <p>${t('banner.sound')}</p>
      <button type="button" class="small" data-do="allow-sound" onClick=${open}>${t('banner.sound_allow')}</button>
    <//>
  `;
}

const VisitorBanner = ({ visitor }) => html`
  <${Banner} tone="warn" name="visitor">
    <p>${t('banner.visitor', { time: moment(visitor.start_at) })}</p>
    <a href=${`/consultation#${visitor.room_id}`}>${t('banner.visitor_join')}</a>
  <//>
`;

const ToldBanner = ({ notice }) => html`
  <${Banner} tone="info" name="told">
    <p>${notice.text}</p>
    <button type="button" class="small" data-do="put-away" onClick=${() => putAway(notice.id)}>${t('banner.put_away')}</button>
  <//>
`;

export const Banners = () => html`
  <div class="banners" role="region" aria-label=${t('banners')} aria-live="polite">
    ${lapsed.value && html`<${Again} />`}
    <${LinkBanner} />
    ${lines.value.filter((line) => !line.ready).map((line) => html`<${LineBanner} key=${line.trunk} line=${line} />`)}
    <${MicrophoneBanner} />
    <${DeviceBanner} />
    <${SilencedBanner} />
    ${told.value.map((notice) => html`<${ToldBanner} key=${notice.id} notice=${notice} />`)}
    ${visitors.value.map((visitor) => html`<${VisitorBanner} key=${visitor.appointment_id} visitor=${visitor} />`)}
  </div>
`;
