/** One call with all that is known of it: how each hop was, second by second, what happened, what SIP said, and its recording. */
import { effect } from '@preact/signals';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Telephone } from '../kit/telephone.js';
import { Timeline } from '../kit/chart.js';
import { brief, clock as clockTime, length, number, time } from '../kit/formats.js';
import { Refusal, session } from '../js/session.js';
import { Actions } from './actions.js';
import { Badge, Button, Card, Empty, Skeleton, Table, ask, explain, has, html, t } from './kit.js';
import { Ladder, Paths } from './ladder.js';
import { calls, clock, ids, titleOf } from './live.js';
import { meansWords } from './means.js';
import { Legs } from './panel.js';
import { Replay, looked } from './replay.js';
import { Mos, fault } from './rows.js';

/** Points of one line: of a longer call each is the worst of a few seconds. */
const MOST_POINTS = 600;
/** A running call's chart is made anew so often, and between that only its lines grow. */
const AHEAD_S = 30;
const LIVE_KEPT = 4 * 3_600;
/** What a call came to is written within so long after its end; until then it is asked for again, so often at most. */
const WRITTEN_S = 5;
const AGAIN_MS = 2_000;
const MOST_TURNS = 3;

/** What a chart shows: `[name, unit, digits, of a second from there, of a second to there, lower is worse]`. */
const CHARTS = [
  ['mos', '', (second) => second.mos, (second) => second.far_mos, true],
  ['loss', '%', (second) => share(second.loss), (second) => share(second.hop_loss), false],
  ['jitter', 'ms', (second) => second.jitter_ms, (second) => second.far_jitter_ms, false],
  ['round_trip', 'ms', (second) => second.round_trip_ms, null, false],
  ['level', 'dBFS', (second) => second.level_dbfs, null, true],
];
/** Whole scales, so that a small dip is drawn small; the others are as their values are. */
const SCALES = { mos: [1, 5] };
const share = (fraction) => (fraction === null || fraction === undefined ? null : 100 * fraction);
const rounded = (value) => (value === null || value === undefined ? null : Math.round(value * 100) / 100);

/** The worst of each few seconds, and null where none of them was measured. */
function thinned(points, low) {
  const step = Math.ceil(points.length / MOST_POINTS);
  if (step <= 1) return points;
  const kept = [];
  for (let at = 0; at < points.length; at += step) {
    const values = points.slice(at, at + step).map(([, value]) => value).filter((value) => value !== null);
    kept.push([points[at][0], values.length ? Math[low ? 'min' : 'max'](...values) : null]);
  }
  return kept;
}

/** Lines by leg, a way each. `side`: agent or phone, and of several their number. */
function linesOf(samples, [, unit, from, to, low]) {
  const legs = new Map();
  for (const second of samples) {
    if (!legs.has(second.leg_id)) legs.set(second.leg_id, []);
    legs.get(second.leg_id).push(second);
  }
  const seen = {};
  return [...legs.values()].flatMap((seconds) => {
    const side = seconds[0].kind === 'peer' ? 'agent' : 'phone';
    seen[side] = (seen[side] ?? 0) + 1;
    const name = `${t(`side.${side}`)}${seen[side] > 1 ? ` ${seen[side]}` : ''}`;
    const line = (of, way) => ({ words: to ? t(`line.${way}`, { side: name }) : name, unit, points: thinned(seconds.map((second) => [second.at, rounded(of(second))]), low) });
    const both = to ? [line(from, 'from'), line(to, 'to')] : [line(from, 'from')];
    return both.filter(({ points }) => points.some(([, value]) => value !== null));
  });
}

/** A second of a running call as the board tells it, in the names of what is kept. */
const asKept = (leg, at) => ({
  ...leg,
  leg_id: `live-${leg.side}`,
  kind: leg.side === 'agent' ? 'peer' : 'phone',
  at,
  hop_loss: leg.far_loss,
});

/** What was measured: as it is kept, then as it comes. `turn`: another has it asked for again. */
function useSeconds(id, turn) {
  const [seconds, setSeconds] = useState(null);
  useEffect(() => {
    let gone = false;
    const all = { of: [], ids: {} };
    const draw = () => !gone && setSeconds([...all.of]);
    const begin = async () => {
      const { samples } = await ask('GET', `/api/v1/calls/${encodeURIComponent(id)}/quality`);
      all.of = samples;
      for (const each of samples) all.ids[each.kind === 'peer' ? 'agent' : 'phone'] = each.leg_id;
      draw();
    };
    begin().catch((refusal) => {
      if (!(refusal instanceof Refusal)) throw refusal;
      draw();
    });
    const stop = effect(() => {
      ids.value;
      const call = calls.get(id)?.value;
      if (!call?.legs.length) return;
      const at = Math.round(clock.peek() * 10) / 10;
      all.of.push(...call.legs.map((leg) => ({ ...asKept(leg, at), leg_id: all.ids[leg.side] ?? `live-${leg.side}` })));
      if (all.of.length > LIVE_KEPT) all.of.splice(0, all.of.length - LIVE_KEPT);
      draw();
    });
    return () => {
      gone = true;
      stop();
    };
  }, [id, turn]);
  return seconds;
}

