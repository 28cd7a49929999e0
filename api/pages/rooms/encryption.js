/** Beside an encrypted conversation: who can read it, whether they are who they say they are, and my own devices. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { html } from '../js/views/html.js';
import { dialog, hears, nameOf, room } from './desk.js';
import { attempt } from './doings.js';
import { Icon } from './icon.js';
import { Dialog } from './parts.js';
import { devices, keyed, secrets, thisDevice } from './seals.js';
import { flushAll, retryRefused } from './talks.js';
import { explain, listed, moment, t } from './words.js';

/** Whose digits are shown: `{roomId, identity, digits}`. */
const compared = signal(null);

const compare = (roomId, identity) => attempt(async () => {
  compared.value = { roomId, identity, digits: await (await secrets()).safetyNumber(roomId, identity) };
  dialog.value = 'safety';
});

const trust = (roomId, identity, verified) => attempt(async () => {
  await (await secrets()).trust(roomId, identity, verified);
  retryRefused(roomId, 'unverified_device');
  flushAll();
});

/** Above the messages: somebody writes from a device that we have not seen before. */
export function Changes({ of }) {
  const state = keyed.value.get(of.room_id);
  const news = state?.people.filter((each) => each.changed || (each.was && !each.verified)) ?? [];
  return html`
    <div role="status">
      ${state?.fault && html`<p class="notice bad talk-notice"><${Icon} name="warning" /><span>${explain({ code: state.fault })}</span></p>`}
      ${news.map((each) => html`
        <p key=${each.identity} class="notice warn talk-notice" data-changed=${each.identity}>
          <${Icon} name="warning" />
          <span>${t(each.was ? 'safety.changed_verified' : 'safety.changed', { name: nameOf(each.identity, of) })}</span>
          <button type="button" class="small" data-do="compare" onClick=${() => compare(of.room_id, each.identity)}>${t('safety.compare')}</button>
          <button type="button" class="small plain" data-do="go-on" onClick=${() => trust(of.room_id, each.identity, false)}>${t('safety.go_on')}</button>
        </p>
      `)}
    </div>
  `;
}

const CONSEQUENCES = ['search', 'past', 'lost', 'guests', 'seen'];

/** What encrypting a room means, said before it is chosen. */
export const Consequences = () => html`<ul class="consequences fine">${CONSEQUENCES.map((each) => html`<li key=${each}>${t(`encrypt.${each}`)}</li>`)}</ul>`;

export function Encryption({ of }) {
  useEffect(() => {
    attempt(async () => {
      const { listDevices, stateOf } = await secrets();
      await stateOf(of.room_id);
      await listDevices();
    });
  }, [of.room_id, of.members.length]);
  const state = keyed.value.get(of.room_id);
  const away = state?.people.filter((each) => !each.ids.length).map((each) => nameOf(each.identity, of)) ?? [];
  return html`
    <section aria-labelledby="encryption-title" data-part="encryption">
      <h3 id="encryption-title">${t('encrypted')}</h3>
      <p class="fine">${t('encrypted.explained')}</p>
      ${away.length > 0 && html`<p class="fine">${t('encrypted.no_device', { names: listed(away) })}</p>`}
      <ul>
        ${state?.people.filter((each) => !hears(each.identity) && each.ids.length).map((each) => html`
          <li key=${each.identity} class="person-safety">
            <span><span class="entry-name">${nameOf(each.identity, of)}</span> <span class="fine">${t(each.verified ? 'safety.verified' : 'safety.not_verified')}</span></span>
            <button type="button" class="small" data-do="safety" aria-label=${t('safety.of', { name: nameOf(each.identity, of) })} onClick=${() => compare(of.room_id, each.identity)}>${t('safety')}</button>
          </li>
        `)}
      </ul>
      <details>
        <summary>${t('devices.mine')}</summary>
        <p class="fine">${t('devices.explained')}</p>
        <ul>
          ${devices.value.map((each) => html`
            <li key=${each.device_id} class="person-safety">
              <span>${each.label} <span class="fine">${each.device_id === thisDevice.value ? t('devices.this') : moment(each.added_at)}</span></span>
              <button type="button" class="small danger" data-do="remove-device" aria-label=${t('devices.remove.named', { name: each.label })} onClick=${() => attempt(async () => (await secrets()).removeDevice(each.device_id), t('done'))}>${t('devices.remove')}</button>
            </li>
          `)}
        </ul>
      </details>
    </section>
  `;
}

export function Safety() {
  const { roomId, identity, digits } = compared.value;
  const name = nameOf(identity, room.value);
  const close = () => (dialog.value = '');
  const done = (verified) => trust(roomId, identity, verified).then(close);
  return html`
    <${Dialog} id="safety" title=${t('safety.of', { name })} onClose=${close}>
      ${digits
        ? html`
            <p>${t('safety.explained', { name })}</p>
            <p class="digits">${digits.map((group) => html`<code key=${group}>${group}</code> `)}</p>
            <div class="safety-doings">
              <button type="button" class="primary" data-do="same" onClick=${() => done(true)}>${t('safety.same')}</button>
              <button type="button" data-do="not-verified" onClick=${() => done(false)}>${t('safety.unverify')}</button>
            </div>
            <p class="fine">${t('safety.differ')}</p>
          `
        : html`<p>${t('encrypted.no_device', { names: name })}</p>`}
    <//>
  `;
}
