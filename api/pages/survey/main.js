/** A survey by link: one question on the screen at a time, each answer kept at once, all of them open to change until it is over. */
import { notation } from '../kit/formats.js';
import { speak, t } from '../kit/words.js';
import { $, frame, say, tell } from '../kit/still.js';
import { ask } from '../js/rest.js';

const SCALES = {
  csat: { least: 1, most: 5, ends: ['least.csat', 'most.csat'], asked: { call: 'asked.csat.call', consultation: 'asked.csat.consultation' } },
  nps: { least: 0, most: 10, ends: ['least.nps', 'most.nps'], asked: { call: 'asked.nps', consultation: 'asked.nps' } },
  effort: { least: 1, most: 7, ends: ['least.effort', 'most.effort'], asked: { call: 'asked.effort', consultation: 'asked.effort' } },
};

const token = location.hash.slice(1);
let survey = null;
/** The question on the screen; behind the last of them come the words, then the thanks. */
let place = 0;

function scoreOf(value, scale) {
  const label = document.createElement('label');
  const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'score', value, checked: survey.answers[scale] === value });
  label.append(input, String(value));
  return label;
}

function drawQuestion(scale) {
  const { least, most, ends, asked } = SCALES[scale];
  $('#place').textContent = t('place', { place: place + 1, count: survey.questions.length });
  $('#asked').textContent = t(asked[survey.after]);
  $('#scores').replaceChildren(...Array.from({ length: most - least + 1 }, (_, step) => scoreOf(least + step, scale)));
  $('#least').textContent = t(ends[0]);
  $('#most').textContent = t(ends[1]);
  $('#question [data-do=back]').hidden = place === 0;
}

function draw() {
  if (!survey) return;
  const scale = survey.questions[place];
  $('#question').hidden = !scale;
  $('#words').hidden = place !== survey.questions.length;
  $('#thanks').hidden = place <= survey.questions.length;
  if (scale) drawQuestion(scale);
  const until = new Date(survey.expires_at * 1000).toLocaleString(notation(), { dateStyle: 'long', timeStyle: 'short' });
  $('#until').textContent = t('thanks.until', { when: until });
}

function goTo(next) {
  say('');
  place = next;
  draw();
  document.querySelector('form:not([hidden]) h2, section:not([hidden]) h2').focus();
}

async function answer(event) {
  event.preventDefault();
  const score = new FormData($('#question')).get('score');
  if (score === null) {
    say(t('choose'));
    return;
  }
  await tell(async () => {
    survey = await ask('PUT', '/api/v1/surveys/answers', { token, answers: { [survey.questions[place]]: Number(score) } });
    goTo(place + 1);
  });
}

async function send(event) {
  event.preventDefault();
  await tell(async () => {
    survey = await ask('PUT', '/api/v1/surveys/answers', { token, comment: $('#words').comment.value, done: true });
    goTo(place + 1);
  });
}

async function refuse() {
  await tell(async () => {
    await ask('POST', '/api/v1/surveys/refusal', { token });
    $('[data-do=refuse]').hidden = true;
    say(t('refused'));
  });
}

async function begin() {
  await frame(draw);
  await tell(async () => {
    survey = await ask('POST', '/api/v1/surveys/open', { token });
    $('#words').comment.value = survey.comment;
    if (survey.language !== document.documentElement.lang) await speak(survey.language);
    else draw();
  });
  $('#question').addEventListener('submit', answer);
  $('#words').addEventListener('submit', send);
  for (const back of document.querySelectorAll('[data-do=back]')) back.addEventListener('click', () => goTo(place - 1));
  $('[data-do=again]').addEventListener('click', () => goTo(0));
  $('[data-do=refuse]').addEventListener('click', refuse);
  document.body.dataset.ready = 'true';
}

begin();
