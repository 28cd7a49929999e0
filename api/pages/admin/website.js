/** What a site needs to show the visitors' button: one line to copy, and whether this server lets it. */
import { signal } from '@preact/signals';
import { ask, explain, html, Refusal, say, t } from '../kit/page.js';
import { Button, Choice, Field, Notice } from '../kit/parts.js';
import { usePicture } from './numbers.js';

const queue = signal('');
const language = signal('es');
/** What the server says of the queue: its state, or the `Refusal`. */
const found = signal(null);

const snippet = () => `<script src="${location.origin}/widget.js" data-queue="${queue.value.trim()}" data-lang="${language.value}" async></script>`;

async function look(event) {
  event.preventDefault();
  try {
    found.value = await ask('GET', `/api/v1/visits/desk?${new URLSearchParams({ queue: queue.value.trim(), language: language.value })}`);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    found.value = refusal;
  }
}

async function copy() {
  await navigator.clipboard.writeText(snippet());
  say(t('website.copied'));
}

function Found() {
  const now = found.value;
  if (!now) return null;
  if (now instanceof Refusal) return html`<${Notice} tone="bad">${explain(now)} ${now.code === 'widget_off' && t('website.off')}<//>`;
  return html`
    <${Notice} tone="good">${t('website.reached', { title: now.title })} ${t(now.open ? 'website.open' : 'website.closed')}<//>
    <pre class="website-line" tabindex="0" data-part="snippet">${snippet()}</pre>
    <div class="acts"><${Button} kind="primary" data-do="copy" onClick=${copy}>${t('website.copy')}<//></div>
  `;
}

export default function Website() {
  const { data } = usePicture();
  return html`
    <form class="website-form" onSubmit=${look}>
      <${Field} label=${t('website.queue')} hint=${t('website.queue_hint')}><input name="queue" list="website-queues" required maxlength="64" pattern="[A-Za-z0-9_.\\-]+" value=${queue.value} onInput=${(event) => { queue.value = event.currentTarget.value; found.value = null; }} /><//>
      <datalist id="website-queues">${(data?.queues ?? []).map((each) => html`<option key=${each.name} value=${each.name}>${each.titles?.[language.value] ?? each.name}</option>`)}</datalist>
      <${Choice} name="language" label=${t('website.language')} value=${language.value} options=${[['es', 'Español'], ['en', 'English']]} onChange=${(each) => (language.value = each)} />
      <div class="acts"><${Button} kind="primary" type="submit" data-do="look">${t('website.look')}<//></div>
    </form>
    <${Found} />
    <p class="fine">${t('website.limits')}</p>
  `;
}
