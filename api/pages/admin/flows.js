/** The contact centre's plan: its documents as text and as a picture, tried before it is put in force, with all its versions. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import * as formats from '../kit/formats.js';
import { alarm, ask, explain, html, Refusal, say, t } from '../kit/page.js';
import { Badge, Button, Card, Choice, Confirm, Dialog, Empty, Notice, Tabs } from '../kit/parts.js';
import { turns } from '../kit/turns.js';
import { Picture } from './flow_picture.js';
import { factsIn } from './rules.js';
import { FormFault, Listing, Loaded, TextField, useAsked, useForm, usePages } from './shared.js';

const WAIT_MS = 350;
const NEW_FLOW = `languages = ["en", "es"]
start = "hello"

[steps.hello]
kind = "say"
say = { en = "Welcome.", es = "Bienvenido." }
next = "bye"

[steps.bye]
kind = "hang_up"
`;
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const isFlow = (name) => name.startsWith('flows/');
const titleOf = (name) => (isFlow(name) ? t('flows.flow', { name: name.slice(6) }) : t(`document.${name}`));
const SINGLE = ['numbers', 'queues', 'calendars', 'boxes', 'webhooks', 'breaks', 'rules'];

/** A text with numbered lines; those that are wrong are marked. `jump`: `{line}` to be gone to. */
function Editor({ name, text, faults, onText, jump }) {
  const field = useRef();
  const gutter = useRef();
  const lines = text.split('\n');
  const bad = new Set(faults.map((fault) => fault.line));
  useEffect(() => {
    if (!jump?.line) return;
    const at = lines.slice(0, jump.line - 1).join('\n').length + (jump.line > 1 ? 1 : 0);
    const height = parseFloat(getComputedStyle(field.current).lineHeight);
    field.current.focus();
    field.current.setSelectionRange(at, at + (lines[jump.line - 1]?.length ?? 0));
    field.current.scrollTop = Math.max(0, (jump.line - 4) * height);
  }, [jump]);
  const follow = () => (gutter.current.scrollTop = field.current.scrollTop);
  return html`
    <div class="editor">
      <pre ref=${gutter} class="editor-lines" aria-hidden="true">${lines.map((_, at) => html`<span key=${at} class=${bad.has(at + 1) ? 'bad' : null}>${`${at + 1}\n`}</span>`)}</pre>
      <textarea ref=${field} name="document" aria-label=${titleOf(name)} aria-invalid=${faults.length ? 'true' : null} aria-describedby=${faults.length ? 'plan-faults' : null} wrap="off" spellcheck=${false} autocapitalize="none" dir="ltr" value=${text}
        onScroll=${follow} onInput=${(event) => onText(event.currentTarget.value)}></textarea>
    </div>
  `;
}

