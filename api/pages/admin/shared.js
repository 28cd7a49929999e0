/** What all sections do alike: ask and show what came, search, page on, fill forms, and say what is wrong at the field that it is about. */
import { useEffect, useId, useMemo, useState } from 'preact/hooks';
import { alarm, ask, explain, html, language, Refusal, t } from '../kit/page.js';
import { Button, Empty, Field, More, Notice, Skeleton, Table } from '../kit/parts.js';
import { turns } from '../kit/turns.js';

/** Who was faster than the limits allow is served when they allow it again. */
const later = (wrong, again) => wrong.code === 'too_many_requests' && setTimeout(again, 1000 * (wrong.retryAfter ?? 1) + 100);

/** What the address answers: `{data, wrong, again}`; `path` null: nothing is asked. */
export function useAsked(path) {
  const [state, setState] = useState({ data: null, wrong: null });
  const turn = useMemo(turns, []);
  const again = async () => {
    const isLast = turn();
    try {
      const data = await ask('GET', path);
      if (isLast()) setState({ data, wrong: null });
    } catch (wrong) {
      if (!(wrong instanceof Refusal)) throw wrong;
      if (!isLast()) return;
      setState((before) => ({ ...before, wrong }));
      later(wrong, () => isLast() && again());
    }
  };
  useEffect(() => {
    setState({ data: null, wrong: null });
    if (path) again();
    return turn;
  }, [path]);
  return { ...state, again };
}

/** `children(data)` when it is there; before that what is on its way, or why it did not come. */
export function Loaded({ asked, lines = 4, children }) {
  const { data, wrong, again } = asked;
  if (wrong && !data) return html`<${Notice} tone="bad"><p>${explain(wrong)}</p><${Button} small onClick=${again}>${t('again')}<//><//>`;
  if (!data) return html`<${Skeleton} lines=${lines} />`;
  return html`${wrong && html`<${Notice} tone="warn">${t('old', { why: explain(wrong) })}<//>`}${children(data)}`;
}

/**
 * A list by cursor: `{rows, cursor, wrong, more, again}`. `fetchPage(cursor)` gives `[rows, cursor of the next page or null]`; `key`: what makes it another list.
 */
export function usePages(fetchPage, key) {
  const [state, setState] = useState({ rows: null, cursor: null, wrong: null });
  const turn = useMemo(turns, []);
  const from = async (cursor, before) => {
    const isLast = turn();
    try {
      const [rows, next] = await fetchPage(cursor);
      if (isLast()) setState({ rows: [...before, ...rows], cursor: next, wrong: null });
    } catch (wrong) {
      if (!(wrong instanceof Refusal)) throw wrong;
      if (!isLast()) return;
      setState((now) => ({ ...now, wrong }));
      later(wrong, () => isLast() && from(cursor, before));
    }
  };
  const again = () => from(null, []);
  useEffect(() => {
    setState({ rows: null, cursor: null, wrong: null });
    again();
    return turn;
  }, [key]);
  return { ...state, again, more: () => from(state.cursor, state.rows ?? []) };
}

const plain = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

