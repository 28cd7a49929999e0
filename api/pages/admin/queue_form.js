/** A queue's common settings in fields, with the plan's text that they become beside them. What is wrong stands at its field. */
import { useState } from 'preact/hooks';
import { ask, explain, has, html, Refusal, say, t } from '../kit/page.js';
import { Button, Choice, Confirm, Dialog, Field, Notice, Switch } from '../kit/parts.js';
import { Loaded, worded } from './shared.js';
import { keyAt, partOf, valuesOf, withValues, without } from './toml_table.js';

const STRATEGIES = ['longest_idle', 'fewest_calls', 'skill_first', 'ring_all'];
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
/** `[key, what it is when nobody says, least, most]`. */
const NUMBERS = [
  ['priority', 0, -100, 100],
  ['ring_s', 20, 3, 180],
  ['max_waiting', 100, 1, 10_000],
  ['max_wait_s', 0, 0, 86_400],
  ['service_level_s', 20, 1, 86_400],
  ['sticky_s', 0, 0, 3_600],
  ['wrap_up_s', 0, 0, 3_600],
  ['announce_every_s', 30, 0, 3_600],
  ['call_back_after_s', 0, 0, 86_400],
];
const FLAGS = [
  ['announce_position', true],
  ['announce_wait', true],
  ['wait_without_agents', false],
  ['wrap_up_required', false],
];
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** What the fields say of the text. */
function fieldsOf(text, name) {
  const values = valuesOf(text, name) ?? {};
  const titles = valuesOf(text, `${name}.titles`) ?? values.titles ?? {};
  return {
    en: titles.en ?? '',
    es: titles.es ?? '',
    strategy: values.strategy ?? STRATEGIES[0],
    music: values.music ?? '',
    wrap_up_codes: (values.wrap_up_codes ?? []).join(', '),
    ...Object.fromEntries(NUMBERS.map(([key]) => [key, values[key] === undefined ? '' : String(values[key])])),
    ...Object.fromEntries(FLAGS.map(([key, usual]) => [key, values[key] ?? usual])),
  };
}

/** The text as the fields want it: only what was changed in them is touched. */
function textOf(text, name, before, now) {
  const changed = (key) => before === null || before[key] !== now[key];
  const values = {};
  if (changed('strategy') && (before || now.strategy !== STRATEGIES[0])) values.strategy = now.strategy;
  if (changed('music')) values.music = now.music.trim() || undefined;
  if (changed('wrap_up_codes')) values.wrap_up_codes = words(now.wrap_up_codes).length ? words(now.wrap_up_codes) : undefined;
  for (const [key] of NUMBERS) if (changed(key)) values[key] = now[key] === '' ? undefined : Number(now[key]);
  for (const [key, usual] of FLAGS) if (changed(key) && (before || now[key] !== usual)) values[key] = now[key];
  const titles = Object.fromEntries(['en', 'es'].filter((language) => now[language].trim()).map((language) => [language, now[language].trim()]));
  const retitled = changed('en') || changed('es');
  const ofTable = valuesOf(text, `${name}.titles`) !== null;
  if (retitled && !ofTable) values.titles = Object.keys(titles).length ? titles : undefined;
  const done = withValues(text, name, values);
  return retitled && ofTable ? withValues(done, `${name}.titles`, { en: titles.en, es: titles.es }) : done;
}

/** What is wrong with the plan then, by field; what is of none of them under the empty name. */
async function faultsOf(text) {
  const { faults } = await ask('POST', '/api/v1/centre/check', { documents: { queues: text } });
  const wrong = {};
  for (const fault of faults) {
    const key = fault.document === 'queues' ? keyAt(text, fault.line) : undefined;
    const at = key && (key === 'titles' ? 'en' : key);
    wrong[at && !(at in wrong) ? at : ''] = [wrong[at ?? ''], fault.message].filter(Boolean).join(' ');
  }
  return wrong;
}

