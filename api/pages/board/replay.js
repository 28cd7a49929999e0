/**
 * A call once more: its measured seconds, what happened and its recording, in step. The moment is moved by the slider, by the clock while
 * it plays, or by the next bad moment; what each hop was like then stands in words.
 */
import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { length, number, percent } from '../kit/formats.js';
import { badSpans, byLeg, hopsAt, lastAt } from './hops.js';
import { Badge, Button, Card, Notice, Table, explain, html, session, t } from './kit.js';
import { wayWords } from './ladder.js';
import { Mos } from './rows.js';

const SPEEDS = [1, 4, 16];
const STEP_S = 1;
const LEAP_S = 10;
/** The moment is drawn so often at most. */
const DRAWN_EVERY_MS = 200;
/** The sound is set right when it is so far off the moment. */
const OFF_S = 0.4;
const WIDE = 1_000;

const clamped = (value, low, high) => Math.min(high, Math.max(low, value));
const ofLoss = (loss) => (loss === null || loss === undefined ? '–' : percent(loss));
const ofNumber = (value, unit) => (value === null || value === undefined ? '–' : `${number(value)} ${unit}`);

/** The recording whose part holds this moment, where its sound was fetched. */
const soundAt = (sounds, at) => sounds.find(({ part }) => part.started_at <= at && at < part.ended_at);

/** Which call page looks at which moment, for its charts. */
export const looked = signal(null);

function Marks({ from, to, spans, events }) {
  const place = (at) => (WIDE * (clamped(at, from, to) - from)) / (to - from || 1);
  return html`
    <svg class="replay-marks" viewBox=${`0 0 ${WIDE} 20`} preserveAspectRatio="none" aria-hidden="true" dir="ltr">
      <rect class="whole" x="0" y="6" width=${WIDE} height="8" />
      ${spans.map(([begin, end]) => html`<rect key=${begin} class="bad" x=${place(begin)} y="2" width=${Math.max(3, place(end) - place(begin))} height="16" />`)}
      ${events.map((event) => html`<rect key=${event.seq} class="event" x=${place(event.at)} y="0" width="2" height="20" />`)}
    </svg>
  `;
}

/** What was so at a moment. */
function State({ at, from, legs, events, paths }) {
  const hops = hopsAt(legs, at);
  const bad = hops.filter((hop) => hop.bad);
  const path = lastAt(paths, at);
  const before = events.filter((event) => event.at <= at + 0.5).slice(-3);
  const words = bad.length ? bad.map((hop) => t('fault', { hop: t(`hop.${hop.hop}`), cause: t(`cause.${hop.cause}`) })).join(' ') : hops.some((hop) => hop.measured) ? t('replay.fine') : t('replay.unmeasured');
  const columns = [
    { id: 'hop', title: t('replay.hop'), draw: (hop) => t(`hop.${hop.hop}`) },
    { id: 'mos', title: 'MOS', end: true, draw: (hop) => html`<${Mos} mos=${hop.mos} />` },
    { id: 'loss', title: t('chart.loss'), end: true, draw: (hop) => ofLoss(hop.loss) },
    { id: 'jitter', title: t('chart.jitter'), end: true, draw: (hop) => ofNumber(hop.jitter_ms, 'ms') },
    { id: 'round_trip', title: t('chart.round_trip'), end: true, draw: (hop) => ofNumber(hop.round_trip_ms, 'ms') },
    { id: 'level', title: t('chart.level'), end: true, draw: (hop) => ofNumber(hop.level_dbfs, 'dBFS') },
    { id: 'cause', title: t('replay.cause'), draw: (hop) => (hop.bad ? html`<${Badge} tone="bad">${t(`cause.${hop.cause}`)}<//>` : hop.measured ? t(`cause.${hop.cause || 'unclassified'}`) : t('unmeasured')) },
  ];
  return html`
    <p class="verdict-line" data-part="replay-words" data-bad=${bad.length > 0 ? 'true' : null}>${words}</p>
    <${Table} caption=${t('replay.state')} columns=${columns} rows=${hops} id=${(hop) => hop.hop + hop.side} />
    <p class="fine">${path ? t('replay.path', { way: wayWords(path) }) : ''}</p>
    <ul class="replay-events" data-part="replay-events">${before.map((event) => html`<li key=${event.seq}>+${length(event.at - from)} · ${t(`event.${event.what}`)} ${event.party}</li>`)}</ul>
  `;
}