/** Ask for something of this call once each turn; `{value, refusal}`. */
function useAnswer(path, turn) {
  const [answer, setAnswer] = useState({});
  useEffect(() => {
    let gone = false;
    ask('GET', path).then(
      (value) => !gone && setAnswer({ value }),
      (refusal) => {
        if (!(refusal instanceof Refusal)) throw refusal;
        if (!gone) setAnswer((before) => (before.value ? before : { refusal }));
      },
    );
    return () => (gone = true);
  }, [path, turn]);
  return answer;
}

function Charts({ seconds }) {
  const [first, last] = seconds?.length ? [seconds[0].at, seconds.at(-1).at] : [0, 0];
  const lines = useMemo(() => (seconds ?? []).length && CHARTS.map((chart) => [chart, linesOf(seconds, chart)]), [seconds]);
  if (!seconds) return html`<${Skeleton} lines=${5} />`;
  if (!seconds.length) return html`<${Empty} title=${t('call.unmeasured')} />`;
  return html`
    <div class="charts">
      ${lines.map(([[name], series]) => series.length > 0 && html`<${Timeline} key=${name} mark=${looked} caption=${t(`chart.${name}`)} scale=${SCALES[name]} from=${first} to=${AHEAD_S * Math.ceil((last + 1) / AHEAD_S)} series=${series} />`)}
    </div>
  `;
}

