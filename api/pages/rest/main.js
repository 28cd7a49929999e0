/** Our REST as this server describes it: its operations by part, what each takes and answers, as a command to copy, and to be tried where it only reads. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { ask, html, mount, say, session, t, tell } from '../kit/page.js';
import { Badge, Button, Card, Choice, Empty, Field, Notice, Skeleton, Table } from '../kit/parts.js';
import { addressOf, boundsOf, commandOf, exampleOf, fieldsOf, operationsOf, typeOf } from './schema.js';

const MOST_SHOWN = 20_000;
const CALM_MS = 150;

const Method = ({ name }) => html`<span class="method" data-method=${name}>${name}</span>`;
/** Words with names of our wire in them, which stand between back ticks. */
const Prose = ({ text }) => html`<span lang="en">${text.split('`').map((part, at) => (at % 2 ? html`<code>${part}</code>` : part))}</span>`;
const Code = ({ words, children }) => html`<pre class="code" tabindex="0" role="group" aria-label=${words} dir="ltr">${children}</pre>`;

function Fields({ caption, fields, all, sent = false }) {
  const rows = fields.map(([name, schema, required]) => ({ name, schema, required }));
  const columns = [
    { id: 'name', title: t('field.name'), draw: (row) => html`<code>${row.name}</code>${sent && row.required ? html` <${Badge}>${t('field.needed')}<//>` : ''}` },
    { id: 'type', title: t('field.type'), draw: (row) => html`<code>${typeOf(row.schema, all)}</code>` },
    { id: 'bounds', title: t('field.bounds'), draw: (row) => html`<code>${boundsOf(row.schema)}</code>` },
  ];
  return html`<${Table} caption=${caption} columns=${columns} rows=${rows} id=${(row) => row.name} />`;
}

function Copy({ text }) {
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    say(t('copied'));
  };
  return html`<div class="acts"><${Button} small data-do="copy" onClick=${copy}>${t('copy')}<//></div>`;
}

