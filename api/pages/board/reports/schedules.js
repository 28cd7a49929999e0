/** One's own reports that are sent by e-mail, each day or week. */
import { useState } from 'preact/hooks';
import { brief } from '../../kit/formats.js';
import { language } from '../../kit/page.js';
import { Button, Card, Choice, Dialog, Field, Notice, Table, ask, html, say, t, tell } from '../kit.js';
import { queues } from '../live.js';
import { useAnswer } from './parts.js';

const BYS = ['all', 'queue', 'team', 'agent', 'day'];
const two = (count) => String(count).padStart(2, '0');
const clock = (minute) => `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
/** The names of the week's days, Monday first. */
const days = () => Array.from({ length: 7 }, (_, at) => [String(at), new Intl.DateTimeFormat(language.value, { weekday: 'long', timeZone: 'UTC' }).format(new Date(Date.UTC(2024, 0, 1 + at)))]);

function Schedule({ zone, onClose, onMade }) {
  const [wanted, setWanted] = useState({ every: 'day', weekday: '0', at: '08:00', by: 'queue', queue: '', language: language.peek() === 'es' ? 'es' : 'en', addresses: '' });
  const [busy, setBusy] = useState(false);
  const set = (more) => setWanted({ ...wanted, ...more });
  const save = async (event) => {
    event.preventDefault();
    const { at, addresses, weekday, ...rest } = wanted;
    const [hours, minutes] = at.split(':').map(Number);
    setBusy(true);
    const done = await tell(() => ask('POST', '/api/v1/report-schedules', { ...rest, weekday: Number(weekday), minute: 60 * hours + minutes, addresses: addresses.split(/[\s,;]+/).filter(Boolean) }));
    setBusy(false);
    if (!done) return;
    say(t('sent.made'));
    onMade();
  };
  return html`
    <${Dialog} title=${t('sent.new')} onClose=${onClose} data-part="schedule">
      <form class="kit-form" onSubmit=${save}>
        <${Choice} label=${t('sent.every')} data-field="every" value=${wanted.every} options=${['day', 'week'].map((each) => [each, t(`sent.every.${each}`)])} onChange=${(every) => set({ every })} />
        ${wanted.every === 'week' && html`<${Choice} label=${t('sent.weekday')} data-field="weekday" value=${wanted.weekday} options=${days()} onChange=${(weekday) => set({ weekday })} />`}
        <${Field} label=${t('sent.at')} hint=${t('sent.zone', { zone })}><input type="time" required data-field="at" value=${wanted.at} onInput=${(event) => set({ at: event.currentTarget.value })} /><//>
        <${Choice} label=${t('by')} data-field="by" value=${wanted.by} options=${BYS.map((each) => [each, t(`by.${each}`)])} onChange=${(by) => set({ by })} />
        <${Choice} label=${t('filter.queue')} data-field="queue" value=${wanted.queue} options=${[['', t('filter.any')], ...queues.value.map(({ name }) => [name, name])]} onChange=${(queue) => set({ queue })} />
        <${Choice} label=${t('sent.language')} data-field="language" value=${wanted.language} options=${['en', 'es'].map((each) => [each, t(`sent.language.${each}`)])} onChange=${(code) => set({ language: code })} />
        <${Field} label=${t('sent.to')} hint=${t('sent.to_hint')}><input required data-field="addresses" value=${wanted.addresses} maxlength="2000" onInput=${(event) => set({ addresses: event.currentTarget.value })} /><//>
        <${Button} kind="primary" type="submit" data-do="save-schedule" busy=${busy}>${t('sent.save')}<//>
      </form>
    <//>
  `;
}

export function Schedules() {
  const [open, setOpen] = useState(false);
  const { found, wrong, again } = useAnswer(ask, '/api/v1/report-schedules');
  if (wrong) return html`<${Notice} tone="bad">${wrong}<//>`;
  if (!found) return null;
  const drop = (each) =>
    tell(async () => {
      await ask('DELETE', `/api/v1/report-schedules/${each.schedule_id}`);
      say(t('sent.dropped'));
      again();
    });
  const named = days();
  const columns = [
    { id: 'when', title: t('sent.when'), draw: (each) => (each.every === 'day' ? t('sent.daily', { at: clock(each.minute) }) : t('sent.weekly', { day: named[each.weekday][1], at: clock(each.minute) })) },
    { id: 'what', title: t('sent.what'), draw: (each) => [t(`by.${each.by}`), each.queue].filter(Boolean).join(' · ') },
    { id: 'to', title: t('sent.to'), draw: (each) => each.addresses.join(', ') },
    { id: 'next', title: t('sent.next'), draw: (each) => brief(each.next_at), sort: (each) => each.next_at },
    { id: 'last', title: t('sent.last'), draw: (each) => (each.sent_at ? brief(each.sent_at) : t('sent.never')), sort: (each) => each.sent_at },
    { id: 'drop', title: t('sent.drop'), draw: (each) => html`<${Button} small data-do="drop-schedule" onClick=${() => drop(each)}>${t('sent.drop')}<//>` },
  ];
  return html`
    <${Card} title=${t('sent')} data-part="schedules" actions=${html`<${Button} data-do="new-schedule" onClick=${() => setOpen(true)}>${t('sent.new')}<//>`}>
      <p class="fine">${t('sent.about')}</p>
      ${!found.can_send && html`<${Notice} tone="warn">${t('sent.no_mail')}<//>`}
      <${Table} caption=${t('sent.table')} columns=${columns} rows=${found.schedules} id=${(each) => each.schedule_id} empty=${t('sent.none')} />
      ${open && html`<${Schedule} zone=${found.zone} onClose=${() => setOpen(false)} onMade=${() => { setOpen(false); again(); }} />`}
    <//>
  `;
}
