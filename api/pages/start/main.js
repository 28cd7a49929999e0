/** The first start: five questions, each checked at once, and a test call. What was answered is the server's: a reload goes on where it was. */
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { html } from '../kit/html.js';
import { Badge, Button, Card, Choice, Field, Icon, Notice } from '../kit/parts.js';
import { Refusal, alsoSpeak, explain, has, language, mount, session, t } from '../kit/page.js';
import { speak } from '../kit/words.js';
import { signIn } from '../js/session.js';

const CODE = 'centralita.start';
const STEPS = ['house', 'administrator', 'telephone', 'recording', 'queue'];
const READY_EVERY_MS = 500;
/** After so many looks it was away between two of them, and nobody saw it: one that is slow to stop still answers for some seconds. */
const UNSEEN_AFTER = 60;

/** `{answered, regions, said}` or null. */
const now = signal(null);
/** The question that is shown, or `end`, `starting`, `test`. */
const step = signal('');
const wrong = signal('');
const said = signal('');
const busy = signal(false);
/** Of the administrator who was just made, for the sign-in at the end. */
let password = '';

function takeCode() {
  const code = location.hash.slice(1);
  if (!code) return;
  sessionStorage.setItem(CODE, code);
  history.replaceState(null, '', location.pathname);
}
const code = () => sessionStorage.getItem(CODE) ?? '';

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(`/api/v1/first-start${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code: code(), ...body }) });
  } catch {
    throw new Refusal({ code: 'server_unreachable' });
  }
  const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(told.error ?? { code: 'unknown' });
  return told;
}

const isAnswered = (name, answered) =>
  ({ house: answered.zone, administrator: answered.administrator, telephone: answered.telephone !== null, recording: answered.recording !== null, queue: answered.queue !== null })[name];
const next = (answered) => STEPS.find((name) => !isAnswered(name, answered)) ?? 'end';

async function doing(work) {
  busy.value = true;
  wrong.value = '';
  try {
    await work();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    wrong.value = explain(refusal);
  }
  busy.value = false;
}

async function begin() {
  if (!code()) {
    wrong.value = t('no_code');
    return;
  }
  try {
    now.value = await post('', {});
    step.value = next(now.value.answered);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    // Done in another tab, or before a reload: only the test call is left.
    if (refusal.code === 'start_over' && sessionStorage.getItem(`${CODE}.end`)) step.value = 'test';
    else wrong.value = explain(refusal);
  }
}

const answer = (question, fields) =>
  doing(async () => {
    now.value = await post('/answers', { answer: { question, ...fields } });
    said.value = now.value.said;
    step.value = next(now.value.answered);
  });

const end = () =>
  doing(async () => {
    sessionStorage.setItem(`${CODE}.end`, now.value.answered.administrator);
    await post('/end', {});
    step.value = 'starting';
    await ready();
    step.value = 'test';
  });

/** Until the server is there again, with what was answered. */
async function ready() {
  let gone = false;
  for (let turns = 0; turns < 240; turns += 1) {
    await new Promise((resolve) => setTimeout(resolve, READY_EVERY_MS));
    try {
      const { ok } = await fetch('/api/v1/health/ready', { cache: 'no-store' });
      if (ok && (gone || turns > UNSEEN_AFTER)) return;
      gone ||= !ok;
    } catch {
      gone = true;
    }
  }
}

const fieldsOf = (event) => Object.fromEntries(new FormData(event.currentTarget));
const submit = (work) => (event) => {
  event.preventDefault();
  work(fieldsOf(event));
};

const Wrong = () => html`<div role="alert">${wrong.value && html`<${Notice} tone="bad"><span data-part="wrong">${wrong.value}</span><//>`}</div>`;
const Next = ({ children }) => html`<${Wrong} /><div class="acts"><${Button} kind="primary" type="submit" busy=${busy.value} data-do="next">${t('next')}<//>${children}</div>`;

function House() {
  const [zone, setZone] = useState(now.value.answered.zone || Intl.DateTimeFormat().resolvedOptions().timeZone);
  const guess = now.value.answered.region || new Intl.Locale(navigator.language).maximize().region;
  const names = new Intl.DisplayNames(language.value, { type: 'region', fallback: 'code' });
  const regions = now.value.regions.map((each) => [each, names.of(each)]).sort((one, other) => one[1].localeCompare(other[1], language.value));
  const [region, setRegion] = useState(now.value.regions.includes(guess) ? guess : 'ES');
  return html`
    <form onSubmit=${submit((fields) => answer('house', { ...fields, zone, region }))}>
      <${Choice} name="language" label=${t('house.language')} value=${language.value} options=${[['es', 'Español'], ['en', 'English']]} onChange=${(each) => speak(each)} hint=${t('house.language_hint')} />
      <${Choice} name="zone" label=${t('house.zone')} value=${zone} options=${[...new Set([zone, ...Intl.supportedValuesOf('timeZone'), 'UTC'])].sort().map((each) => [each, each.replaceAll('_', ' ')])} onChange=${setZone} />
      <${Choice} name="region" label=${t('house.region')} value=${region} options=${regions} onChange=${setRegion} hint=${t('house.region_hint')} />
      <${Next} />
    </form>
  `;
}

const Administrator = () => html`
  <form onSubmit=${submit((fields) => { password = fields.password; answer('administrator', fields); })}>
    <${Field} label=${t('administrator.identity')} hint=${t('administrator.identity_hint')}><input name="identity" autocomplete="username" required maxlength="64" pattern="[A-Za-z0-9._@\\-]+" /><//>
    <${Field} label=${t('administrator.name')}><input name="name" autocomplete="name" required maxlength="80" /><//>
    <${Field} label=${t('administrator.password')} hint=${t('administrator.password_hint')}><input name="password" type="password" autocomplete="new-password" required maxlength="256" /><//>
    <${Next} />
  </form>
`;

const lineOf = ({ server, extension, auth_id: authId, password: secret, transport }) => ({ server: server.trim(), extension: extension.trim(), auth_id: authId.trim(), password: secret, transport });

function Telephone() {
  const [later, setLater] = useState(false);
  const [anyway, setAnyway] = useState(false);
  return html`
    <form onSubmit=${submit((fields) => { setAnyway(true); answer('telephone', later ? {} : lineOf(fields)); })}>
      <fieldset class="ways"><legend class="visually-hidden">${t('telephone.title')}</legend>
        <label><input type="radio" name="when" checked=${!later} onChange=${() => setLater(false)} /><span>${t('telephone.now')}</span></label>
        <label><input type="radio" name="when" checked=${later} data-do="later" onChange=${() => setLater(true)} /><span>${t('telephone.later')}</span></label>
      </fieldset>
      ${
        !later &&
        html`
          <${Field} label=${t('telephone.server')} hint=${t('telephone.server_hint')}><input name="server" required maxlength="253" autocapitalize="off" spellcheck="false" /><//>
          <${Field} label=${t('telephone.extension')}><input name="extension" required maxlength="64" /><//>
          <${Field} label=${t('telephone.auth_id')} hint=${t('telephone.auth_id_hint')}><input name="auth_id" maxlength="64" /><//>
          <${Field} label=${t('telephone.password')}><input name="password" type="password" autocomplete="new-password" maxlength="256" /><//>
          <${Choice} name="transport" label=${t('telephone.transport')} value="udp" options=${[['udp', 'UDP'], ['tcp', 'TCP'], ['tls', 'TLS'], ['auto', t('telephone.auto')]]} onChange=${() => {}} />
        `
      }
      <${Next}>
        ${!later && anyway && wrong.value && html`<${Button} data-do="anyway" onClick=${(event) => answer('telephone', { ...lineOf(Object.fromEntries(new FormData(event.currentTarget.form))), anyway: true })}>${t('telephone.anyway')}<//>`}
      <//>
      ${busy.value && !later && html`<p class="fine" role="status">${t('telephone.trying')}</p>`}
    </form>
  `;
}

const WAYS = ['off', 'announced', 'asked'];
const Recording = () => html`
  <form onSubmit=${submit(({ way }) => answer('recording', { record: way !== 'off', consent: way === 'asked' ? 'asked' : 'announced' }))}>
    <fieldset class="ways"><legend class="visually-hidden">${t('recording.title')}</legend>
      ${WAYS.map((each) => html`<label key=${each}><input type="radio" name="way" value=${each} required defaultChecked=${each === 'off'} /><span><b>${t(`recording.${each}`)}</b><br />${t(`recording.${each}_means`)}</span></label>`)}
    </fieldset>
    <${Next} />
  </form>
`;

function Queue() {
  const [demo, setDemo] = useState(false);
  return html`
    <form onSubmit=${submit(({ title, number }) => answer('queue', demo ? { demo: true } : { title, number }))}>
      <fieldset class="ways"><legend class="visually-hidden">${t('queue.title')}</legend>
        <label><input type="radio" name="what" checked=${!demo} onChange=${() => setDemo(false)} /><span>${t('queue.own')}</span></label>
        <label><input type="radio" name="what" checked=${demo} data-do="demo" onChange=${() => setDemo(true)} /><span>${t('queue.demo')}</span></label>
      </fieldset>
      ${
        !demo &&
        html`
          <${Field} label=${t('queue.name')} hint=${t('queue.name_hint')}><input name="title" required maxlength="60" /><//>
          <${Field} label=${t('queue.number')} hint=${t('queue.number_hint')}><input name="number" required maxlength="40" /><//>
        `
      }
      <${Next} />
    </form>
  `;
}

function End() {
  const { answered } = now.value;
  const rows = [
    ['house', `${answered.language} · ${answered.zone} · ${answered.region}`],
    ['administrator', answered.administrator],
    ['telephone', answered.telephone || t('telephone.later')],
    ['recording', t(`recording.${answered.recording}`)],
    ['queue', answered.queue === 'demo' ? t('queue.demo') : answered.queue],
  ];
  return html`
    <dl class="answers">${rows.map(([name, value]) => html`<div key=${name}><dt>${t(`${name}.title`)}</dt><dd>${value}</dd>${name !== 'administrator' && html`<dd><${Button} small=${true} kind="quiet" data-change=${name} label=${t('change', { what: t(`${name}.title`) })} onClick=${() => { wrong.value = ''; step.value = name; }}>${t('change_short')}<//></dd>`}</div>`)}</dl>
    <p>${t('end.what')}</p>
    <${Wrong} />
    <div class="acts"><${Button} kind="primary" busy=${busy.value} data-do="end" onClick=${end}>${t('end.do')}<//></div>
  `;
}

function Echo({ tools: { checks, link } }) {
  const current = checks.check.value;
  const running = current && current.state !== 'over';
  const words = current?.state === 'over' ? `${t(`sound_check.is.${current.verdict.why}`)} ${t(`sound_check.do.${current.verdict.why}`)}` : '';
  const ready = link.link.value === 'up';
  return html`
    <p>${t('test.echo')}</p>
    ${running && html`<p role="status" data-part="running">${t(`sound_check.${current.state}`)}</p>`}
    ${words && html`<${Notice} tone=${current.verdict.tone}><span role="status" data-part="verdict" data-why=${current.verdict.why}>${words}</span><//>`}
    <div class="acts"><${Button} kind="primary" icon="mic" busy=${running || !ready} data-do="echo" onClick=${checks.runCheck}>${t(current?.state === 'over' ? 'test.again' : 'test.begin')}<//></div>
  `;
}

/** Out through the line to the PBX, to a telephone at hand. */
function OutCall({ line }) {
  const [told, setTold] = useState(null);
  const [running, setRunning] = useState(false);
  async function dial({ number }) {
    setRunning(true);
    setTold(null);
    const answered = await fetch(`/api/v1/lines/${line.trunk}/try`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${session.peek().token}` }, body: JSON.stringify({ number }) });
    if (!answered.ok) setTold({ state: 'refused', detail: explain(new Refusal((await answered.json()).error)) });
    else {
      const reader = answered.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text += part.value;
        const last = text.trim().split('\n').at(-1);
        if (text.endsWith('\n')) setTold(JSON.parse(last));
      }
    }
    setRunning(false);
  }
  const tone = { heard: 'good', silent: 'warn', refused: 'bad' }[told?.state] ?? 'info';
  return html`
    <form onSubmit=${submit(dial)}>
      <p>${t('test.out')} <${Badge} tone=${line.ready ? 'good' : 'bad'}>${line.detail}<//></p>
      <${Field} label=${t('test.number')}><input name="number" type="tel" required maxlength="64" /><//>
      ${told && html`<${Notice} tone=${tone}><span role="status" data-part="out-verdict" data-state=${told.state}>${t(`test.is.${told.state}`)} ${told.detail ?? ''}</span><//>`}
      <div class="acts"><${Button} type="submit" icon="call" busy=${running} data-do="out">${t('test.call')}<//></div>
    </form>
  `;
}

function Test() {
  const [tools, setTools] = useState(null);
  const [lines, setLines] = useState([]);
  const user = sessionStorage.getItem(`${CODE}.end`);
  const inside = session.value;
  useEffect(() => {
    if (!inside && password) doing(() => signIn(user, password, ''));
  }, []);
  useEffect(() => {
    if (!inside) return;
    (async () => {
      await alsoSpeak('calls');
      const [checks, link] = await Promise.all([import('../js/sound_check.js'), import('../js/link.js')]);
      if (!link.isOpen()) link.open(() => {}, false);
      setTools({ checks, link });
      const answered = await fetch('/api/v1/lines', { headers: { authorization: `Bearer ${inside.token}` } });
      if (answered.ok) setLines((await answered.json()).lines.filter((each) => !['web', 'demo'].includes(each.trunk)));
    })();
  }, [inside?.identity]);
  if (!inside) {
    return html`
      <form onSubmit=${submit(({ secret }) => doing(() => signIn(user, secret, '')))}>
        <p>${t('test.sign_in', { user })}</p>
        <${Field} label=${t('administrator.password')}><input name="secret" type="password" autocomplete="current-password" required /><//>
        <${Next} />
      </form>
    `;
  }
  return html`
    ${tools && html`<${Echo} tools=${tools} />`}
    ${lines.map((line) => html`<${OutCall} key=${line.name} line=${line} />`)}
    <${Notice} tone="good">${t('test.done')} <a href="/admin">${t('test.admin')}</a><//>
  `;
}

const VIEWS = { house: House, administrator: Administrator, telephone: Telephone, recording: Recording, queue: Queue, end: End, test: Test };

/** The next question is read aloud, and the next key is about it: what was pressed last is no longer there. */
function useBegun(at) {
  const former = useRef('');
  useLayoutEffect(() => {
    const heading = former.current && document.querySelector(`[data-step=${at}] h2`);
    former.current = at;
    if (!heading) return;
    heading.tabIndex = -1;
    heading.focus();
  }, [at]);
}

function Start() {
  const at = step.value;
  useBegun(at);
  if (!at) return html`<h1>${t('title')}</h1><${Wrong} />`;
  const place = STEPS.indexOf(at) + 1;
  const title = at === 'starting' ? t('end.starting') : t(`${at}.title`);
  const View = VIEWS[at];
  return html`
    <h1>${t('title')}</h1>
    ${place > 0 && html`<p class="fine" data-part="place">${t('place', { place, of: STEPS.length })}</p><progress max=${STEPS.length} value=${place - 1} aria-label=${t('title')}></progress>`}
    <${Card} title=${title} data-step=${at}>
      ${said.value && html`<${Notice} tone="good"><span data-part="said">${said.value}</span><//>`}
      ${has(`${at}.lead`) && html`<p>${t(`${at}.lead`)}</p>`}
      ${at === 'starting' ? html`<p role="status"><${Icon} name="resume" /> ${t('end.wait')}</p>` : html`<${View} key=${at} />`}
    <//>
  `;
}

takeCode();
await mount(Start, { door: false });
begin();