function Form({ name: known, document, onDone, onClose }) {
  const { text, version } = document;
  const [name, setName] = useState(known);
  const before = known ? fieldsOf(text, known) : null;
  const [now, setNow] = useState(() => before ?? fieldsOf('', ''));
  const [wrong, setWrong] = useState({});
  const [busy, setBusy] = useState(false);
  const [erasing, setErasing] = useState(false);
  const set = (key, value) => {
    setNow((former) => ({ ...former, [key]: value }));
    setWrong((former) => ({ ...former, [key]: undefined }));
  };
  const wanted = NAME.test(name) ? textOf(text, name, before, now) : text;
  const put = async (next, told) => {
    setBusy(true);
    try {
      const faults = await faultsOf(next);
      setWrong(faults);
      const [first] = Object.keys(faults);
      if (first !== undefined) return window.document.querySelector(`[data-part=queue] [name=${first || 'none'}]`)?.focus();
      await ask('PUT', '/api/v1/centre/documents/queues', { text: next, based_on: version });
      say(told);
      onDone();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      setWrong({ '': explain(refusal) });
    } finally {
      setBusy(false);
    }
  };
  const save = (event) => {
    event.preventDefault();
    if (!NAME.test(name) || (!known && valuesOf(text, name))) return setWrong({ name: t(NAME.test(name) ? 'queue.there' : 'queue.name.hint') });
    return put(wanted, t('queue.saved', { name }));
  };
  const field = (key, more = {}) => html`<${Field} label=${t(`queue.${key}`)} hint=${has(`queue.${key}.hint`) ? t(`queue.${key}.hint`) : ''} error=${wrong[key]}><input name=${key} value=${now[key]} onInput=${(event) => set(key, event.currentTarget.value)} ...${more} /><//>`;
  return html`
    <form class="queue-form" onSubmit=${save} noValidate>
      <div role="alert">${wrong[''] && html`<${Notice} tone="bad">${wrong['']}<//>`}</div>
      <div class="queue-fields kit-form two">
        ${!known && html`<${Field} label=${t('queue.name')} hint=${t('queue.name.hint')} error=${wrong.name}><input name="name" value=${name} required maxlength="64" autocapitalize="none" spellcheck=${false} onInput=${(event) => (setName(event.currentTarget.value.trim()), setWrong({}))} /><//>`}
        ${field('en', { maxlength: 100, lang: 'en' })}
        ${field('es', { maxlength: 100, lang: 'es' })}
        <${Choice} label=${t('queues.strategy')} value=${now.strategy} options=${STRATEGIES.map((each) => [each, worded('strategy', each, has)])} onChange=${(value) => set('strategy', value)} />
        ${NUMBERS.map(([key, usual, least, most]) => field(key, { key, type: 'number', min: least, max: most, step: 1, placeholder: String(usual) }))}
        ${field('wrap_up_codes', { autocapitalize: 'none', spellcheck: false })}
        ${field('music', { maxlength: 64, autocapitalize: 'none', spellcheck: false })}
        ${FLAGS.map(([key]) => html`<div key=${key} data-switch=${key}><${Switch} label=${t(`queue.${key}`)} on=${now[key]} onChange=${(on) => set(key, on)} />${wrong[key] && html`<p class="notice bad">${wrong[key]}</p>`}</div>`)}
      </div>
      <details class="queue-text" open=${innerWidth > 900}>
        <summary>${t('queue.text')}</summary>
        <pre tabindex="0" data-part="queue-text" dir="ltr">${NAME.test(name) ? partOf(wanted, name) : ''}</pre>
        <p class="fine">${t('queue.text.more')} <a href="#flows/queues">${t('plan.edit')}</a></p>
      </details>
      <div class="acts end">
        ${known && html`<${Button} kind="bad" data-do="remove-queue" onClick=${() => setErasing(true)}>${t('queue.remove')}<//>`}
        <${Button} onClick=${onClose}>${t('kit.cancel')}<//>
        <${Button} kind="primary" type="submit" data-do="save" busy=${busy}>${t('save')}<//>
      </div>
    </form>
    ${erasing && html`<${Confirm} title=${t('queue.remove')} say=${t('queue.remove.sure', { name: known })} doing=${t('queue.remove')} onYes=${() => put(without(text, known), t('queue.removed', { name: known }))} onClose=${() => setErasing(false)} />`}
  `;
}

/** `name` empty: a new one. `asked`: the document of queues, with the version that it is of. */
export const QueueDialog = ({ name, asked, onDone, onClose }) => html`
  <${Dialog} title=${name || t('queue.new')} onClose=${onClose} data-part="queue" wide>
    <${Loaded} asked=${asked}>${(plan) => html`<${Form} name=${name} document=${{ text: plan.documents.queues ?? '', version: plan.version }} onDone=${onDone} onClose=${onClose} />`}<//>
  <//>
`;