function Faults({ faults, name, onGo }) {
  return html`
    <div role="status" id="plan-faults" data-part="faults" data-count=${faults.length}>
      ${faults.length > 0 && html`<${Notice} tone="bad"><ul class="admin-plain">${faults.map((fault, at) => html`<li key=${at}><button type="button" class="flow-name" onClick=${() => onGo(fault)}>${fault.document === name ? '' : `${fault.document} `}${fault.line ? t('flows.line', { line: fault.line }) : ''}</button> ${fault.message}</li>`)}</ul><//>`}
    </div>
  `;
}

/** The plan with these changes, looked at a moment after the last keystroke: `{picture, faults, looking}`. */
function useLook(changes, version) {
  const [state, setState] = useState({ picture: null, faults: [], looking: true });
  const turn = useMemo(turns, []);
  useEffect(() => {
    const isLast = turn();
    setState((before) => ({ ...before, looking: true }));
    const timer = setTimeout(
      async () => {
        try {
          const picture = await ask('POST', '/api/v1/centre/picture', { documents: changes });
          if (isLast()) setState({ picture, faults: [], looking: false });
        } catch (refusal) {
          if (!(refusal instanceof Refusal)) throw refusal;
          const faults = refusal.answer?.errors ?? [{ document: '', line: 0, message: explain(refusal) }];
          if (isLast()) setState((before) => ({ ...before, faults, looking: false }));
        }
      },
      Object.keys(changes).length ? WAIT_MS : 0,
    );
    return () => clearTimeout(timer);
  }, [changes, version]);
  return state;
}

function Trial({ changes }) {
  const form = useForm({ called: '', caller: '', at: '', presses: '', outcome: '', facts: '' });
  const [way, setWay] = useState(null);
  const run = async ({ called, caller, at, presses, outcome, facts }) => {
    const call = {
      called: called.trim(),
      caller: caller.trim(),
      ...(at && { at: new Date(at).getTime() / 1000 }),
      presses: presses.split(/[\s,]+/).filter(Boolean),
      outcomes: Object.fromEntries(outcome.split(/[\s,]+/).filter(Boolean).map((each) => each.split('='))),
      facts: factsIn(facts),
    };
    setWay(await ask('POST', '/api/v1/centre/try', { call, documents: changes }));
  };
  return html`
    <form class="kit-form two" onSubmit=${form.submit(run)} data-part="trial">
      <${TextField} form=${form} name="called" label=${t('flows.called')} type="tel" dir="ltr" required maxlength="128" />
      <${TextField} form=${form} name="caller" label=${t('flows.caller')} hint=${t('flows.caller.hint')} type="tel" dir="ltr" maxlength="128" />
      <${TextField} form=${form} name="at" label=${t('flows.at')} hint=${t('flows.at.hint')} type="datetime-local" />
      <${TextField} form=${form} name="presses" label=${t('flows.presses')} hint=${t('flows.presses.hint')} dir="ltr" />
      <${TextField} form=${form} name="outcome" label=${t('flows.outcome')} hint=${t('flows.outcome.hint')} dir="ltr" autocapitalize="none" />
      <${TextField} form=${form} name="facts" label=${t('flows.facts')} hint=${t('flows.facts.hint')} area rows="2" dir="ltr" spellcheck=${false} />
      <div class="acts"><${Button} kind="primary" type="submit" data-do="run" busy=${form.busy}>${t('flows.run')}<//></div>
      <${FormFault} form=${form} />
    </form>
    <div aria-live="polite">${
      way &&
      html`<div class="admin-result" data-part="way">
        <p>${way.refused ? html`<${Badge} tone="bad">${t('numbers.refused')}<//> ${way.refused}` : way.flow ? html`<${Badge} tone="good">${titleOf(`flows/${way.flow}`)}<//> ${way.entry}` : html`<${Badge} tone="warn">${t('numbers.everybody')}<//>`}</p>
        <ol class="flow-lines">${way.lines.map((line, at) => html`<li key=${at}>${line}</li>`)}</ol>
      </div>`
    }</div>
  `;
}

/** Which documents say something else, and what. */
function Differences({ before, after, names }) {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name]).sort();
  if (!changed.length) return html`<p class="fine">${t('flows.same')}</p>`;
  const marked = (text, other) => {
    const theirs = new Set((other ?? '').split('\n'));
    return (text ?? '').split('\n').map((line, at) => html`<span key=${at} class=${theirs.has(line) ? null : 'other'}>${`${line}\n`}</span>`);
  };
  return changed.map(
    (name) => html`
      <details key=${name} open=${changed.length < 3}>
        <summary>${titleOf(name)}</summary>
        <div class="kit-columns">
          <div><h4>${names[0]}</h4><pre class="admin-code diff">${before[name] === undefined ? t('flows.absent') : marked(before[name], after[name])}</pre></div>
          <div><h4>${names[1]}</h4><pre class="admin-code diff">${after[name] === undefined ? t('flows.absent') : marked(after[name], before[name])}</pre></div>
        </div>
      </details>
    `,
  );
}