/** Fetch the sound of all parts. Raises nothing: what went wrong is said. */
async function fetchedSounds(parts) {
  const sounds = [];
  for (const part of parts) {
    const answer = await fetch(`/api/v1/recordings/${encodeURIComponent(part.recording_id)}?as=wav`, { headers: { authorization: `Bearer ${session.peek()?.token}` } }).catch(() => null);
    if (!answer?.ok) return { sounds, wrong: explain((await answer?.json().catch(() => null))?.error?.code ?? 'server_unreachable') };
    sounds.push({ part, url: URL.createObjectURL(await answer.blob()) });
  }
  return { sounds, wrong: '' };
}

/** The sound that belongs to the moment, in step with it. */
function Sound({ sounds, at, playing, speed }) {
  const audio = useRef();
  const sound = soundAt(sounds, at);
  useEffect(() => {
    const element = audio.current;
    if (!element || !sound) return;
    const wanted = at - sound.part.started_at;
    if (Math.abs(element.currentTime - wanted) > OFF_S * speed) element.currentTime = wanted;
    element.playbackRate = speed;
    if (playing && element.paused) element.play().catch(() => {});
    if (!playing && !element.paused) element.pause();
  });
  return sound ? html`<audio ref=${audio} key=${sound.url} src=${sound.url} data-part="replay-sound"></audio>` : null;
}

export function Replay({ from, to, seconds, events, paths, parts }) {
  const [at, setAt] = useState(from);
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [busy, setBusy] = useState(false);
  const [heard, setHeard] = useState({ sounds: [], wrong: '' });
  const legs = useMemo(() => byLeg(seconds), [seconds]);
  const spans = useMemo(() => badSpans(seconds), [seconds]);
  const ended = parts.filter((part) => part.ended_at && !part.erased_at);
  const go = (moment) => setAt(clamped(moment, from, to));
  useEffect(() => {
    looked.value = at;
  }, [at]);
  useEffect(() => () => (looked.value = null), []);
  useEffect(() => () => heard.sounds.forEach(({ url }) => URL.revokeObjectURL(url)), [heard]);
  useEffect(() => {
    if (!playing) return undefined;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      const gone = ((now - last) / 1_000) * speed;
      last = now;
      setAt((before) => clamped(before + gone, from, to));
    }, DRAWN_EVERY_MS);
    return () => clearInterval(timer);
  }, [playing, speed, from, to]);
  useEffect(() => {
    if (playing && at >= to) setPlaying(false);
  }, [playing, at, to]);
  const turn = () => {
    if (!playing && at >= to) go(from);
    setPlaying(!playing);
  };
  const onKey = (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
    if (event.key === ' ') turn();
    else if (way) go(at + way * (event.shiftKey ? LEAP_S : STEP_S));
    else return;
    event.preventDefault();
  };
  const nextBad = () => {
    const next = spans.find(([begin]) => begin > at + 0.5) ?? spans[0];
    if (next) go(next[0]);
  };
  const listen = async () => {
    setBusy(true);
    setHeard(await fetchedSounds(ended));
    setBusy(false);
  };
  const said = t('replay.at', { at: length(at - from), of: length(to - from) });
  return html`
    <${Card} title=${t('replay.title')} level=${3} data-part="replay" data-playing=${playing ? 'true' : null}>
      <p class="fine">${t('replay.explained')}</p>
      <${Marks} from=${from} to=${to} spans=${spans} events=${events} />
      <input type="range" class="replay-slider" data-field="moment" min="0" max=${Math.ceil(to - from)} step="1" value=${Math.round(at - from)} aria-label=${t('replay.moment')} aria-valuetext=${said}
        onInput=${(event) => go(from + event.currentTarget.valueAsNumber)} onKeyDown=${onKey} />
      <div class="acts">
        <${Button} kind="primary" data-do="replay-play" onClick=${turn}>${playing ? t('replay.pause') : t('replay.play')}<//>
        <span role="group" aria-label=${t('replay.speed')} class="switch">${SPEEDS.map((each) => html`<${Button} key=${each} small data-speed=${each} pressed=${speed === each} onClick=${() => setSpeed(each)}>×${each}<//>`)}</span>
        <${Button} small data-do="replay-bad" disabled=${!spans.length} onClick=${nextBad}>${t('replay.bad')}<//>
        ${ended.length > 0 && !heard.sounds.length && html`<${Button} small data-do="replay-sound" busy=${busy} onClick=${listen}>${t('replay.sound')}<//>`}
        <span class="replay-at" data-part="replay-at">${said}</span>
      </div>
      ${heard.wrong && html`<${Notice} tone="warn">${heard.wrong}<//>`}
      <${Sound} sounds=${heard.sounds} at=${at} playing=${playing} speed=${speed} />
      <${State} at=${at} from=${from} legs=${legs} events=${events} paths=${paths} />
    <//>
  `;
}
