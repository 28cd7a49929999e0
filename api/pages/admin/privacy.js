/** A person's own data: handed to them, held, or forgotten with a proof; and what is kept of people at all. */
import { useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, has, html, say, t } from '../kit/page.js';
import { Badge, Button, Card, Confirm, Notice } from '../kit/parts.js';
import { Facts, FormFault, Listing, Loaded, saved, TextField, useAsked, useForm, worded } from './shared.js';

const several = (text) => text.split(/[,;\n]+/).map((each) => each.trim()).filter(Boolean);
const whoIn = ({ contact_id: contactId, numbers, emails, reason }) => ({ reason: reason.trim(), contact_id: contactId.trim(), numbers: several(numbers), emails: several(emails) });

function Proof({ proof }) {
  const rows = Object.entries(proof.rows).filter(([, count]) => count);
  return html`
    <div class="admin-result" data-part="proof">
      <${Notice} tone="good">${t('privacy.forgotten', { when: formats.moment(proof.at) })}<//>
      <${Facts} rows=${[
        [t('privacy.pseudonym'), html`<code>${proof.person}</code>`],
        [t('privacy.keys'), formats.number(proof.keys)],
        [t('privacy.rows'), rows.map(([table, count]) => `${table}: ${formats.number(count)}`).join(', ') || formats.number(0)],
        [t('privacy.recordings'), formats.number(proof.recordings)],
        [t('privacy.messages'), formats.number(proof.messages)],
        [t('privacy.stays'), proof.stays.map((each) => (typeof each === 'string' ? each : Object.values(each).join(' '))).join('; ')],
      ]} />
      <div class="acts"><${Button} data-do="proof" onClick=${() => saved('erasure-proof.json', JSON.stringify(proof, null, 2), 'application/json')}>${t('privacy.proof')}<//></div>
    </div>
  `;
}

function Person({ onHeld }) {
  const form = useForm({ contact_id: '', numbers: '', emails: '', reason: '' });
  const [asking, setAsking] = useState(null);
  const [copy, setCopy] = useState(null);
  const [proof, setProof] = useState(null);
  const clear = () => {
    setCopy(null);
    setProof(null);
  };
  const copyThem = async (values) => {
    clear();
    setCopy(await ask('POST', '/api/v1/privacy/copies', whoIn(values)));
    say(t('privacy.copied'));
  };
  const hold = async (values) => {
    clear();
    await ask('POST', '/api/v1/privacy/holds', whoIn(values));
    say(t('privacy.held'));
    onHeld();
  };
  const act = (event) => {
    const wanted = event.submitter?.value ?? 'copy';
    if (wanted !== 'forget') return form.submit(wanted === 'hold' ? hold : copyThem)(event);
    event.preventDefault();
    return setAsking(form.values);
  };
  const forget = async () => {
    clear();
    setProof(await ask('POST', '/api/v1/privacy/erasures', whoIn(asking)));
    say(t('privacy.done'));
  };
  return html`
    <${Card} title=${t('privacy.person')}>
      <p>${t('privacy.person.about')}</p>
      <form class="kit-form two" onSubmit=${act} data-part="person">
        <${TextField} form=${form} name="contact_id" label=${t('privacy.contact')} maxlength="64" autocapitalize="none" spellcheck=${false} />
        <${TextField} form=${form} name="numbers" label=${t('privacy.numbers')} hint=${t('privacy.several')} dir="ltr" />
        <${TextField} form=${form} name="emails" label=${t('privacy.emails')} hint=${t('privacy.several')} dir="ltr" autocapitalize="none" />
        <${TextField} form=${form} name="reason" label=${t('privacy.reason')} hint=${t('privacy.reason.hint')} required minlength="3" maxlength="200" />
        <div class="acts">
          <${Button} kind="primary" type="submit" value="copy" data-do="copy" busy=${form.busy}>${t('privacy.copy')}<//>
          <${Button} type="submit" value="hold" data-do="hold" disabled=${form.busy}>${t('privacy.hold')}<//>
          <${Button} kind="bad" type="submit" value="forget" data-do="forget" disabled=${form.busy}>${t('privacy.forget')}<//>
        </div>
        <${FormFault} form=${form} />
      </form>
      <div aria-live="polite">
        ${
          copy &&
          html`<div class="admin-result" data-part="copy">
            <${Notice} tone="good">${t('privacy.copy.ready', { count: copy.kept.length })}<//>
            <div class="acts"><${Button} kind="primary" data-do="download" onClick=${() => saved('personal-data.json', JSON.stringify(copy, null, 2), 'application/json')}>${t('privacy.download')}<//></div>
          </div>`
        }
        ${proof && html`<${Proof} proof=${proof} />`}
      </div>
      ${asking && html`<${Confirm} title=${t('privacy.forget')} say=${t('privacy.forget.say', { who: [asking.contact_id, asking.numbers, asking.emails].filter(Boolean).join(', ') })} doing=${t('privacy.forget')} onYes=${forget} onClose=${() => setAsking(null)} />`}
    <//>
  `;
}

