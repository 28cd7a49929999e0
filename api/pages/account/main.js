/** One's account: second factor, sessions, password; for administrators users and keys. */
import { effect } from '@preact/signals';
import { percent, stamp } from '../kit/formats.js';
import { $, frame, mindDoor, say, tell } from '../kit/still.js';
import { explain, t } from '../kit/words.js';
import * as link from '../js/link.js';
import { ask } from '../js/rest.js';
import { keep, pageLeft, session } from '../js/session.js';

const ROLES = ['agent', 'professional', 'supervisor', 'admin', 'service'];

let account = null;

/** On submit: the form's fields, which are emptied once it is done. */
function onSubmit(id, work, done) {
  const form = $(id);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    tell(async () => {
      await work(Object.fromEntries(new FormData(form)));
      form.reset();
    }, done);
  });
}

function row(list, words, ...buttons) {
  const item = document.createElement('li');
  const text = document.createElement('span');
  text.textContent = words;
  item.append(text);
  for (const [label, work] of buttons) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = label;
    button.setAttribute('aria-label', `${label}: ${words}`);
    button.addEventListener('click', () => tell(work));
    item.append(button);
  }
  list.append(item);
}

async function drawSessions() {
  const { sessions } = await ask('GET', '/api/v1/account/sessions');
  $('#sessions').replaceChildren();
  for (const each of sessions) {
    const words = t(each.this_one ? 'sessions.this_one' : 'sessions.row', { device: each.device, place: each.place, at: stamp(each.created_at) });
    const end = async () => {
      await ask('DELETE', `/api/v1/account/sessions/${each.session_id}`);
      await drawSessions();
    };
    row($('#sessions'), words, ...(each.this_one ? [] : [[t('sessions.end'), end]]));
  }
}

async function drawEvents() {
  const { events } = await ask('GET', '/api/v1/account/events');
  $('#events').replaceChildren();
  for (const each of events) {
    const by = each.by && t('events.by', { by: each.by });
    const words = [stamp(each.at), t(`event.${each.kind}`), each.device, each.address, by].filter(Boolean).join(' · ');
    row($('#events'), words);
  }
}

/** How calls of mine were judged, the newest first. */
async function drawScores() {
  const [{ cards }, { forms }] = [await ask('GET', `/api/v1/scorecards?limit=20&agent=${encodeURIComponent(account.identity)}`), await ask('GET', '/api/v1/scorecard-forms')];
  $('#scores').replaceChildren();
  if (!cards.length) row($('#scores'), t('scores.none'));
  for (const each of cards) {
    const form = forms.find((one) => one.form_id === each.form_id);
    const given = Object.entries(each.scores).map(([id, points]) => `${form?.criteria.find((one) => one.criterion_id === id)?.title ?? id}: ${points ?? '–'}`);
    const words = [stamp(each.at), form?.title ?? each.form_id, percent(each.total), given.join(', '), each.note].filter(Boolean).join(' · ');
    const read = async () => {
      await ask('POST', `/api/v1/scorecards/${each.card_id}/seen`);
      await drawScores();
    };
    row($('#scores'), words, ...(each.seen_at ? [] : [[t('scores.read'), read]]));
  }
}

async function drawUsers() {
  const { users } = await ask('GET', '/api/v1/users');
  $('#users').replaceChildren();
  for (const each of users) {
    const words = t(each.disabled ? 'users.row_disabled' : 'users.row', {
      identity: each.identity,
      name: each.name,
      role: t(`role.${each.role}`),
      teams: each.teams.join(', '),
    });
    const change = async () => {
      await ask('PUT', `/api/v1/users/${encodeURIComponent(each.identity)}`, { disabled: !each.disabled });
      await drawUsers();
    };
    row($('#users'), words, ...(each.identity === account.identity ? [] : [[t(each.disabled ? 'users.enable' : 'users.disable'), change]]));
  }
}

async function drawKeys() {
  const { keys } = await ask('GET', '/api/v1/keys');
  $('#keys').replaceChildren();
  for (const each of keys) {
    const words = t('keys.row', {
      prefix: each.prefix,
      name: each.name,
      identity: each.identity,
      scopes: each.scopes.join(', ') || t('keys.all_scopes'),
      until: each.expires_at ? stamp(each.expires_at) : t('keys.for_ever'),
      used: each.used_at ? stamp(each.used_at) : t('keys.never'),
    });
    const revoke = async () => {
      await ask('DELETE', `/api/v1/keys/${each.key_id}`);
      await drawKeys();
    };
    row($('#keys'), words, [t('keys.revoke'), revoke]);
  }
}

