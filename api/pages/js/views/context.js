/** Who is on the line, as the backends say it: filled as their answers land, and never in the way of answering. Whatever a backend sends is
 * text here; its links were looked at by the server. Loaded with the first call. */
import { useEffect, useState } from 'preact/hooks';
import { alsoSpeak, day, explain, figure, has, language, moment, money, t } from '../catalogue.js';
import * as link from '../link.js';
import { about } from '../phone.js';
import { contexts, ticketsWritten } from '../state.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { later } from './later.js';
import { Note } from './note.js';

await alsoSpeak('calls');

const Articles = later(() => import('./articles.js'), 'Articles');
/** Nothing needs to be said of these. */
const WELL = new Set(['here', 'unasked']);
const WAITED_FOR = new Set(['asked', 'slow']);
const HOUR_S = 3_600;

/** Our word for a backend's, where we have one. */
const word = (kind, name) => (has(`context.${kind}.${name}`) ? t(`context.${kind}.${name}`) : name);
const titleOf = (part) => word('title', part.backend) === part.backend ? part.title : word('title', part.backend);

/** A page of ours is opened by this one, so that it is signed in as this one is. */
const relOf = (url) => (/^\/(?!\/)/.test(url) ? 'opener' : 'noopener noreferrer');
const Name = ({ url, children }) => (url ? html`<a href=${url} target="_blank" rel=${relOf(url)}><bdi>${children}</bdi></a>` : html`<bdi>${children}</bdi>`);

function Person({ contact }) {
  const speaks = contact.language && new Intl.DisplayNames(language.value, { type: 'language', fallback: 'code' }).of(contact.language);
  const lines = [contact.company, contact.email, speaks && t('centre.speaks', { language: speaks })].filter(Boolean);
  return html`
    <p class="context-name">
      <strong><${Name} url=${contact.url}>${contact.name || t('context.nameless')}<//></strong>
      ${contact.vip && html`<span class="chip warn" data-part="vip">${t('context.vip')}</span>`}
      ${contact.lead_score !== null && html`<span class="chip">${t('context.score', { score: figure(contact.lead_score, 2) })}</span>`}
    </p>
    ${lines.length > 0 && html`<p class="fine">${lines.map((line, place) => html`${place > 0 && ' · '}<bdi>${line}</bdi>`)}</p>`}
  `;
}

/** Several may be meant: who hears them says who it is. */
function Choices({ context }) {
  const choose = (one) => about(context.call_id, () => link.ask('context.choose', { call_id: context.call_id, backend: one.backend, id: one.id }));
  const isChosen = (one) => context.chosen && context.contact.backend === one.backend && context.contact.id === one.id;
  return html`
    <div role="group" aria-labelledby=${`choices-${context.call_id}`} data-part="choices">
      <h4 id=${`choices-${context.call_id}`}>${t(context.chosen ? 'context.chosen' : 'context.choices')}</h4>
      <div class="picker-row">
        ${context.choices.map(
          (one) => html`
            <button type="button" class="small" data-do="choose" aria-pressed=${String(isChosen(one))} onClick=${() => choose(one)}>
              <bdi>${[one.name || t('context.nameless'), one.company].filter(Boolean).join(', ')}</bdi>
            </button>
          `,
        )}
      </div>
    </div>
  `;
}

function Booking({ card }) {
  const dates = [...new Set([card.starts_at, card.ends_at].filter((at) => at !== null).map(day))].join(' – ');
  const due = Number(card.due) > 0;
  return html`
    <li class="context-row" data-booking=${card.ref}>
      <span><${Name} url=${card.url}>${card.title || card.ref}<//> <span class="fine ref" dir="ltr">${card.title && card.ref}</span></span>
      <span class="fine">${[dates, word('state', card.state)].filter(Boolean).join(' · ')}</span>
      ${due ? html`<span class="chip bad" data-part="unpaid">${t('context.unpaid', { sum: money(card.due, card.currency) })}</span>` : Number(card.paid) > 0 && html`<span class="chip good">${t('context.paid')}</span>`}
    </li>
  `;
}

function Ticket({ card, callId, closing }) {
  const close = () => about(callId, () => link.ask('ticket.close', { call_id: callId, backend: card.backend, id: card.id }));
  const late = card.due_at !== null && card.due_at * 1000 < Date.now();
  const what = [word('state', card.state), card.priority && word('priority', card.priority)];
  return html`
    <li class="context-row" data-ticket=${card.id}>
      <span><${Name} url=${card.url}>${card.title}<//> <span class="fine ref" dir="ltr">${card.id.length < 12 && card.id}</span></span>
      <span class="fine">${what.filter(Boolean).join(' · ')}</span>
      ${late && html`<span class="chip bad">${t('context.overdue')}</span>`}
      ${closing && card.open && html`<button type="button" class="small" data-do="close-ticket" aria-label=${t('context.close_ticket_of', { title: card.title })} onClick=${close}>${t('context.close_ticket')}</button>`}
    </li>
  `;
}

