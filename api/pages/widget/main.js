/** What the visitors' button opens: call, write, or be called back. It runs in a frame of somebody else's page, and knows nothing of that. */
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Refusal } from '../js/session.js';
import { day, length, time } from '../kit/formats.js';
import { html } from '../kit/html.js';
import { Button, Choice, Field, Icon, Notice, Skeleton } from '../kit/parts.js';
import '../kit/theme.js';
import { explain, has, language, speak, t } from '../kit/words.js';
import * as calls from './call.js';
import * as chats from './chat.js';
import { host, rest, tell } from './host.js';

/** `home`, `call`, `chat`, `back` or `done`. */
const view = signal('home');
/** How the queue stands, or the `Refusal` of it. */
const desk = signal(null);
const wrong = signal('');
const busy = signal(false);
const said = signal({ name: '', reason: '' });
const made = signal(null);

const about = () => ({ name: said.peek().name.trim(), reason: said.peek().reason.trim(), page: host.page });

async function look() {
  try {
    desk.value = await rest('GET', `/visits/desk?${new URLSearchParams({ queue: host.queue, language: language.peek() })}`);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    desk.value = refusal;
  }
}

function go(to) {
  wrong.value = '';
  view.value = to;
  if (to === 'home') look();
}

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

const startCall = (chat = '') => {
  view.value = 'call';
  calls.begin(about(), chat);
};
const startChat = () => doing(async () => {
  await chats.begin(about());
  view.value = 'chat';
});

const Wrong = () => html`<div role="alert">${wrong.value && html`<${Notice} tone="bad">${wrong.value}<//>`}</div>`;

function truth({ open, there, free, waiting, opens_at: opensAt }) {
  if (!open) return opensAt ? t('desk.closed_until', { day: day(opensAt), time: time(opensAt) }) : t('desk.closed');
  if (!there) return t('desk.nobody');
  if (free && !waiting) return t('desk.free');
  return waiting ? t('desk.waiting', { count: waiting }) : t('desk.busy');
}

