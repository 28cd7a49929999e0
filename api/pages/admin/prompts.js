/** What callers hear: sentences by language and music; heard, recorded here or elsewhere, spoken by the server, and where each is used. */
import { useEffect, useRef, useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { ask, explain, html, Refusal, say, session, t } from '../kit/page.js';
import { Badge, Button, Card, Choice, Confirm, Dialog, Notice } from '../kit/parts.js';
import { FormFault, Listing, Loaded, TextField, quietly, useAsked, useForm } from './shared.js';
import { base64, decoded, play, record, stopPlaying } from './sound_file.js';

const MUSIC = 'music';
/** Sentences that stand in a flow have no name but one made of their words. */
const UNNAMED = 'text-';
/** Refusals whose own words say more. */
const SAID = new Set(['bad_sound', 'no_speech', 'sound_used']);
const TONES = { recorded: 'good', spoken: 'neutral', missing: 'warn' };
const path = (language, name) => `/api/v1/centre/sounds/${language}/${encodeURIComponent(name)}`;
const called = (language) => (language === MUSIC ? t('prompts.music') : headed(new Intl.DisplayNames(formats.notation(), { type: 'language' }).of(language)));
/** As a heading begins. */
const headed = (words) => words.charAt(0).toLocaleUpperCase(formats.notation()) + words.slice(1);

/** A WAV file from the server. Raises `Refusal`. */
async function fetched(method, address, body) {
  let answer;
  try {
    answer = await fetch(address, { method, headers: { authorization: `Bearer ${session.peek().token}`, ...(body && { 'content-type': 'application/json' }) }, body: body && JSON.stringify(body) });
  } catch {
    throw new Refusal({ code: 'server_unreachable' });
  }
  if (!answer.ok) throw new Refusal((await answer.json().catch(() => ({}))).error ?? { code: 'unknown' });
  return new Uint8Array(await answer.arrayBuffer());
}

/** Plays what `get()` fetches; once more: silence. */
function Play({ get, label }) {
  const [state, setState] = useState('quiet');
  useEffect(() => stopPlaying, []);
  const turn = async () => {
    if (state !== 'quiet') return stopPlaying();
    setState('loading');
    await quietly(async () => {
      const sound = await get();
      setState('playing');
      await play(sound, () => setState('quiet'));
    });
    setState((now) => (now === 'loading' ? 'quiet' : now));
  };
  return html`<${Button} small data-do="play" aria-label=${label} busy=${state === 'loading'} onClick=${turn}>${t(state === 'playing' ? 'prompts.stop' : 'prompts.play')}<//>`;
}

const Source = ({ of }) => html`<${Badge} tone=${TONES[of.source]}>${t(`prompts.is.${of.source}`)}<//>${of.seconds ? html` <span class="fine">${formats.length(of.seconds)}</span>` : ''}`;

/** How long it records by now. */
function Elapsed() {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds((now) => now + 1), 1_000);
    return () => clearInterval(timer);
  }, []);
  return html`<span role="timer" aria-live="off" data-seconds=${seconds}>${formats.length(seconds)}</span>`;
}

