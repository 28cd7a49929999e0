/** The knowledge base beside a call: words in, articles out, one of them read without leaving the call. */
import { useEffect, useState } from 'preact/hooks';
import { explain, language, t } from '../catalogue.js';
import { markdown } from '../markdown.js';
import { ask as rest } from '../rest.js';
import { html } from './html.js';

const FEW = 5;
const HESITATION_MS = 250;

const Marked = ({ parts }) => parts.map((part) => (part.hit ? html`<mark>${part.text}</mark>` : part.text));

/** The text as nodes that are no view's. */
function Body({ article, onBack }) {
  const show = (node) => node?.replaceChildren(...markdown(article.text, 4));
  return html`
    <article lang=${article.language} aria-labelledby="article-title" data-article=${article.article_id}>
      <h4 id="article-title">${article.title}</h4>
      <div class="article-text" ref=${show}></div>
      <p class="picker-row" lang=${language.value}>
        <button type="button" class="small" data-do="articles-back" onClick=${onBack}>${t('articles.back')}</button>
        <a href=${`/articles#${article.article_id}`} target="_blank" rel="opener">${t('articles.page')}</a>
      </p>
    </article>
  `;
}

export function Articles({ callId }) {
  const [words, setWords] = useState('');
  const [found, setFound] = useState(null);
  const [article, setArticle] = useState(null);
  const [refusal, setRefusal] = useState(null);
  const tell = (work) => work().then(() => setRefusal(null), setRefusal);
  useEffect(() => {
    if (!words.trim()) {
      setFound(null);
      return undefined;
    }
    let late = false;
    const look = async () => {
      const query = new URLSearchParams({ q: words.slice(0, 200), limit: FEW });
      const hits = await rest('GET', `/api/v1/articles?${query}`);
      if (!late) setFound(hits);
    };
    const timer = setTimeout(() => tell(look), HESITATION_MS);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [words]);
  const read = (hit) => tell(async () => setArticle(await rest('GET', `/api/v1/articles/${hit.article_id}`)));
  const id = `articles-${callId}`;
  return html`
    <details class="details" data-part="articles">
      <summary>${t('articles.title')}</summary>
      ${article
        ? html`<${Body} article=${article} onBack=${() => setArticle(null)} />`
        : html`
            <label for=${id}>${t('articles.search')}</label>
            <input id=${id} type="search" value=${words} maxlength="200" autocomplete="off" onInput=${(event) => setWords(event.currentTarget.value)} />
            <p class="fine" role="status">${found && !found.hits.length ? t('articles.none') : found && !found.all_words ? t('articles.some') : ''}</p>
            <ul class="plain-list">
              ${(found?.hits ?? []).map(
                (hit) => html`
                  <li lang=${hit.language} data-hit=${hit.article_id}>
                    <button type="button" class="small" data-do="read-article" onClick=${() => read(hit)}><span><${Marked} parts=${hit.title} /></span></button>
                    <p class="fine"><${Marked} parts=${hit.snippet} /></p>
                  </li>
                `,
              )}
            </ul>
          `}
      ${refusal && html`<p class="notice bad" role="alert">${explain(refusal)}</p>`}
    </details>
  `;
}
