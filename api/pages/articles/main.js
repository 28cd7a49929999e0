/** The knowledge base: look something up, read it; for administrators, write it. */
import { stamp as when } from '../kit/formats.js';
import { t } from '../kit/words.js';
import { $, frame, mindDoor, say, tell } from '../kit/still.js';
import { marked, markdown } from '../js/markdown.js';
import { ask } from '../js/rest.js';
import { session } from '../js/session.js';

let shown = null;
const writes = () => session.peek()?.role === 'admin';

function made(tag, children, more = {}) {
  const element = Object.assign(document.createElement(tag), more);
  element.append(...children);
  return element;
}

function rowOf(hit) {
  const about = [t({ en: 'language.en', es: 'language.es' }[hit.language]), ...hit.tags, hit.published ? '' : t('draft')].filter(Boolean).join(' · ');
  const link = made('a', marked(hit.title), { href: `#${hit.article_id}`, lang: hit.language });
  const snippet = made('p', marked(hit.snippet), { lang: hit.language });
  return made('li', [link, snippet, made('span', [about], { className: 'fine' })]);
}

async function search() {
  if (!session.peek()) return;
  const { q, language } = $('#search').elements;
  const { hits, all_words } = await ask('GET', `/api/v1/articles?${new URLSearchParams({ q: q.value, language: language.value, limit: 20 })}`);
  $('#found').replaceChildren(...hits.map(rowOf));
  $('#none').hidden = hits.length > 0;
  $('#some').hidden = all_words || !hits.length;
  $('[data-do=write]').hidden = !writes();
}

async function read() {
  const id = location.hash.slice(1);
  shown = null;
  $('#article').hidden = true;
  if (!session.peek() || !id) return;
  shown = await ask('GET', `/api/v1/articles/${encodeURIComponent(id)}`);
  $('#article').lang = shown.language;
  $('#article-title').textContent = shown.title;
  const about = t('about', { version: shown.version, who: shown.changed_by, when: when(shown.changed_at) });
  $('#article-about').textContent = [about, shown.published ? '' : t('draft')].filter(Boolean).join(' · ');
  $('#article-about').lang = document.documentElement.lang;
  $('#article-text').replaceChildren(...markdown(shown.text));
  for (const act of ['edit', 'remove']) $(`[data-do=${act}]`).hidden = !writes();
  $('#edit').hidden = true;
  $('#article').hidden = false;
  $('#article-title').focus();
}

const preview = () => $('#preview').replaceChildren(...markdown($('#edit').elements.text.value));

function edit(article) {
  const { title, language, tags, text, published } = $('#edit').elements;
  title.value = article?.title ?? '';
  language.value = article?.language ?? document.documentElement.lang;
  tags.value = article?.tags.join(' ') ?? '';
  text.value = article?.text ?? '';
  published.checked = article?.published ?? false;
  $('#article').hidden = true;
  $('#edit').hidden = false;
  preview();
  $('#edit-title').focus();
}

/** A new article, whatever is being read. */
function write() {
  shown = null;
  history.replaceState(null, '', location.pathname);
  edit(null);
}

async function save(event) {
  event.preventDefault();
  const { title, language, tags, text, published } = $('#edit').elements;
  const body = {
    title: title.value, text: text.value, language: language.value, tags: tags.value.split(/\s+/).filter(Boolean), published: published.checked,
    version: shown?.version ?? 0,
  };
  await tell(async () => {
    const kept = shown ? await ask('PUT', `/api/v1/articles/${shown.article_id}`, body) : await ask('POST', '/api/v1/articles', body);
    await search();
    if (location.hash === `#${kept.article_id}`) await read();
    else location.hash = kept.article_id;
    say(t('saved'));
  });
}

async function remove() {
  if (!confirm(t('remove.sure', { title: shown.title }))) return;
  await tell(async () => {
    await ask('DELETE', `/api/v1/articles/${shown.article_id}`);
    location.hash = '';
    await search();
    say(t('removed'));
  });
}

function leave() {
  $('#edit').hidden = true;
  $('#article').hidden = !shown;
}

async function draw() {
  await search();
  await read();
}

function shut() {
  $('#found').replaceChildren();
  $('#edit').hidden = true;
}

async function begin() {
  await frame(() => document.body.dataset.ready && tell(draw));
  $('#search').addEventListener('submit', (event) => {
    event.preventDefault();
    tell(search);
  });
  $('#edit').addEventListener('submit', save);
  $('#edit').elements.text.addEventListener('input', preview);
  $('[data-do=write]').addEventListener('click', write);
  $('[data-do=edit]').addEventListener('click', () => edit(shown));
  $('[data-do=remove]').addEventListener('click', remove);
  $('[data-do=leave]').addEventListener('click', leave);
  addEventListener('hashchange', () => tell(read));
  mindDoor(draw, shut);
}

begin();