/** One language of a sound: hear it, and put another recording in its place. */
function Voice({ row, language, onChange }) {
  const of = row.languages[language] ?? { source: 'missing', text: '' };
  const form = useForm({ text: of.text });
  const file = useRef();
  const [wrong, setWrong] = useState(null);
  const [kept, setKept] = useState(null);
  const [recording, setRecording] = useState(null);
  const [erasing, setErasing] = useState(false);
  const what = `${row.name}, ${called(language)}`;
  const tried = async (work) => {
    setWrong(null);
    setKept(null);
    try {
      await work();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      setWrong(refusal);
    }
  };
  const keep = async (bytes) => {
    setKept(await ask('PUT', path(language, row.name), { sound: base64(bytes) }));
    say(t('prompts.kept', { what }));
    onChange();
  };
  const upload = (event) => {
    const [file] = event.currentTarget.files;
    event.currentTarget.value = '';
    if (file) tried(async () => keep(await decoded(file)));
  };
  const turn = () =>
    tried(async () => {
      if (!recording) return setRecording(await record());
      setRecording(null);
      await keep(await decoded(await recording.stop()));
    });
  useEffect(() => () => recording?.stop(), [recording]);
  const spoken = () => fetched('POST', '/api/v1/centre/sounds/speech', { language, text: form.values.text });
  const speak = form.submit(async () => keep(await spoken()));
  const erase = async () => {
    await tried(async () => {
      await ask('DELETE', path(language, row.name));
      say(t('prompts.removed', { what }));
      onChange();
    });
  };
  return html`
    <${Card} title=${called(language)} data-part=${`voice-${language}`} actions=${html`<${Source} of=${of} />`}>
      <div role="alert">${wrong && html`<${Notice} tone="bad">${explain(wrong)}${SAID.has(wrong.code) && html` <span class="fine" lang="en">${wrong.message}</span>`}<//>`}</div>
      ${kept && html`<${Notice} tone=${kept.clipped ? 'warn' : 'good'}>${t(kept.clipped ? 'prompts.clipped' : 'prompts.fine', { seconds: formats.number(kept.seconds, 1), level: formats.number(kept.level_dbfs) })}<//>`}
      <div class="acts">
        ${of.source !== 'missing' && html`<${Play} label=${t('prompts.play_what', { what })} get=${() => fetched('GET', path(language, row.name))} />`}
        <${Button} small data-do="record" pressed=${Boolean(recording)} onClick=${turn}>${t(recording ? 'prompts.record.stop' : 'prompts.record')}<//>
        ${recording && html`<${Elapsed} />`}
        <${Button} small onClick=${() => file.current.click()}>${t('prompts.upload')}<//>
        <input ref=${file} hidden type="file" accept="audio/*" data-do="upload" onChange=${upload} />
        ${of.source === 'recorded' && html`<${Button} small kind="bad" data-do="remove" onClick=${() => setErasing(true)}>${t('prompts.remove')}<//>`}
      </div>
      ${
        language !== MUSIC &&
        html`
          <form class="kit-form" onSubmit=${speak}>
            <${FormFault} form=${form} />
            <${TextField} form=${form} name="text" area rows="2" label=${t('prompts.words')} hint=${t('prompts.words.hint')} required maxlength="2000" lang=${language} />
            <div class="acts"><${Play} label=${t('prompts.try')} get=${spoken} /><${Button} small type="submit" data-do="speak" busy=${form.busy}>${t('prompts.speak')}<//></div>
          </form>
        `
      }
      ${erasing && html`<${Confirm} title=${t('prompts.remove')} say=${t('prompts.remove.sure', { what })} doing=${t('prompts.remove')} onYes=${erase} onClose=${() => setErasing(false)} />`}
    <//>
  `;
}

/** `flow main` as a link to where it is changed. */
const Use = ({ use }) =>
  use.kind === 'flow' ? html`<a href=${`#flows/flows/${use.name}`}>${use.name}</a>` : use.kind === 'queue' ? html`<a href="#queues">${use.name}</a>` : html`<code>${use.name}</code>`;
const Uses = ({ uses }) => (uses.length ? uses.map((use, at) => html`${at > 0 && ', '}<${Use} use=${use} />`) : '–');

function Sound({ row, languages, onChange, onClose }) {
  return html`
    <${Dialog} title=${row.name.startsWith(UNNAMED) ? wordsOf(row) || row.name : row.name} onClose=${onClose} data-part="sound">
      <p>${t('prompts.used')}: <${Uses} uses=${row.used_by} /></p>
      ${languages.map((language) => html`<${Voice} key=${language} row=${row} language=${language} onChange=${onChange} />`)}
    <//>
  `;
}

function New({ rows, onMake, onClose }) {
  const form = useForm({ name: '', kind: 'sentence' });
  const make = async ({ name, kind }) => onMake(name.trim(), kind === MUSIC ? [MUSIC] : null);
  return html`
    <${Dialog} title=${t('prompts.new')} onClose=${onClose} data-part="new-sound">
      <form class="kit-form" onSubmit=${form.submit(make)}>
        <${TextField} form=${form} name="name" label=${t('prompts.name')} hint=${t('prompts.name.hint')} required maxlength="64" pattern="[a-z0-9\\-]+" autocapitalize="none" spellcheck=${false} />
        <${Choice} label=${t('prompts.kind')} value=${form.values.kind} options=${[['sentence', t('prompts.sentence')], [MUSIC, t('prompts.music')]]} onChange=${(kind) => form.set('kind', kind)} />
        ${rows.some((row) => row.name === form.values.name.trim()) && html`<${Notice} tone="warn">${t('prompts.there')}<//>`}
        <div class="acts end"><${Button} onClick=${onClose}>${t('kit.cancel')}<//><${Button} kind="primary" type="submit" data-do="make">${t('prompts.go_on')}<//></div>
      </form>
    <//>
  `;
}

/** What it says, in the language of the page where it can. */
const wordsOf = (row) => row.languages[document.documentElement.lang]?.text || Object.values(row.languages).map((one) => one.text).find(Boolean) || '';

export default function Prompts() {
  const asked = useAsked('/api/v1/centre/sounds');
  const [open, setOpen] = useState(null);
  const [making, setMaking] = useState(false);
  const columns = (languages) => [
    { id: 'name', title: t('prompts.name'), draw: (row) => html`<strong>${wordsOf(row) || row.name}</strong><br />${!row.name.startsWith(UNNAMED) && wordsOf(row) && html`<code class="fine">${row.name}</code> `}${row.own ? '' : html`<${Badge}>${t(row.languages[MUSIC] ? 'prompts.music' : 'prompts.yours')}<//>`}`, sort: (row) => row.name },
    ...languages.map((language) => ({ id: language, title: called(language), draw: (row) => html`<${Source} of=${row.languages[language] ?? row.languages[MUSIC] ?? { source: 'missing' }} />`, sort: (row) => row.languages[language]?.source ?? '' })),
    { id: 'used', title: t('prompts.used'), draw: (row) => html`<${Uses} uses=${row.used_by} />`, sort: (row) => -row.used_by.length },
    { id: 'do', title: t('do'), draw: (row) => html`<${Button} small onClick=${() => setOpen({ name: row.name, languages: null })}>${t('prompts.open')}<//>` },
  ];
  return html`
    <${Loaded} asked=${asked}>${({ sounds, languages }) => {
      const found = open && sounds.find((row) => row.name === open.name && (!open.languages || row.languages[MUSIC]));
      const row = open && (found ?? { name: open.name, languages: {}, used_by: [] });
      return html`
        <${Card} title=${t('prompts.title')} actions=${html`<${Button} kind="primary" data-do="new-sound" onClick=${() => setMaking(true)}>${t('prompts.new')}<//>`}>
          <p>${t('prompts.about')}</p>
          <${Listing} caption=${t('prompts.title')} columns=${columns(languages)} rows=${sounds} sorted=${{ id: 'used', way: 'ascending' }} id=${(each) => `${each.name}${each.languages[MUSIC] ? '-music' : ''}`} words=${(each) => [each.name, ...Object.values(each.languages).map((one) => one.text), ...each.used_by.map((use) => use.name)]} onOpen=${(each) => setOpen({ name: each.name, languages: each.languages[MUSIC] ? [MUSIC] : null })} empty=${[t('prompts.none'), '']} />
        <//>
        ${making && html`<${New} rows=${sounds} onMake=${(name, kinds) => (setMaking(false), setOpen({ name, languages: kinds }))} onClose=${() => setMaking(false)} />`}
        ${open && html`<${Sound} key=${open.name} row=${row} languages=${open.languages ?? (row.languages[MUSIC] ? [MUSIC] : languages)} onChange=${asked.again} onClose=${() => setOpen(null)} />`}
      `;
    }}<//>
  `;
}