/** Somebody else changed the plan meanwhile: what they wrote beside what I did. */
function Conflict({ now, mine, onMine, onTheirs, onClose }) {
  const names = Object.keys(mine);
  const only = (documents) => Object.fromEntries(names.filter((name) => documents[name] !== undefined && documents[name] !== null).map((name) => [name, documents[name]]));
  return html`
    <${Dialog} title=${t('flows.conflict')} onClose=${onClose} data-part="conflict">
      <${Notice} tone="warn">${t('flows.conflict.say', { version: now.version })}<//>
      <${Differences} before=${only(now.documents)} after=${only(mine)} names=${[t('flows.theirs'), t('flows.mine')]} />
      <div class="acts end"><${Button} data-do="theirs" onClick=${onTheirs}>${t('flows.take_theirs')}<//><${Button} kind="primary" data-do="mine" onClick=${onMine}>${t('flows.keep_mine')}<//></div>
    <//>
  `;
}

function Versions({ plan, onRestored }) {
  const pages = usePages(async (cursor) => {
    const { versions, next } = await ask('GET', `/api/v1/centre/versions?limit=30${cursor ? `&cursor=${cursor}` : ''}`);
    return [versions, next];
  }, plan.version);
  const [open, setOpen] = useState(null);
  const columns = [
    { id: 'version', title: t('flows.version'), draw: (each) => html`<strong>${each.version}</strong> ${each.version === plan.version && html`<${Badge} tone="good">${t('flows.in_force')}<//>`}`, sort: (each) => each.version },
    { id: 'at', title: t('when'), draw: (each) => formats.moment(each.at), sort: (each) => each.at },
    { id: 'by', title: t('flows.by'), draw: (each) => each.by, sort: (each) => each.by },
    { id: 'comment', title: t('flows.comment'), draw: (each) => each.comment || '–' },
  ];
  return html`
    <${Loaded} asked=${{ data: pages.rows, wrong: pages.wrong, again: pages.again }}>${(rows) => html`<${Listing} caption=${t('flows.versions')} columns=${columns} rows=${rows} id=${(each) => String(each.version)} words=${(each) => [String(each.version), each.by, each.comment]} empty=${[t('flows.versions.none'), t('flows.versions.none.do')]} cursor=${pages.cursor} onMore=${pages.more} onOpen=${setOpen} />`}<//>
    ${open && html`<${Version} version=${open} plan=${plan} onRestored=${onRestored} onClose=${() => setOpen(null)} />`}
  `;
}

function Version({ version, plan, onRestored, onClose }) {
  const asked = useAsked(`/api/v1/centre/versions/${version.version}`);
  const [asking, setAsking] = useState(false);
  const restore = async () => {
    const made = await ask('POST', `/api/v1/centre/versions/${version.version}/restore`, {});
    onClose();
    onRestored(made.version);
  };
  return html`
    <${Dialog} title=${t('flows.version.title', { version: version.version })} onClose=${onClose} data-part="version">
      <p class="fine">${formats.moment(version.at)} · ${version.by}${version.comment ? ` · ${version.comment}` : ''}</p>
      <${Loaded} asked=${asked}>${({ documents }) => html`<${Differences} before=${documents} after=${plan.documents} names=${[t('flows.version.title', { version: version.version }), t('flows.in_force')]} />`}<//>
      <div class="acts end"><${Button} kind="primary" data-do="restore" disabled=${version.version === plan.version} onClick=${() => setAsking(true)}>${t('flows.restore')}<//></div>
      ${asking && html`<${Confirm} title=${t('flows.restore')} say=${t('flows.restore.say', { version: version.version })} doing=${t('flows.restore')} onYes=${restore} onClose=${() => setAsking(false)} />`}
    <//>
  `;
}

function NewFlow({ names, onMade, onClose }) {
  const form = useForm({ name: '' });
  const make = async ({ name }) => {
    if (!NAME.test(name)) return form.setWrong({ name: t('flows.name.hint') });
    if (names.includes(`flows/${name}`)) return form.setWrong({ name: t('flows.name.taken') });
    return onMade(`flows/${name}`);
  };
  return html`
    <${Dialog} title=${t('flows.new')} onClose=${onClose} data-part="new-flow">
      <form class="kit-form" onSubmit=${form.submit(make)}>
        <${TextField} form=${form} name="name" label=${t('flows.name')} hint=${t('flows.name.hint')} required maxlength="64" autocapitalize="none" spellcheck=${false} />
        <div class="acts end"><${Button} onClick=${onClose}>${t('kit.cancel')}<//><${Button} kind="primary" type="submit">${t('flows.make')}<//></div>
      </form>
    <//>
  `;
}

function Desk({ plan, wanted, onPlan }) {
  const [drafts, setDrafts] = useState({});
  const changes = useMemo(() => Object.fromEntries(Object.entries(drafts).filter(([name, text]) => text !== plan.documents[name] && (text !== null || name in plan.documents))), [drafts, plan]);
  const { picture, faults, looking } = useLook(changes, plan.version);
  const [jump, setJump] = useState(null);
  const [shown, setShown] = useState('');
  const [tab, setTab] = useState('edit');
  const [open, setOpen] = useState('');
  const [comment, setComment] = useState('');
  const [busy, setBusy] = useState(false);
  const [conflict, setConflict] = useState(null);
  const all = { ...plan.documents, ...drafts };
  const names = Object.keys(all).filter((name) => typeof all[name] === 'string');
  const flows = names.filter(isFlow).sort();
  const known = [...flows, ...SINGLE];
  const name = known.includes(wanted) ? wanted : (flows[0] ?? 'numbers');
  const text = all[name] ?? '';
  const dirty = Object.keys(changes).length > 0;
  useEffect(() => {
    if (!dirty) return undefined;
    const stay = (event) => event.preventDefault();
    addEventListener('beforeunload', stay);
    return () => removeEventListener('beforeunload', stay);
  }, [dirty]);
  const choose = (chosen) => (location.hash = `#flows/${chosen}`);
  const write = (value) => setDrafts((before) => ({ ...before, [name]: value === '' && !(name in plan.documents) ? undefined : value }));
  const go = (fault) => {
    if (fault.document !== name && known.includes(fault.document)) choose(fault.document);
    setTab('edit');
    setJump({ line: fault.line });
  };
  const put = async (version) => {
    setBusy(true);
    try {
      const made = await ask('PUT', '/api/v1/centre/documents', { documents: changes, comment }, { 'if-match': `"${version}"` });
      setConflict(null);
      setDrafts({});
      setComment('');
      say(t('flows.saved', { version: made.version }));
      await onPlan();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.code === 'plan_changed') setConflict(await ask('GET', '/api/v1/centre/documents'));
      else alarm(explain(refusal));
    } finally {
      setBusy(false);
    }
  };
  const theirs = async () => {
    setConflict(null);
    setDrafts({});
    await onPlan();
    say(t('flows.took_theirs'));
  };
  const flow = picture?.flows.find((each) => each.document === name);
  const mine = faults.filter((fault) => fault.document === name);
  const state = faults.length ? html`<${Badge} tone="bad" data-part="state">${t('flows.faults', { count: faults.length })}<//>` : html`<${Badge} tone=${looking ? 'neutral' : 'good'} data-part="state">${t(looking ? 'flows.looking' : 'flows.right')}<//>`;
  return html`
    ${plan.faults.length > 0 && html`<${Notice} tone="bad">${t('flows.unreadable')}<ul class="admin-plain">${plan.faults.map((fault, at) => html`<li key=${at}>${fault.document} ${fault.line}: ${fault.message}</li>`)}</ul><//>`}
    ${plan.folder && html`<${Notice} tone=${plan.folder.faults.length ? 'bad' : 'info'}>${t('flows.folder', { path: plan.folder.path })}${plan.folder.stale.length > 0 && html` ${t('flows.folder.stale', { names: plan.folder.stale.join(', ') })}`}${plan.folder.faults.map((fault, at) => html`<br key=${at} />${fault.document} ${fault.line}: ${fault.message}`)}<//>`}
    <${Tabs} label=${t('section.flows')} tabs=${['edit', 'try', 'versions'].map((each) => [each, t(`flows.tab.${each}`)])} chosen=${tab} onChoose=${setTab}>
      ${
        tab === 'edit' &&
        html`
          <div class="admin-bar">
            <${Choice} name="name" label=${t('flows.document')} value=${name} options=${known.map((each) => [each, `${titleOf(each)}${changes[each] !== undefined ? ' *' : ''}`])} onChange=${choose} />
            <div class="acts"><${Button} data-do="new-flow" onClick=${() => setOpen('new')}>${t('flows.new')}<//>${isFlow(name) && html`<${Button} kind="bad" data-do="remove" onClick=${() => setOpen('remove')}>${t('flows.remove')}<//>`}</div>
          </div>
          <div class="flow-desk">
            <div class="flow-text">
              <p class="flow-state">${state} <span class="fine">${t('flows.based', { version: plan.version })}</span></p>
              <${Editor} key=${name} name=${name} text=${text} faults=${mine} onText=${write} jump=${jump} />
              <${Faults} faults=${faults} name=${name} onGo=${go} />
              <div class="flow-save">
                <input name="comment" aria-label=${t('flows.comment')} placeholder=${t('flows.comment.hint')} maxlength="500" value=${comment} onInput=${(event) => setComment(event.currentTarget.value)} />
                <div class="acts"><${Button} data-do="forget" disabled=${!dirty} onClick=${() => setOpen('forget')}>${t('flows.forget')}<//><${Button} kind="primary" data-do="save" busy=${busy} disabled=${!dirty || faults.length > 0 || looking} onClick=${() => put(plan.version)}>${t('flows.save')}<//></div>
              </div>
            </div>
            ${isFlow(name) && html`<div class=${`flow-drawn ${mine.length ? 'old' : ''}`}>${flow ? html`${mine.length > 0 && html`<p class="fine">${t('flows.old_picture')}</p>`}<${Picture} flow=${flow} shown=${shown} onLine=${(line, step) => { setShown(step); setJump({ line }); }} />` : html`<${Empty} title=${t('flows.no_picture')}>${t('flows.no_picture.do')}<//>`}</div>`}
          </div>
        `
      }
      ${tab === 'try' && html`<p>${t('flows.try.about')}</p>${faults.length > 0 && html`<${Notice} tone="warn">${t('flows.try.faults')}<//>`}<${Trial} changes=${changes} />`}
      ${tab === 'versions' && html`<${Versions} plan=${plan} onRestored=${async (version) => { setDrafts({}); await onPlan(); say(t('flows.restored', { version })); }} />`}
    <//>
    ${open === 'new' && html`<${NewFlow} names=${names} onClose=${() => setOpen('')} onMade=${(made) => { setDrafts((before) => ({ ...before, [made]: NEW_FLOW })); setOpen(''); choose(made); }} />`}
    ${open === 'remove' && html`<${Confirm} title=${t('flows.remove')} say=${t('flows.remove.say', { name: titleOf(name) })} doing=${t('flows.remove')} onClose=${() => setOpen('')} onYes=${async () => setDrafts((before) => ({ ...before, [name]: name in plan.documents ? null : undefined }))} />`}
    ${open === 'forget' && html`<${Confirm} title=${t('flows.forget')} say=${t('flows.forget.say')} doing=${t('flows.forget')} onClose=${() => setOpen('')} onYes=${async () => setDrafts({})} />`}
    ${conflict && html`<${Conflict} now=${conflict} mine=${changes} onClose=${() => setConflict(null)} onTheirs=${theirs} onMine=${() => put(conflict.version)} />`}
  `;
}

export default function Flows({ rest }) {
  const asked = useAsked('/api/v1/centre/documents');
  return html`<${Loaded} asked=${asked}>${(plan) => html`<${Card}><${Desk} plan=${plan} wanted=${rest} onPlan=${asked.again} /><//>`}<//>`;
}