/** A table with a field that looks for words in it. `words(row)`: what is looked at. `empty`: `[what is not here, what to do]`. */
export function Listing({ caption, rows, words, empty, actions, search = true, cursor = null, onMore, ...more }) {
  const [wanted, setWanted] = useState('');
  const id = useId();
  const parts = plain(wanted).split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => {
    const text = parts.length ? plain(words(row).filter(Boolean).join(' ')) : '';
    return parts.every((part) => text.includes(part));
  });
  const bar = (search && rows.length > 1) || actions;
  return html`
    ${
      bar &&
      html`<div class="admin-bar">
        ${search && rows.length > 1 && html`<div class="admin-search"><label class="visually-hidden" for=${id}>${t('search')}</label><input id=${id} type="search" placeholder=${t('search')} value=${wanted} onInput=${(event) => setWanted(event.currentTarget.value)} /></div>`}
        ${actions && html`<div class="acts">${actions}</div>`}
      </div>`
    }
    ${
      rows.length
        ? html`<${Table} ...${more} caption=${t('list', { what: caption })} rows=${found} empty=${t('search.none')} /><${More} cursor=${cursor} onMore=${onMore} />`
        : html`<${Empty} title=${empty[0]}>${empty[1]}<//>`
    }
  `;
}

const FAULTS = [
  [/length >= (\d+)/, 'wrong.short'],
  [/length <= (\d+)/, 'wrong.long'],
  [/matching regex/, 'wrong.shape'],
  [/missing required field/, 'wrong.missing'],
  [/[<>]=? (-?[\d.]+)/, 'wrong.range'],
  [/Invalid enum value/, 'wrong.choice'],
];
/** Refusals that are about a field of theirs. */
const OF_FIELD = { weak_password: 'password', common_password: 'password', password_names: 'password', not_a_number: 'number', no_route: 'number', unknown_user: 'identity' };

/** A refusal as words by field; those that are of none stand under the empty name. The server names the field as `$.name`. */
export function faultsOf(refusal) {
  const named = /`\$\.?(\w*)/.exec(refusal.message)?.[1] ?? /missing required field `(\w+)`/.exec(refusal.message)?.[1];
  if (refusal.code === 'bad_message' && named) {
    const [shape, id] = FAULTS.find(([each]) => each.test(refusal.message)) ?? [/$/, 'wrong.other'];
    return { [named]: t(id, { limit: shape.exec(refusal.message)?.[1] ?? '' }) };
  }
  return { [OF_FIELD[refusal.code] ?? '']: explain(refusal) };
}

/**
 * What stands in a form: `{values, set, wrong, busy, bind, submit}`. `bind(name)` is for an input; `submit(work)` for the form: what
 * `work(values)` is refused stands at its field, which gets the focus.
 */
export function useForm(first) {
  const [values, setValues] = useState(first);
  const [wrong, setWrong] = useState({});
  const [busy, setBusy] = useState(false);
  const set = (name, value) => {
    setValues((before) => ({ ...before, [name]: value }));
    setWrong((before) => ({ ...before, [name]: undefined }));
  };
  const bind = (name) => ({ name, value: values[name], onInput: (event) => set(name, event.currentTarget.value) });
  const submit = (work) => async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    setWrong({});
    try {
      await work(values);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      const faults = faultsOf(refusal);
      const known = Object.keys(faults).every((name) => name && form.elements[name]);
      setWrong(known ? faults : { '': Object.values(faults).join(' ') });
      if (known) form.elements[Object.keys(faults)[0]].focus?.();
    } finally {
      setBusy(false);
    }
  };
  return { values, set, wrong, busy, bind, submit, setWrong };
}

/** What is wrong with a form as a whole. */
export const FormFault = ({ form }) => html`<div role="alert">${form.wrong[''] && html`<${Notice} tone="bad">${form.wrong['']}<//>`}</div>`;

/** A text field of a form. */
export const TextField = ({ form, name, label, hint, area, ...more }) => html`
  <${Field} label=${label} hint=${hint} error=${form.wrong[name]}>${area ? html`<textarea ...${form.bind(name)} ...${more}></textarea>` : html`<input ...${form.bind(name)} ...${more} />`}<//>
`;

/** Name and value, below one another. What is empty is left out. */
export const Facts = ({ rows }) => html`
  <dl class="admin-facts">${rows.filter(([, value]) => value !== '' && value !== null && value !== undefined).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
`;

/** Words where we have some, else the code as it is. */
export const worded = (id, code, has) => (has(`${id}.${code}`) ? t(`${id}.${code}`) : code);

/** Put into the clipboard; where that is not allowed, what was to be copied is chosen for the person. */
export async function copied(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field?.select?.();
    return false;
  }
}

/** Save as a file of this computer. */
export function saved(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement('a'), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}

/** `tell` of one's own, for what is done beside a list. */
export async function quietly(work) {
  try {
    await work();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    alarm(explain(refusal));
  }
}

/** A title by language, as the server has it. */
export const titled = (titles, name) => titles?.[language.value] ?? Object.values(titles ?? {})[0] ?? name;
