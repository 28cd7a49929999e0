/** The consultation page: get a link, join by it, see and hear one another. The link's token is in the fragment, which no server is sent. */
import { Connection } from './connection.js';
import { explain, mindLanguage, mindTheme, t } from './text.js';
import { Tiles } from './tiles.js';

const VIEWS = ['invite', 'enter', 'room', 'over'];
const KEPT = 'centralita.consultation.name';
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const RETRY_MS = 2_000;
const RETRIES = 5;
/** Ends after which another connection helps, a moment later. */
const PASSING = new Set(['lost', 'worker_full', 'stopping', 'consultation_lost']);

const $ = (selector) => document.querySelector(selector);
const button = (name) => $(`[data-do="${name}"]`);
const token = () => location.hash.slice(1);

let connection = null;
let microphone = null;
let camera = null;
let screen = null;
let known = new Map();
let retries = 0;

const tiles = new Tiles($('#tiles'), (track) => (track === 'screen' ? screen : camera), measure);

function show(name) {
  for (const view of VIEWS) $(`#${view}`).hidden = view !== name;
  document.body.dataset.view = name;
}

const say = (text) => ($('#said').textContent = text);

function draw() {
  if (!connection) return;
  tiles.draw(connection);
  for (const [name, track] of Object.entries({ microphone: microphone?.enabled, camera, screen })) {
    button(name).ariaPressed = String(Boolean(track));
  }
  measure();
}

/** Tell the server what is to be seen, a moment after the last change. */
let timer = 0;
function measure() {
  clearTimeout(timer);
  timer = setTimeout(() => connection?.person && connection.watch(tiles.watched(connection.person)), 100);
}

// --- a new link --------------------------------------------------------------------------------------------------------------------

async function post(path, body, headers = {}) {
  const answer = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail), { code: told.error?.code });
  return told;
}

async function invite(event) {
  event.preventDefault();
  const form = new FormData($('#invite'));
  try {
    const session = await post('/api/sign-in', { user: form.get('user'), password: form.get('password') });
    const link = await post('/api/consultations', {}, { Authorization: `Bearer ${session.token}` });
    $('#address').value = `${location.origin}/consultation#${link.token}`;
    $('#link').hidden = false;
    $('#invite [name=password]').value = '';
    say('');
  } catch (refusal) {
    say(explain(refusal.code));
  }
}

async function copy() {
  await navigator.clipboard.writeText($('#address').value);
  say(t('link.copied'));
}

// --- coming in ---------------------------------------------------------------------------------------------------------------------

async function prepare() {
  show('enter');
  $('#enter [name=name]').value = localStorage.getItem(KEPT) ?? '';
  $('#devices').textContent = t('devices.asked');
  for (const wanted of [{ audio: true, video: CAMERA }, { audio: true }, { video: CAMERA }]) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      [microphone = null] = stream.getAudioTracks();
      [camera = null] = stream.getVideoTracks();
      break;
    } catch {
      continue;
    }
  }
  $('#preview').srcObject = camera ? new MediaStream([camera]) : null;
  $('#devices').textContent = t(camera ? 'devices.all' : microphone ? 'devices.no_camera' : 'devices.none');
}

function join(event) {
  event?.preventDefault();
  const name = $('#enter [name=name]').value.trim();
  if (!name) return;
  localStorage.setItem(KEPT, name);
  show('room');
  say(t('said.connecting'));
  connect(name);
}

function connect(name) {
  known = new Map();
  const made = (connection = new Connection(token(), name));
  window.consultation = made;
  made.speak(microphone);
  if (camera) made.send('camera', camera);
  if (screen) made.send('screen', screen);
  made.addEventListener('people', ({ detail }) => meet(detail));
  made.addEventListener('welcome', () => {
    retries = 0;
    made.say({ type: 'microphone', on: Boolean(microphone?.enabled) });
  });
  made.addEventListener('shown', draw);
  made.addEventListener('speaker', ({ detail }) => {
    tiles.speaker = detail;
    draw();
  });
  made.addEventListener('refused', ({ detail }) => say(explain(detail)));
  made.addEventListener('state', ({ detail }) => {
    document.body.dataset.media = detail;
    if (detail === 'failed') made.close('lost');
  });
  made.addEventListener('over', ({ detail }) => over(made, detail, name));
  $('#sound').srcObject = new MediaStream([made.audio.receiver.track]);
}

function meet(people) {
  const now = new Map(people.map((person) => [person.id, person.name]));
  const others = (names) => [...names].filter(([id]) => id !== connection.person);
  const came = others(now).filter(([id]) => !known.has(id));
  const gone = others(known).filter(([id]) => !now.has(id));
  if (came.length) say(t('said.joined', { name: came[0][1] }));
  else if (gone.length) say(t('said.left', { name: gone[0][1] }));
  else if (now.size === 1) say(t('said.alone'));
  known = now;
  tiles.people = people;
  draw();
}

function over(made, code, name) {
  if (made !== connection) return;
  connection = null;
  tiles.people = [];
  if (PASSING.has(code) && retries < RETRIES) {
    retries += 1;
    say(code === 'lost' ? t('said.lost') : explain(code));
    setTimeout(() => connection ?? connect(name), RETRY_MS);
    return;
  }
  for (const track of [microphone, camera, screen]) track?.stop();
  microphone = camera = screen = null;
  show('over');
  say(code === 'left' ? '' : explain(code));
}

// --- the bar -----------------------------------------------------------------------------------------------------------------------

function toggleMicrophone() {
  if (!microphone) return;
  microphone.enabled = !microphone.enabled;
  connection?.say({ type: 'microphone', on: microphone.enabled });
  draw();
}

async function toggleCamera() {
  if (camera) {
    camera.stop();
    camera = null;
  } else {
    try {
      [camera] = (await navigator.mediaDevices.getUserMedia({ video: CAMERA })).getVideoTracks();
    } catch {
      say(t('devices.no_camera'));
      return;
    }
  }
  await connection?.send('camera', camera);
  draw();
}

async function toggleScreen() {
  if (screen) {
    screen.stop();
    screen = null;
  } else {
    try {
      [screen] = (await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 } })).getVideoTracks();
    } catch {
      say(t('error.screen'));
      return;
    }
    const shared = screen;
    shared.contentHint = 'detail';
    shared.addEventListener('ended', () => shared === screen && toggleScreen());
  }
  await connection?.send('screen', screen);
  draw();
}

const DO = {
  copy,
  open: () => {
    location.hash = new URL($('#address').value).hash;
  },
  microphone: toggleMicrophone,
  camera: toggleCamera,
  screen: toggleScreen,
  leave: () => connection?.close('left'),
  again: () => location.reload(),
};

for (const [name, act] of Object.entries(DO)) button(name).addEventListener('click', act);
$('#invite').addEventListener('submit', invite);
$('#enter').addEventListener('submit', join);
document.addEventListener('visibilitychange', measure);
addEventListener('hashchange', () => location.reload());
addEventListener('pagehide', () => connection?.close('left'));
mindTheme($('#theme'));
await mindLanguage($('#language'), draw);
if (token()) prepare();
else show('invite');