/** What becomes of the tickets that were made or closed in this call. */
function Written({ callId }) {
  return (ticketsWritten.value[callId] ?? []).map(
    (one) => html`
      <p class=${`notice ${one.state === 'failed' ? 'bad' : one.state === 'retrying' ? 'warn' : ''}`} role="status" data-written=${one.state}>
        <span>${t(`context.ticket.${one.what}.${one.state}`, { title: one.title || one.id })} ${one.url && html`<${Name} url=${one.url}>${one.id}<//>`}</span>
      </p>
    `,
  );
}

function MakeTicket({ callId }) {
  const [title, setTitle] = useState('');
  const [refusal, setRefusal] = useState(null);
  const make = async (event) => {
    event.preventDefault();
    try {
      await link.ask('ticket.make', { call_id: callId, title: title.trim() });
      setTitle('');
      setRefusal(null);
    } catch (reason) {
      setRefusal(reason);
    }
  };
  const id = `ticket-${callId}`;
  return html`
    <form class="context-ticket" onSubmit=${make}>
      <label for=${id}>${t('context.ticket.title')}</label>
      <div class="picker-row">
        <input id=${id} value=${title} maxlength="256" autocomplete="off" onInput=${(event) => setTitle(event.currentTarget.value)} />
        <button type="submit" class="small" data-do="make-ticket" disabled=${!title.trim()}>${t('context.ticket.do')}</button>
      </div>
      ${refusal && html`<p class="notice bad" role="alert">${explain(refusal)}</p>`}
    </form>
  `;
}

/** Which backend is waited for, and which is away and why. */
function Parts({ context }) {
  const news = context.parts.filter((part) => !WELL.has(part.state) || part.age_s > HOUR_S);
  if (!news.length) return null;
  const nobody = news.every((part) => part.state === 'none');
  if (nobody) return context.contact || context.choices.length ? null : html`<p class="fine" data-part="nobody">${t('context.nobody')}</p>`;
  return html`
    <ul class="plain-list context-parts" data-part="parts">
      ${news
        .filter((part) => part.state !== 'none')
        .map(
          (part) => html`
            <li class="fine" data-backend=${part.backend} data-state=${part.state} title=${part.said}>
              ${!WELL.has(part.state) && part.state !== 'asked' && html`<${Icon} name=${part.state === 'slow' ? 'info' : 'warning'} />`}
              <span>
                <bdi>${titleOf(part)}</bdi>: ${t(`context.part.${part.state}`)}
                ${part.age_s > HOUR_S && ` ${t('context.old', { hours: figure(part.age_s / HOUR_S) })}`}
              </span>
            </li>
          `,
        )}
    </ul>
  `;
}

function Activities({ context }) {
  if (!context.activities.length) return null;
  return html`
    <details class="details">
      <summary>${t('context.activities', { count: context.activities.length })}</summary>
      <ul class="plain-list">
        ${context.activities.map(
          (one) => html`<li class="context-row"><span><${Name} url=${one.url}>${[word('activity', one.kind), one.title].filter(Boolean).join(': ')}<//></span><span class="fine">${moment(one.at)}</span></li>`,
        )}
      </ul>
    </details>
  `;
}

/** `working`: the call is mine, so that I may write. */
export function Context({ callId, working }) {
  const up = link.link.value === 'up';
  useEffect(() => {
    // What was said while nobody listened, after a reload for instance.
    if (up) link.ask('context.get', { call_id: callId }).catch(() => {}); // a call that nobody knows is shown without
  }, [callId, up]);
  const context = contexts.value[callId];
  const known = context && (context.parts.length > 0 || context.contact);
  if (!known && !working) return null;
  const makes = context?.parts.some((part) => part.can.includes('ticket'));
  const waiting = context?.parts.some((part) => WAITED_FOR.has(part.state));
  const title = `context-${callId}`;
  return html`
    <section class="context" aria-labelledby=${title} aria-busy=${String(Boolean(waiting))} data-part="context">
      <h3 id=${title} class="visually-hidden">${t('context.title')}</h3>
      ${known &&
      html`
        ${context.withheld && html`<p class="fine">${t('context.withheld')}</p>`}
        ${context.contact && html`<${Person} contact=${context.contact} />`}
        ${context.choices.length > 0 && html`<${Choices} context=${context} />`}
        ${context.bookings.length > 0 && html`<h4>${t('context.bookings')}</h4><ul class="plain-list">${context.bookings.map((card) => html`<${Booking} card=${card} />`)}</ul>`}
        ${context.tickets.length > 0 &&
        html`<h4>${t('context.tickets')}</h4><ul class="plain-list">${context.tickets.map((card) => html`<${Ticket} card=${card} callId=${callId} closing=${working} />`)}</ul>`}
        <${Activities} context=${context} />
        <${Parts} context=${context} />
      `}
      ${working && html`<${Articles} callId=${callId} />`}
      ${working && html`<${Note} callId=${callId} />${makes && html`<${MakeTicket} callId=${callId} />`}<${Written} callId=${callId} />`}
    </section>
  `;
}