function Holds({ asked }) {
  const [asking, setAsking] = useState(null);
  const columns = [
    { id: 'reason', title: t('privacy.reason'), draw: (hold) => html`<strong>${hold.reason}</strong>`, sort: (hold) => hold.reason },
    { id: 'placed', title: t('privacy.placed'), draw: (hold) => html`${formats.date(hold.placed_at)}<br /><span class="fine">${hold.placed_by}</span>`, sort: (hold) => hold.placed_at },
    { id: 'state', title: t('state'), draw: (hold) => (hold.lifted_at ? html`<${Badge}>${t('privacy.lifted', { when: formats.date(hold.lifted_at), who: hold.lifted_by })}<//>` : html`<${Badge} tone="warn">${t('privacy.in_force')}<//>`), sort: (hold) => hold.lifted_at ?? 0 },
    { id: 'do', title: t('do'), draw: (hold) => !hold.lifted_at && html`<${Button} kind="bad" small data-do="lift" onClick=${() => setAsking(hold)}>${t('privacy.lift')}<//>` },
  ];
  const lift = async () => {
    await ask('DELETE', `/api/v1/privacy/holds/${encodeURIComponent(asking.hold_id)}`);
    say(t('privacy.is_lifted'));
    asked.again();
  };
  return html`
    <${Card} title=${t('privacy.holds')}>
      <p>${t('privacy.holds.about')}</p>
      <${Loaded} asked=${asked}>${({ holds }) => html`<${Listing} caption=${t('privacy.holds')} columns=${columns} rows=${holds} id=${(hold) => hold.hold_id} words=${(hold) => [hold.reason, hold.placed_by]} empty=${[t('privacy.holds.none'), t('privacy.holds.none.do')]} />`}<//>
      ${asking && html`<${Confirm} title=${t('privacy.lift')} say=${t('privacy.lift.say', { reason: asking.reason })} doing=${t('privacy.lift')} onYes=${lift} onClose=${() => setAsking(null)} />`}
    <//>
  `;
}

function Record() {
  const asked = useAsked('/api/v1/privacy/record');
  const columns = [
    { id: 'table', title: t('privacy.table'), draw: (one) => html`<code>${one.table}</code>`, sort: (one) => one.table },
    { id: 'class', title: t('retention.class'), draw: (one) => worded('class', one.data_class, has), sort: (one) => one.data_class },
    { id: 'purpose', title: t('privacy.purpose'), draw: (one) => one.purpose, sort: (one) => one.purpose },
    { id: 'sealed', title: t('privacy.sealed'), draw: (one) => one.sealed.join(', ') || '–' },
    { id: 'found', title: t('privacy.found_by'), draw: (one) => one.found_by.join(', ') || '–' },
  ];
  return html`<${Loaded} asked=${asked}>${({ tables }) => html`<${Listing} caption=${t('privacy.record')} columns=${columns} rows=${tables} id=${(one) => one.table} words=${(one) => [one.table, one.purpose, ...one.sealed]} empty=${[t('kit.nothing'), '']} />`}<//>`;
}

export default function Privacy() {
  const holds = useAsked('/api/v1/privacy/holds');
  const [open, setOpen] = useState(false);
  return html`
    <${Person} onHeld=${holds.again} />
    <${Holds} asked=${holds} />
    <${Card} title=${t('privacy.record')} actions=${html`<${Button} small pressed=${open} onClick=${() => setOpen(!open)}>${t('privacy.record.show')}<//>`}>
      <p>${t('privacy.record.about')}</p>
      ${open && html`<${Record} />`}
    <//>
  `;
}