/** Everything anew. */
async function draw() {
  if (!session.peek()) return;
  account = await ask('GET', '/api/v1/account');
  $('#me-title').textContent = account.name;
  $('#me').textContent = t('me', { identity: account.identity, role: t(`role.${account.role}`), teams: account.teams.join(', ') || '–' });
  const on = account.second_factor;
  $('#factor-state').textContent = on ? t('factor.on', { left: account.recovery_codes_left }) : t('factor.off');
  $('#factor-begin').hidden = on;
  $('#factor-confirm').hidden = true;
  $('#factor-end').hidden = !on;
  $('#scores-part').hidden = !account.permissions.includes('scores.own');
  $('#users-part').hidden = !account.permissions.includes('users.manage');
  $('#keys-part').hidden = !account.permissions.includes('keys.manage');
  $('[name=role]').replaceChildren(...ROLES.map((role) => new Option(t(`role.${role}`), role)));
  await drawSessions();
  if ($('#events-part').open) await drawEvents();
  if ($('#scores-part').open) await drawScores();
  if (!$('#users-part').hidden) await drawUsers();
  if (!$('#keys-part').hidden) await drawKeys();
}

function listen() {
  onSubmit('#factor-begin', async (fields) => {
    const { secret, uri } = await ask('POST', '/api/v1/account/second-factor', fields);
    $('#factor-begin').hidden = true;
    $('#factor-confirm').hidden = false;
    $('#factor-secret').textContent = secret.match(/.{1,4}/g).join(' ');
    $('#factor-uri').href = uri;
  });
  onSubmit('#factor-confirm', async (fields) => {
    const { recovery_codes: codes } = await ask('POST', '/api/v1/account/second-factor/confirm', fields);
    await draw();
    $('#factor-codes').hidden = false;
    $('#factor-codes ul').replaceChildren(
      ...codes.map((code) => {
        const item = document.createElement('li');
        item.append(Object.assign(document.createElement('code'), { textContent: code }));
        return item;
      }),
    );
  });
  onSubmit('#factor-end', async (fields) => {
    await ask('POST', '/api/v1/account/second-factor/end', fields);
    $('#factor-codes').hidden = true;
    await draw();
  });
  onSubmit('#password', (fields) => ask('POST', '/api/v1/account/password', fields).then(drawSessions), 'password.done');
  onSubmit('#user', async ({ identity, name, role, teams, password }) => {
    const wanted = { role, teams: teams.split(/[\s,]+/).filter(Boolean), ...(name && { name }), ...(password && { password }) };
    await ask('PUT', `/api/v1/users/${encodeURIComponent(identity)}`, wanted);
    await drawUsers();
  }, 'users.saved');
  onSubmit('#key', async ({ identity, name, scopes, days }) => {
    const wanted = { identity, name, scopes: scopes.split(/[\s,]+/).filter(Boolean), expires_in: Number(days) * 86_400 };
    const made = await ask('POST', '/api/v1/keys', wanted);
    $('#key-made').hidden = false;
    $('#key-made code').textContent = made.key;
    await drawKeys();
  });
  $('[data-do=end-others]').addEventListener('click', () => tell(() => ask('DELETE', '/api/v1/account/sessions').then(drawSessions), 'sessions.ended'));
  $('#events-part').addEventListener('toggle', () => $('#events-part').open && tell(drawEvents));
  $('#scores-part').addEventListener('toggle', () => $('#scores-part').open && tell(drawScores));
}

/** Back from the issuer, or turned away there: the address says which, once. Who began it on another page goes on there. */
async function arrive() {
  const said = location.hash.slice(1);
  const left = pageLeft();
  history.replaceState(null, '', location.pathname);
  if (said === 'arrived') {
    await tell(async () => {
      keep(await ask('POST', '/api/v1/oidc/session', {}));
      if (left) location.replace(left);
    });
  }
  if (said.startsWith('refused=')) say(explain(said.slice('refused='.length)));
}

async function begin() {
  listen();
  await frame(() => document.body.dataset.ready && tell(draw));
  await arrive();
  mindDoor(draw);
  effect(() => {
    if (!session.value) link.close();
    else if (!link.isOpen()) link.open(() => {}, false);
  });
}

begin();
