/** The last page: what it was, how it was (one rating for each link), and where one books again. */
import { explain, t } from '../kit/words.js';
import { moment } from './times.js';

const BEST = 5;
const $ = (selector) => document.querySelector(selector);

export class Ending {
  /** `post(path, body)` asks the server; `link()`: the link by which one came, or ''. */
  constructor(post, link) {
    Object.assign(this, { post, link });
    this.score = 0;
    for (let score = 1; score <= BEST; score += 1) {
      const label = document.createElement('label');
      const box = Object.assign(document.createElement('input'), { type: 'radio', name: 'score', value: String(score), required: true });
      label.append(box, Object.assign(document.createElement('span'), { textContent: String(score) }));
      $('#scores').append(label);
    }
    $('#rate').addEventListener('submit', (event) => this.send(event));
  }

  /** `was`: `{names, since, until}` of a conversation that took place, or null. */
  draw(was, canBook) {
    $('#over-was').hidden = !was;
    const minutes = was ? Math.max(1, Math.round((was.until - was.since) / 60)) : 0;
    $('#over-was').textContent = was ? t('over.was', { names: was.names, time: moment(was.since), minutes }) : '';
    $('#rate').hidden = !was || !this.link() || Boolean(this.score);
    $('#rated').textContent = this.score ? t('rate.thanks') : '';
    $('#rebook').hidden = !canBook;
  }

  async send(event) {
    event.preventDefault();
    const form = new FormData($('#rate'));
    const language = document.documentElement.lang.startsWith('es') ? 'es' : 'en';
    try {
      await this.post('/api/v1/surveys/ratings', { link: this.link(), score: Number(form.get('score')), comment: form.get('comment').trim(), language });
    } catch (refusal) {
      $('#rated').textContent = explain(refusal.code);
      return;
    }
    this.score = Number(form.get('score'));
    $('#rate').hidden = true;
    $('#rated').textContent = t('rate.thanks');
  }
}