function Recording({ part }) {
  const [sound, setSound] = useState('');
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  useEffect(() => () => sound && URL.revokeObjectURL(sound), [sound]);
  const listen = async () => {
    setBusy(true);
    setWrong('');
    const answer = await fetch(`/api/v1/recordings/${encodeURIComponent(part.recording_id)}?as=wav`, { headers: { authorization: `Bearer ${session.peek()?.token}` } }).catch(() => null);
    setBusy(false);
    if (answer?.ok) setSound(URL.createObjectURL(await answer.blob()));
    else setWrong(explain((await answer?.json().catch(() => null))?.error?.code ?? 'server_unreachable'));
  };
  const said = part.erased_at ? t('recording.erased') : part.ended_at ? t('recording.of', { at: time(part.started_at), length: length(part.ended_at - part.started_at) }) : t('recording.running');
  return html`
    <li>
      <span>${said}</span> <${Badge}>${t(has(`consent.${part.consent}`) ? `consent.${part.consent}` : 'consent.known')}<//>
      ${!part.erased_at && part.ended_at && !sound && html`<${Button} small data-do="listen-recording" busy=${busy} onClick=${listen}>${t('recording.listen')}<//>`}
      ${sound && html`<audio controls autoplay src=${sound}></audio>`}
      ${wrong && html`<p class="fine" role="alert">${wrong}</p>`}
    </li>
  `;
}

function Recordings({ answer: { value, refusal } }) {
  if (refusal || (value && !value.recordings?.length)) return html`<p class="fine">${t('recording.none')}</p>`;
  if (!value) return html`<${Skeleton} lines=${1} />`;
  return html`<p class="fine">${t('recording.noted')}</p><ul class="recordings">${value.recordings.map((part) => html`<${Recording} key=${part.recording_id} part=${part} />`)}</ul>`;
}

const Facts = ({ facts }) => html`<dl class="facts">${facts.filter(([, value]) => value || value === 0).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** Our words for why it ended. */
const reasonOf = (reason) => (has(`reason.${reason}`) ? t(`reason.${reason}`) : reason);
/** How a leg came, or why it went, behind which the wire's number may stand; anything else as it is: a number, a name. */
function detailOf(detail) {
  const [word, ...wire] = (detail ?? '').split(' ');
  const known = ['came', 'reason', 'mode'].find((family) => has(`${family}.${word}`));
  return known ? [t(`${known}.${word}`), ...wire.map((each) => (/^\d{3}$/.test(each) ? `SIP ${each}` : each))].join(' · ') : detail;
}

export function CallPage({ id }) {
  const path = `/api/v1/calls/${encodeURIComponent(id)}`;
  const [turn, setTurn] = useState(0);
  const { value: detail, refusal } = useAnswer(path, turn);
  const recorded = useAnswer(`${path}/recordings`, turn);
  const wire = useAnswer(`${path}/signalling`, turn);
  const seconds = useSeconds(id, turn);
  ids.value;
  const running = calls.get(id)?.value;
  const settled = Boolean(running) || clock.peek() - (detail?.call.ended_at ?? Infinity) > WRITTEN_S;
  useEffect(() => {
    if (settled || turn >= MOST_TURNS) return undefined;
    const timer = setTimeout(() => setTurn(turn + 1), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [settled, turn]);
  if (refusal && !running) return html`<${Empty} title=${refusal.code === 'unknown_call' ? t('call.unknown') : explain(refusal)} />`;
  const call = detail?.call;
  const number_ = running?.number ?? (call && (call.direction === 'in' ? call.caller : call.called));
  const name = running?.name || call?.caller_name;
  const title = number_ && html`${name && html`<bdi>${name}</bdi> · `}<${Telephone} text=${number_} />`;
  const facts = call
    ? [
        [t('fact.began'), brief(call.started_at)],
        [t('fact.length'), call.ended_at ? length(call.ended_at - call.started_at) : t('fact.running')],
        [t('fact.agent'), call.answered_by || call.agent],
        [t('fact.queue'), titleOf(call.queue)],
        [t('fact.waited'), call.waited_s > 0 && length(call.waited_s)],
        [t('fact.end'), reasonOf(call.end_reason)],
        [t('fact.mos'), call.mos_p50 !== null && html`<${Mos} mos=${call.mos_p50} /> ${t('fact.mos_of', { p10: number(call.mos_p10, 1), least: number(call.mos_min, 1), scale: t(`scale.${call.mos_scale}`) })}`],
        [t('fact.worst'), call.quality_hop && t('fault', { hop: t(`hop.${call.quality_hop}`), cause: t(`cause.${call.quality_cause}`) })],
      ]
    : [];
  const legs = detail?.legs ?? [];
  const events = [
    { id: 'at', title: t('event.at'), draw: (event) => clockTime(event.at) + (call ? ` (+${length(event.at - call.started_at)})` : ''), sort: (event) => event.seq },
    { id: 'what', title: t('event.what'), draw: (event) => t(`event.${event.what}`) },
    { id: 'party', title: t('event.party'), draw: (event) => event.party },
    { id: 'by', title: t('event.by'), draw: (event) => event.by },
    { id: 'detail', title: t('event.detail'), draw: (event) => detailOf(event.detail) },
  ];
  const ofLegs = [
    { id: 'kind', title: t('leg.kind'), draw: (leg) => t(`side.${leg.kind === 'phone' ? 'phone' : 'agent'}`) },
    { id: 'party', title: t('event.party'), draw: (leg) => leg.party },
    { id: 'way', title: t('leg.way'), draw: (leg) => [leg.trunk, leg.codec].filter(Boolean).join(' · ') },
    { id: 'headset', title: t('leg.headset'), draw: (leg) => meansWords('headset', leg.headset) },
    { id: 'connection', title: t('leg.connection'), draw: (leg) => ['connection', 'way', 'family'].map((kind) => meansWords(kind, leg[kind])).filter(Boolean).join(' · ') },
    { id: 'end', title: t('fact.end'), draw: (leg) => [reasonOf(leg.end_reason), leg.end_sip && `SIP ${leg.end_sip}`].filter(Boolean).join(' · ') },
    { id: 'mos', title: 'MOS', end: true, draw: (leg) => html`<${Mos} mos=${leg.mos_mean} />` },
  ];
  return html`
    <div class="call-page" data-part="call-page" data-known=${detail ? 'true' : null}>
      <h2 class="call-title">${title ?? t('view.call')}</h2>
      ${running && html`<${Badge} tone=${running.hop ? 'bad' : 'good'}>${running.hop ? fault(running) : t('fact.running')}<//>`}
      <${Facts} facts=${facts} />
      ${call?.ended_at && call.answered_at && html`<p class="acts"><a class="button-link" data-do="judge-call" href=${`#scorecards/${encodeURIComponent(id)}`}>${t('call.judge')}</a></p>`}
      ${running && html`<${Card} title=${t('call.now')} level=${3}><${Actions} call=${running} /><${Legs} call=${running} /><//>`}
      <${Card} title=${t('call.quality')} level=${3}><p class="fine">${t('call.worst_of')}</p><${Charts} seconds=${seconds} /><//>
      ${
        call?.ended_at &&
        seconds?.length > 0 &&
        html`<${Replay} from=${Math.min(call.started_at, seconds[0].at)} to=${Math.max(call.ended_at, seconds.at(-1).at)} seconds=${seconds} events=${detail.events} paths=${wire.value?.paths ?? []} parts=${recorded.value?.recordings ?? []} />`
      }
      ${detail && html`<${Card} title=${t('call.recording')} level=${3}><${Recordings} answer=${recorded} /><//>`}
      ${detail && html`<${Card} title=${t('call.legs')} level=${3}><${Table} caption=${t('table.of', { what: t('call.legs') })} columns=${ofLegs} rows=${legs} id=${(leg) => leg.leg_id} /><//>`}
      ${detail && html`<${Card} title=${t('call.events')} level=${3}><${Table} caption=${t('table.of', { what: t('call.events') })} columns=${events} rows=${detail.events} id=${(event) => event.seq} /><//>`}
      ${detail && html`<${Card} title=${t('ladder.title')} level=${3}><${Ladder} answer=${wire} legs=${legs} /><//>`}
      ${detail && html`<${Card} title=${t('ice.title')} level=${3}><p class="fine">${t('ice.explained')}</p><${Paths} answer=${wire} legs=${legs} /><//>`}
    </div>
  `;
}

