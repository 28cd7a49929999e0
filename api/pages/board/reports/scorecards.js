/** Scorecards: how calls were judged, on the mean and one by one; the forms by which they are, and a call judged. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { brief, number, percent } from '../../kit/formats.js';
import { Badge, Button, Card, Choice, Confirm, Dialog, Field, More, Notice, Skeleton, Switch, Table, ask, html, say, t, tell } from '../kit.js';
import { Bars, Csv, PeriodFields, queryOf, useAnswer } from './parts.js';

const PERS = ['agent', 'week', 'form', 'criterion'];
const per = signal('agent');
/** An id that nobody has to think of. */
const idOf = (title) => title.normalize('NFD').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60) || 'form';

function Means() {
  const query = queryOf({ by: per.value });
  const { found, wrong } = useAnswer(ask, query && `/api/v1/scorecards/means?${query}`);
  const columns = [
    { id: 'name', title: t(`score.per.${per.value}`), draw: (each) => each.name, sort: (each) => each.name },
    { id: 'cards', title: t('score.cards'), end: true, draw: (each) => number(each.cards), sort: (each) => each.cards },
    { id: 'mean', title: t('score.mean'), end: true, draw: (each) => percent(each.mean), sort: (each) => each.mean },
  ];
  return html`
    <${Card} title=${t('score.means')} data-part="means" actions=${html`<${Csv} name="scorecard-means" address=${query && `/api/v1/scorecards/means?${query}&format=csv`} />`}>
      <div class="filters"><${PeriodFields} /><${Choice} label=${t('by')} data-field="per" value=${per.value} options=${PERS.map((each) => [each, t(`score.per.${each}`)])} onChange=${(each) => (per.value = each)} /></div>
      ${wrong && html`<${Notice} tone="bad">${wrong}<//>`}
      ${found && html`<${Bars} rows=${found.means.map((each) => [each.name, each.mean, percent(each.mean)])} />`}
      ${found && html`<${Table} caption=${t('score.means_table')} columns=${columns} rows=${found.means} id=${(each) => each.name} empty=${t('score.none')} />`}
    <//>
  `;
}

/** One card with each criterion; where a form has changed since, its criteria are called by their ids. */
function Opened({ card, forms, onClose, onErased }) {
  const [erasing, setErasing] = useState(false);
  const form = forms.find((each) => each.form_id === card.form_id);
  const title = (id) => form?.criteria.find((each) => each.criterion_id === id)?.title ?? id;
  const columns = [
    { id: 'criterion', title: t('score.criterion'), draw: ([id]) => title(id) },
    { id: 'points', title: t('score.points'), end: true, draw: ([, points]) => (points === null ? t('score.not_apply') : number(points)) },
  ];
  return html`
    <${Dialog} title=${t('score.of', { agent: card.agent, total: percent(card.total) })} onClose=${onClose} data-part="card">
      <p class="fine">${t('score.given', { by: card.by, at: brief(card.at) })} <a href=${`#${card.call_id}`}>${t('view.call')}</a></p>
      <${Table} caption=${t('score.criteria')} columns=${columns} rows=${Object.entries(card.scores)} id=${([id]) => id} />
      ${card.note && html`<p class="note">${card.note}</p>`}
      <div class="acts end"><${Button} kind="bad" data-do="erase-card" onClick=${() => setErasing(true)}>${t('score.erase')}<//></div>
      ${erasing && html`<${Confirm} title=${t('score.erase')} say=${t('score.erase_say')} doing=${t('score.erase')} onYes=${async () => { await ask('DELETE', `/api/v1/scorecards/${card.card_id}`); onErased(); }} onClose=${() => setErasing(false)} />`}
    <//>
  `;
}

/** Who of the house talked in a call, who answered it first. */
const talkersOf = ({ call, legs }) => [...new Set([call.answered_by, ...legs.filter((leg) => leg.kind === 'agent' && leg.answered_at).map((leg) => leg.party)])].filter(Boolean);

/** `about`: the call that is judged, where that is known. */
function Judge({ about, forms, onClose, onGiven }) {
  const used = forms.filter((form) => form.active);
  const [formId, setFormId] = useState(used[0].form_id);
  const [given, setGiven] = useState({});
  const [call, setCall] = useState(about ?? '');
  const [agent, setAgent] = useState('');
  const [talkers, setTalkers] = useState([]);
  useEffect(() => {
    if (!about) return;
    tell(async () => {
      const found = talkersOf(await ask('GET', `/api/v1/calls/${encodeURIComponent(about)}`));
      setTalkers(found);
      setAgent((now) => now || (found[0] ?? ''));
    });
  }, [about]);
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const form = used.find((each) => each.form_id === formId);
  const points = (criterion) => [['', t('score.choose')], ...Array.from({ length: criterion.most + 1 }, (_, count) => [String(count), number(count)]), ['none', t('score.not_apply')]];
  const whole = form.criteria.every((each) => given[each.criterion_id]);
  const give = async (event) => {
    event.preventDefault();
    const scores = Object.fromEntries(form.criteria.map(({ criterion_id: id }) => [id, given[id] === 'none' ? null : Number(given[id])]));
    setBusy(true);
    const done = await tell(() => ask('POST', '/api/v1/scorecards', { form_id: formId, call_id: call.trim(), agent: agent.trim(), scores, note }));
    setBusy(false);
    if (!done) return;
    say(t('score.done'));
    onGiven();
  };
  return html`
    <${Dialog} title=${t('score.judge')} onClose=${onClose} data-part="judge">
      <form class="kit-form" onSubmit=${give}>
        ${about && html`<p><a href=${`#${about}`} data-do="back-to-call">${t('score.back')}</a></p>`}
        <${Field} label=${t('score.call')} hint=${about ? '' : t('score.call_hint')}><input data-field="call" required readonly=${Boolean(about)} value=${call} maxlength="64" onInput=${(event) => setCall(event.currentTarget.value)} /><//>
        ${talkers.length > 1
          ? html`<${Choice} label=${t('score.agent')} data-field="agent" value=${agent} options=${talkers.map((each) => [each, each])} onChange=${setAgent} />`
          : html`<${Field} label=${t('score.agent')}><input data-field="agent" required value=${agent} maxlength="64" onInput=${(event) => setAgent(event.currentTarget.value)} /><//>`}
        <${Choice} label=${t('score.form')} data-field="form" value=${formId} options=${used.map((each) => [each.form_id, each.title])} onChange=${(id) => { setFormId(id); setGiven({}); }} />
        ${form.criteria.map((each) => html`<${Choice} key=${each.criterion_id} label=${t('score.weighs', { title: each.title, count: each.weight })} hint=${each.hint} data-criterion=${each.criterion_id} value=${given[each.criterion_id] ?? ''} options=${points(each)} onChange=${(value) => setGiven({ ...given, [each.criterion_id]: value })} />`)}
        <${Field} label=${t('score.note')}><textarea data-field="note" rows="3" maxlength="4000" value=${note} onInput=${(event) => setNote(event.currentTarget.value)}></textarea><//>
        <${Button} kind="primary" type="submit" data-do="give" busy=${busy} disabled=${!whole}>${t('score.give')}<//>
      </form>
    <//>
  `;
}

const EMPTY = { title: '', weight: 1, most: 5, hint: '' };

function Form({ form, onClose, onSaved }) {
  const [title, setTitle] = useState(form?.title ?? '');
  const [active, setActive] = useState(form?.active ?? true);
  const [criteria, setCriteria] = useState(form?.criteria ?? [EMPTY]);
  const [busy, setBusy] = useState(false);
  const change = (at, more) => setCriteria(criteria.map((each, place) => (place === at ? { ...each, ...more } : each)));
  const save = async (event) => {
    event.preventDefault();
    const taken = new Set(criteria.map((each) => each.criterion_id).filter(Boolean));
    const named = criteria.map((each) => {
      if (each.criterion_id) return each;
      let id = idOf(each.title);
      while (taken.has(id)) id = `${id}-2`;
      taken.add(id);
      return { ...each, criterion_id: id };
    });
    setBusy(true);
    const done = await tell(() => ask('PUT', `/api/v1/scorecard-forms/${form?.form_id ?? idOf(title)}`, { title, active, criteria: named, version: form?.version ?? 0 }));
    setBusy(false);
    if (!done) return;
    say(t('score.saved'));
    onSaved();
  };
  const line = (each, at) => html`
    <fieldset key=${at} class="criterion"><legend>${t('score.number', { number: number(at + 1) })}</legend>
      <${Field} label=${t('score.title')}><input data-field="criterion" required value=${each.title} maxlength="200" onInput=${(event) => change(at, { title: event.currentTarget.value })} /><//>
      <div class="kit-form two">
        <${Field} label=${t('score.weight')}><input type="number" required min="1" max="100" value=${each.weight} onInput=${(event) => change(at, { weight: Number(event.currentTarget.value) })} /><//>
        <${Field} label=${t('score.most')}><input type="number" required min="1" max="10" value=${each.most} onInput=${(event) => change(at, { most: Number(event.currentTarget.value) })} /><//>
      </div>
      <${Field} label=${t('score.hint')}><input value=${each.hint} maxlength="1000" onInput=${(event) => change(at, { hint: event.currentTarget.value })} /><//>
      ${criteria.length > 1 && html`<${Button} small onClick=${() => setCriteria(criteria.filter((_, place) => place !== at))}>${t('score.drop')}<//>`}
    </fieldset>
  `;
  return html`
    <${Dialog} title=${form ? t('score.change_form') : t('score.new_form')} onClose=${onClose} data-part="form">
      <form class="kit-form" onSubmit=${save}>
        <${Field} label=${t('score.form_title')}><input data-field="title" required value=${title} maxlength="200" onInput=${(event) => setTitle(event.currentTarget.value)} /><//>
        ${criteria.map(line)}
        <${Button} data-do="add-criterion" disabled=${criteria.length >= 30} onClick=${() => setCriteria([...criteria, EMPTY])}>${t('score.add')}<//>
        <${Switch} label=${t('score.active')} on=${active} onChange=${setActive} />
        <${Button} kind="primary" type="submit" data-do="save-form" busy=${busy}>${t('score.save')}<//>
      </form>
    <//>
  `;
}

function Forms({ forms, onOpen }) {
  const columns = [
    { id: 'title', title: t('score.form'), draw: (form) => form.title, sort: (form) => form.title },
    { id: 'criteria', title: t('score.criteria'), end: true, draw: (form) => number(form.criteria.length) },
    { id: 'active', title: t('score.standing'), draw: (form) => html`<${Badge} tone=${form.active ? 'good' : 'neutral'}>${t(form.active ? 'score.active' : 'score.unused')}<//>` },
    { id: 'change', title: t('score.change'), draw: (form) => html`<${Button} small data-do="change-form" onClick=${() => onOpen({ form })}>${t('score.change')}<//>` },
  ];
  return html`
    <${Card} title=${t('score.forms')} data-part="forms" actions=${html`<${Button} data-do="new-form" onClick=${() => onOpen({})}>${t('score.new_form')}<//>`}>
      <${Table} caption=${t('score.forms_table')} columns=${columns} rows=${forms} id=${(form) => form.form_id} empty=${t('score.no_forms')} />
    <//>
  `;
}

function Cards({ forms, turn, onOpen, onJudge }) {
  const [more, setMore] = useState({ turn, cards: [], next: undefined });
  const { found, wrong } = useAnswer(ask, `/api/v1/scorecards?limit=50`, turn);
  const later = more.turn === turn ? more : { cards: [], next: undefined };
  const cards = [...(found?.cards ?? []), ...later.cards];
  const next = async (cursor) => {
    await tell(async () => {
      const page = await ask('GET', `/api/v1/scorecards?limit=50&cursor=${encodeURIComponent(cursor)}`);
      setMore({ turn, cards: [...later.cards, ...page.cards], next: page.next });
    });
  };
  const title = (id) => forms.find((each) => each.form_id === id)?.title ?? id;
  const columns = [
    { id: 'at', title: t('score.at'), draw: (card) => brief(card.at), sort: (card) => card.at },
    { id: 'agent', title: t('score.agent'), draw: (card) => card.agent, sort: (card) => card.agent },
    { id: 'form', title: t('score.form'), draw: (card) => title(card.form_id), sort: (card) => title(card.form_id) },
    { id: 'total', title: t('score.total'), end: true, draw: (card) => percent(card.total), sort: (card) => card.total },
    { id: 'by', title: t('score.by'), draw: (card) => card.by, sort: (card) => card.by },
    { id: 'seen', title: t('score.seen'), draw: (card) => (card.seen_at ? html`<${Badge} tone="good">${brief(card.seen_at)}<//>` : t('score.unseen')) },
    { id: 'open', title: t('score.open'), draw: (card) => html`<${Button} small data-do="open-card" onClick=${() => onOpen(card)}>${t('score.open')}<//>` },
  ];
  const acts = html`<${Button} kind="primary" data-do="judge" disabled=${!forms.some((form) => form.active)} onClick=${onJudge}>${t('score.judge')}<//><${Csv} name="scorecards" address="/api/v1/scorecards?limit=100&format=csv" />`;
  return html`
    <${Card} title=${t('score.given_cards')} data-part="cards" actions=${acts}>
      ${wrong && html`<${Notice} tone="bad">${wrong}<//>`}
      ${found ? html`<${Table} caption=${t('score.cards_table')} columns=${columns} rows=${cards} id=${(card) => card.card_id} empty=${t('score.none')} />` : html`<${Skeleton} lines=${3} />`}
      <${More} cursor=${later.next === undefined ? found?.next : later.next} onMore=${next} />
    <//>
  `;
}

/** `about`: a call that is to be judged; from there one goes back to it. */
export function View({ about, onBack }) {
  const [turn, setTurn] = useState(0);
  const [card, setCard] = useState(null);
  const [judging, setJudging] = useState(Boolean(about));
  const [form, setForm] = useState(null);
  const { found, wrong, again } = useAnswer(ask, '/api/v1/scorecard-forms');
  const back = () => {
    setJudging(false);
    if (about) onBack();
  };
  const anew = () => {
    setCard(null);
    setJudging(Boolean(about));
    setForm(null);
    setTurn(turn + 1);
    again();
  };
  if (wrong) return html`<${Notice} tone="bad">${wrong}<//>`;
  if (!found) return html`<${Skeleton} lines=${5} />`;
  const used = found.forms.some((form) => form.active);
  return html`
    ${about && !used && html`<${Notice} tone="warn" data-part="no-form"><a href=${`#${about}`} data-do="back-to-call">${t('score.back')}</a> ${t('score.no_form')}<//>`}
    <${Cards} forms=${found.forms} turn=${turn} onOpen=${setCard} onJudge=${() => setJudging(true)} />
    <${Means} key=${turn} />
    <${Forms} forms=${found.forms} onOpen=${setForm} />
    ${card && html`<${Opened} card=${card} forms=${found.forms} onClose=${() => setCard(null)} onErased=${anew} />`}
    ${judging && used && html`<${Judge} about=${about} forms=${found.forms} onClose=${back} onGiven=${about ? back : anew} />`}
    ${form && html`<${Form} form=${form.form} onClose=${() => setForm(null)} onSaved=${anew} />`}
  `;
}