function Home() {
  const now = desk.value;
  if (!now) return html`<${Skeleton} lines=${4} />`;
  if (now instanceof Refusal) return html`<${Notice} tone="bad">${explain(now)}<//>`;
  const reached = now.open && now.there;
  const field = (name) => (event) => (said.value = { ...said.peek(), [name]: event.currentTarget.value });
  return html`
    <p data-part="truth" class=${reached ? 'truth open' : 'truth'}><i aria-hidden="true"></i>${truth(now)}</p>
    ${
      reached &&
      html`
        <${Field} label=${t('said.name')}><input name="name" autocomplete="name" maxlength="80" value=${said.value.name} onInput=${field('name')} /><//>
        <${Field} label=${t('said.reason')} hint=${t('said.hint')}><input name="reason" maxlength="300" value=${said.value.reason} onInput=${field('reason')} /><//>
      `
    }
    <${Wrong} />
    <div class="ways">
      ${reached && html`<${Button} kind="primary" icon="call" data-do="call" onClick=${() => startCall()}>${t('way.call')}<//>`}
      ${reached && html`<${Button} icon="keyboard" data-do="chat" busy=${busy.value} onClick=${startChat}>${t('way.chat')}<//>`}
      <${Button} kind=${reached ? 'plain' : 'primary'} icon="in" data-do="back" onClick=${() => go('back')}>${t('way.back')}<//>
    </div>
    <p class="fine">${t('said.told', { site: host.site.replace(/^https?:\/\//, '') })}</p>
  `;
}

function status({ state, position, wait_s: wait, reason, since }, now) {
  if (state === 'waiting' && position === 1) return wait ? t('call.next_wait', { minutes: Math.max(1, Math.ceil(wait / 60)) }) : t('call.next');
  if (state === 'waiting' && position) return wait ? t('call.place_wait', { position, minutes: Math.max(1, Math.ceil(wait / 60)) }) : t('call.place', { position });
  if (state === 'waiting') return t('call.connecting');
  if (state === 'ended') return has(`end.${reason}`) ? t(`end.${reason}`) : t('end.other');
  if (state === 'failed') return explain(reason);
  return t(`call.${state}`) + (state === 'talking' && since ? ` · ${length(now - since)}` : '');
}

const KEYS = [...'123456789*0#'];

function Keypad() {
  return html`<div class="keys" role="group" aria-label=${t('call.keypad')}>${KEYS.map((key) => html`<button key=${key} type="button" data-key=${key} onClick=${() => calls.press(key)}>${key}</button>`)}</div>`;
}

function Denied() {
  return html`
    <${Notice} tone="warn"><span data-part="denied">${t(`microphone.${calls.microphone.value}`)}</span><//>
    <div class="ways">
      <${Button} kind="primary" icon="in" data-do="back" onClick=${() => go('back')}>${t('way.back')}<//>
      <${Button} icon="mic" data-do="again" onClick=${() => startCall(chats.chat.peek() && !chats.over.peek() ? chats.chat.peek().link : '')}>${t('microphone.again')}<//>
      <${Button} kind="quiet" data-do="home" onClick=${() => go(chats.chat.peek() && !chats.over.peek() ? 'chat' : 'home')}>${t('back')}<//>
    </div>
  `;
}

function CallView() {
  const [keys, setKeys] = useState(false);
  const [now, setNow] = useState(Date.now() / 1000);
  const current = calls.call.value;
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, []);
  if (calls.microphone.value) return html`<${Denied} />`;
  if (!current) return null;
  const ended = ['ended', 'failed'].includes(current.state);
  const words = status(current, now);
  const spoken = current.state === 'talking' ? t('call.talking') : words;
  return html`
    <div class=${`standing ${current.state}`}>
      <${Icon} name=${ended ? 'end' : calls.muted.value ? 'muted' : 'call'} />
      <p aria-hidden="true" data-part="standing" data-state=${current.state}>${words}</p>
      <p class="visually-hidden" role="status">${spoken}</p>
    </div>
    ${calls.lost.value && html`<${Notice} tone="warn">${t('call.lost')}<//>`}
    ${calls.silenced.value && html`<${Button} kind="primary" icon="loud" data-do="sound" onClick=${calls.sound}>${t('call.sound')}<//>`}
    ${
      ended
        ? html`<div class="ways">
            ${current.reason !== 'completed' && html`<${Button} kind="primary" icon="in" data-do="back" onClick=${() => go('back')}>${t('way.back')}<//>`}
            <${Button} data-do="home" onClick=${() => go(chats.chat.peek() && !chats.over.peek() ? 'chat' : 'home')}>${t('back')}<//>
          </div>`
        : html`
            <div class="acts">
              <${Button} icon=${calls.muted.value ? 'muted' : 'mic'} pressed=${calls.muted.value} data-do="mute" onClick=${() => calls.mute(!calls.muted.value)}>${t('call.mute')}<//>
              <${Button} icon="keypad" pressed=${keys} data-do="keypad" onClick=${() => setKeys(!keys)}>${t('call.keypad')}<//>
            </div>
            ${keys && html`<${Keypad} />`}
            <${Button} kind="bad" icon="end" data-do="hang-up" onClick=${calls.hangUp}>${t('call.hang_up')}<//>
            ${chats.chat.value && !chats.over.value && html`<${Button} kind="quiet" icon="keyboard" data-do="to-chat" onClick=${() => go('chat')}>${t('call.to_chat')}<//>`}
          `
    }
  `;
}

function Bubble({ message }) {
  const state = !message.position ? t('chat.sending') : message.mine && message.position <= chats.others.value.read ? t('chat.read') : '';
  return html`
    <li class=${message.mine ? 'mine' : 'theirs'}>
      <span class="visually-hidden">${message.mine ? t('chat.you') : message.name}: </span>
      ${!message.mine && html`<b aria-hidden="true">${message.name}</b>`}
      <p dir="auto">${message.deleted_at ? t('chat.deleted') : message.text}</p>
      <small>${message.sent_at ? time(message.sent_at) : ''} ${state}</small>
    </li>
  `;
}

function ChatView() {
  const log = useRef();
  const [text, setText] = useState('');
  const all = [...chats.messages.value, ...chats.outgoing.value.map((each) => ({ ...each, mine: true }))];
  useEffect(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
    chats.read();
  }, [all.length]);
  const send = (event) => {
    event.preventDefault();
    if (!text.trim()) return;
    chats.say(text.trim());
    setText('');
  };
  const key = (event) => event.key === 'Enter' && !event.shiftKey && !event.isComposing && send(event);
  const { here, typing } = chats.others.value;
  return html`
    <p class="fine" role="status" data-part="who">${chats.over.value ? t('chat.over') : !chats.up.value ? t('chat.away') : here.length ? t('chat.here', { name: here.join(', ') }) : t('chat.nobody_yet')}</p>
    ${chats.invited.value && !chats.over.value && html`<${Notice}>${t('chat.invited', { name: chats.invited.value })}<div class="acts"><${Button} kind="good" icon="call" data-do="call-now" onClick=${() => { chats.invited.value = ''; startCall(chats.chat.peek().link); }}>${t('chat.call_now')}<//></div><//>`}
    <ol class="log" ref=${log} role="log" aria-label=${t('chat.log')} tabindex="0">${all.map((message) => html`<${Bubble} key=${message.message_id} message=${message} />`)}</ol>
    <p class="fine typing" aria-live="off">${typing ? t('chat.typing') : ''}</p>
    ${
      chats.over.value
        ? html`<div class="ways"><${Button} data-do="home" onClick=${() => { chats.chat.value = null; go('home'); }}>${t('back')}<//></div>`
        : html`
            <form class="writing" onSubmit=${send}>
              <label class="visually-hidden" for="words">${t('chat.write')}</label>
              <textarea id="words" rows="2" maxlength="4000" placeholder=${t('chat.write')} value=${text} onKeyDown=${key}
                onInput=${(event) => { setText(event.currentTarget.value); chats.type(Boolean(event.currentTarget.value)); }}></textarea>
              <${Button} kind="primary" type="submit" data-do="send">${t('chat.send')}<//>
            </form>
            <div class="acts">
              ${!calls.isLive() && html`<${Button} small=${true} icon="call" data-do="chat-call" onClick=${() => startCall(chats.chat.peek().link)}>${t('way.call')}<//>`}
              ${calls.isLive() && html`<${Button} small=${true} icon="call" data-do="to-call" onClick=${() => go('call')}>${t('chat.to_call')}<//>`}
              <${Button} small=${true} kind="quiet" data-do="end-chat" onClick=${chats.leave}>${t('chat.end')}<//>
            </div>
          `
    }
  `;
}

function BackView() {
  const [number, setNumber] = useState('');
  const [seen, setSeen] = useState(null);
  const [at, setAt] = useState('');
  const [agreed, setAgreed] = useState(false);
  const idem = useRef(crypto.randomUUID());
  const now = desk.value instanceof Refusal ? null : desk.value;
  useEffect(() => {
    setSeen(null);
    if (number.replace(/\D/g, '').length < 6) return undefined;
    const timer = setTimeout(async () => {
      try {
        setSeen(await rest('GET', `/visits/number?${new URLSearchParams({ number })}`));
      } catch (refusal) {
        if (!(refusal instanceof Refusal)) throw refusal;
      }
    }, 700);
    return () => clearTimeout(timer);
  }, [number]);
  const soon = now?.open ?? false;
  const spans = (now?.windows ?? []).map(({ begins_at: begins, ends_at: ends }) => [String(begins), `${day(begins)}, ${time(begins)}–${time(ends)}`]);
  const options = [...(soon ? [['', t('back.soon')]] : []), ...spans];
  const chosen = at || options[0]?.[0] || '';
  const ask = (event) => {
    event.preventDefault();
    doing(async () => {
      const consent = t('back.consent');
      const wish = { queue: host.queue, number, consent, idem: idem.current, said: about(), language: language.peek(), at: chosen ? Number(chosen) : null };
      made.value = await rest('POST', '/visits/call-backs', wish);
      view.value = 'done';
    });
  };
  const bad = seen?.code ? (has(`error.${seen.code}`) ? t(`error.${seen.code}`) : explain(seen)) : '';
  return html`
    <form class="back" onSubmit=${ask}>
      <h2>${t('back.title')}</h2>
      <${Field} label=${t('back.number')} hint=${seen && !seen.code ? t('back.reads', { number: seen.e164 }) : t('back.hint')} error=${bad}>
        <input name="number" type="tel" autocomplete="tel" required maxlength="40" value=${number} onInput=${(event) => setNumber(event.currentTarget.value)} />
      <//>
      <${Field} label=${t('said.name')}><input name="name" autocomplete="name" maxlength="80" value=${said.value.name} onInput=${(event) => (said.value = { ...said.peek(), name: event.currentTarget.value })} /><//>
      ${options.length > 0 && html`<${Choice} name="at" label=${t('back.when')} value=${chosen} options=${options} onChange=${setAt} hint=${t('back.zone')} />`}
      <label class="agree"><input type="checkbox" name="consent" required checked=${agreed} onChange=${(event) => setAgreed(event.currentTarget.checked)} /><span>${t('back.consent')}</span></label>
      <${Wrong} />
      <div class="acts"><${Button} kind="primary" type="submit" busy=${busy.value} data-do="ask">${t('back.ask')}<//><${Button} kind="quiet" data-do="home" onClick=${() => go('home')}>${t('back')}<//></div>
    </form>
  `;
}

function Done() {
  const { number, at } = made.value;
  const words = at ? t('back.done_at', { number, day: day(at), time: time(at) }) : t('back.done', { number });
  return html`<${Notice} tone="good"><span role="status" data-part="done">${words}</span><//><div class="ways"><${Button} data-do="home" onClick=${() => go('home')}>${t('back')}<//></div>`;
}

const VIEWS = { home: Home, call: CallView, chat: ChatView, back: BackView, done: Done };

function Widget() {
  if (!language.value) return null;
  const now = desk.value;
  const title = now && !(now instanceof Refusal) ? now.title : t('title');
  const other = language.value === 'es' ? 'en' : 'es';
  return html`
    <header class="visit-head">
      <h1>${title}</h1>
      <button type="button" class="plain small" lang=${other} data-do="language" onClick=${() => speak(other).then(look)}>${other === 'es' ? 'Español' : 'English'}</button>
      <${Button} kind="quiet" icon="close" label=${t('hide')} data-do="hide" onClick=${() => tell('close')} />
    </header>
    <main id="main" class="visit" data-ready="true" data-view=${view.value}><${VIEWS[view.value]} /></main>
  `;
}

addEventListener('keydown', (event) => event.key === 'Escape' && tell('close'));

await speak(['en', 'es'].includes(host.lang) && !localStorage.getItem('centralita.language') ? host.lang : undefined);
effect(() => {
  if (language.value) document.title = t('title');
});
render(html`<${Widget} />`, document.getElementById('page'));
look();
await chats.resume();
if (chats.chat.value) view.value = 'chat';