/** A request that only reads, in one's own name. */
function Try({ operation, given, setGiven }) {
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState(null);
  const open = operation.parameters.filter((each) => each.in !== 'header');
  const missing = open.some((each) => each.required && !given[each.name]);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    const began = performance.now();
    const response = await fetch(addressOf(operation, given), { headers: { authorization: `Bearer ${session.peek()?.token}` } }).catch(() => null);
    const text = response ? await response.text() : '';
    setBusy(false);
    if (!response) return setAnswer({ status: 0, took: 0, body: t('try.unreachable') });
    let body = text;
    try {
      body = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // it is no JSON, and shown as it came
    }
    return setAnswer({ status: response.status, took: Math.round(performance.now() - began), body: body.slice(0, MOST_SHOWN), more: body.length > MOST_SHOWN, left: response.headers.get('x-ratelimit-remaining') });
  };
  return html`
    <form class="kit-form two" data-part="try" onSubmit=${send}>
      ${open.map((each) => html`<${Field} key=${each.name} label=${each.name}><input type="text" data-field=${each.name} required=${each.required} value=${given[each.name] ?? ''} onInput=${(event) => setGiven({ ...given, [each.name]: event.currentTarget.value })} /><//>`)}
      <div class="acts"><${Button} kind="primary" type="submit" data-do="try" busy=${busy} disabled=${missing}>${t('try.send')}<//></div>
    </form>
    ${
      answer &&
      html`<div data-part="answer" data-status=${answer.status} role="status"><p><${Badge} tone=${answer.status >= 200 && answer.status < 400 ? 'good' : 'bad'}>${answer.status}<//> ${t('try.took', { ms: answer.took })}${answer.left ? ` · ${t('try.left', { count: answer.left })}` : ''}</p></div>
        <${Code} words=${t('try.answer')}>${answer.body}<//>${answer.more && html`<p class="fine">${t('try.more')}</p>`}`
    }
  `;
}

function Operation({ operation, all }) {
  const [given, setGiven] = useState({});
  const body = operation.requestBody?.content?.['application/json']?.schema;
  const example = useMemo(() => (body ? exampleOf(body, all) : undefined), [body]);
  const answers = Object.entries(operation.responses);
  const good = answers.find(([status]) => status.startsWith('2'))?.[1]?.content?.['application/json']?.schema;
  const command = commandOf(operation, given, example, location.origin);
  const of = (words) => `${words}: ${operation.method} ${operation.path}`;
  const parameters = operation.parameters.map((each) => [each.name, { ...each.schema, pattern: each.schema.pattern ?? (each.in === 'header' ? each.in : undefined) }, Boolean(each.required)]);
  return html`
    <article class="operation" data-part="operation" data-operation=${operation.id}>
      <h2><${Method} name=${operation.method} /> <code>${operation.path}</code></h2>
      <p><${Prose} text=${operation.summary} /></p>
      <p class="fine">${operation['x-permission'] ? t('permission', { name: operation['x-permission'] }) : t('open')}</p>
      ${parameters.length > 0 && html`<${Card} title=${t('parameters')} level=${3}><${Fields} sent caption=${of(t('parameters'))} fields=${parameters} all=${all} /><//>`}
      ${body && html`<${Card} title=${t('body')} level=${3}><${Fields} sent caption=${of(t('body'))} fields=${fieldsOf(body, all)} all=${all} /><${Code} words=${t('example')}>${JSON.stringify(example, null, 2)}<//><//>`}
      <${Card} title=${t('answers')} level=${3}>
        <p class="statuses">${answers.map(([status]) => html`<${Badge} key=${status} tone=${status < 400 ? 'good' : 'neutral'}>${status}<//>`)}</p>
        ${good && (fieldsOf(good, all).length ? html`<${Fields} caption=${of(t('answers'))} fields=${fieldsOf(good, all)} all=${all} />` : html`<p><code>${typeOf(good, all)}</code></p>`)}
      <//>
      <${Card} title=${t('command')} level=${3}><${Code} words=${of(t('command'))}>${command}<//><${Copy} text=${command} /><//>
      ${operation.method === 'GET' && operation.security && html`<${Card} title=${t('try')} level=${3}><p class="fine">${t('try.explained')}</p><${Try} operation=${operation} given=${given} setGiven=${setGiven} /><//>`}
    </article>
  `;
}

function List({ operations, chosen }) {
  const parts = [...new Set(operations.map((each) => each.part))];
  if (!parts.length) return html`<${Empty} title=${t('none')} />`;
  return parts.map(
    (part) => html`
      <section key=${part} class="part" aria-label=${part}>
        <h2>${part}</h2>
        <ul>${operations
          .filter((each) => each.part === part)
          .map((each) => html`<li key=${each.id}><a href=${`#${each.id}`} aria-current=${each.id === chosen ? 'true' : null} data-open=${each.id}><${Method} name=${each.method} /><code>${each.path.replace('/api/v1', '')}</code><span class="fine"><${Prose} text=${each.summary} /></span></a></li>`)}</ul>
      </section>
    `,
  );
}

/** What stands behind the address's #. */
function useFragment() {
  const [at, setAt] = useState(location.hash.slice(1));
  useEffect(() => {
    const look = () => setAt(location.hash.slice(1));
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);
  return at;
}

function Rest() {
  const [description, setDescription] = useState(null);
  const [words, setWords] = useState('');
  const [sought, setSought] = useState('');
  const [part, setPart] = useState('');
  const chosen = useFragment();
  useEffect(() => {
    tell(async () => setDescription(await ask('GET', '/api/v1/openapi.json')));
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => setSought(words.trim().toLowerCase()), CALM_MS);
    return () => clearTimeout(timer);
  }, [words]);
  const operations = useMemo(() => (description ? operationsOf(description) : []), [description]);
  if (!description) return html`<h1>${t('title')}</h1><${Skeleton} lines=${6} />`;
  const all = description.components.schemas;
  const parts = [...new Set(operations.map((each) => each.part))].sort();
  const found = operations.filter((each) => (!part || each.part === part) && (!sought || `${each.method} ${each.path} ${each.summary}`.toLowerCase().includes(sought)));
  const open = operations.find((each) => each.id === chosen);
  return html`
    <h1>${t('title')}</h1>
    <${Notice} tone="info"><${Prose} text=${description.info.description} /><//>
    <div class="rest">
      <nav class="operations" data-part="operations" aria-label=${t('operations')}>
        <${Field} label=${t('search')}><input type="search" data-field="search" value=${words} onInput=${(event) => setWords(event.currentTarget.value)} /><//>
        <${Choice} label=${t('part')} value=${part} options=${[['', t('part.all')], ...parts.map((each) => [each, each])]} onChange=${setPart} />
        <p class="fine" role="status">${t('found', { count: found.length })}</p>
        <div class="list"><${List} operations=${found} chosen=${chosen} /></div>
      </nav>
      <div class="shown">${open ? html`<${Operation} key=${open.id} operation=${open} all=${all} />` : html`<${Empty} title=${t('choose')} />`}</div>
    </div>
  `;
}

mount(Rest, { wide: true });
