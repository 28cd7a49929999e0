/** A booking day by day, as a traveller reads it: times are what a clock shows there, wherever the reader is. */
import { money } from '../kit/formats.js';
import { has, t } from '../kit/words.js';
import { left, notation } from './times.js';

const DAY_CHARS = 10;
const DAY_MS = 86_400_000;
const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;

function made(tag, fields = {}, ...children) {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children.filter(Boolean));
  return node;
}

/** A wall's time as if it were UTC, so that no zone moves it. */
const asDate = (wall) => new Date(wall.length > DAY_CHARS ? `${wall}Z` : `${wall}T00:00Z`);
const format = (options, date) => new Intl.DateTimeFormat(notation(), { timeZone: 'UTC', ...options }).format(date);
const dayOf = (wall) => wall.slice(0, DAY_CHARS);
const dayWords = (wall) => format({ weekday: 'long', day: 'numeric', month: 'long' }, asDate(wall));
const clock = (wall) => (wall.length > DAY_CHARS ? format({ timeStyle: 'short' }, asDate(wall)) : '');

/** The zone's short name at that moment; '' where none is known, or the browser knows none of that name. */
function zoneName(zone, at, wall) {
  if (!zone) return '';
  try {
    const parts = new Intl.DateTimeFormat(notation(), { timeZone: zone, timeZoneName: 'short' }).formatToParts(at === null ? asDate(wall) : new Date(at * 1000));
    return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  } catch {
    return '';
  }
}

/** Whole days from one wall's day to another's. */
const daysBetween = (from, until) => Math.round((asDate(dayOf(until)) - asDate(dayOf(from))) / DAY_MS);
const isWay = ({ origin, destination }) => Boolean(origin || destination);
const arrow = () => (document.documentElement.dir === 'rtl' ? '←' : '→');

/** What a stage is called in one line. */
export function nameOfStage(stage) {
  const kind = t(`trip_kind.${stage.kind}`);
  const way = [stage.origin, stage.destination].filter(Boolean).join(` ${arrow()} `);
  const own = stage.title || way || stage.place;
  return [[kind, stage.number].filter(Boolean).join(' '), own].filter(Boolean).join(': ');
}

/** From when until when, with zones where they are not the reader's or change on the way. */
function hours(stage) {
  const { starts, ends } = stage;
  const endZone = stage.end_zone || stage.zone;
  const says = stage.zone !== HERE || endZone !== stage.zone;
  const [from, until] = [clock(starts), clock(ends)];
  if (stage.kind === 'hotel') return from && t('trip.from', { time: from });
  const first = [from, from && says && endZone !== stage.zone && zoneName(stage.zone, stage.starts_at, starts)].filter(Boolean).join(' ');
  const later = starts && ends ? daysBetween(starts, ends) : 0;
  const second = [until, until && says && zoneName(endZone, stage.ends_at, ends), later > 0 && t('trip.later', { count: later })].filter(Boolean).join(' ');
  if (!until && from && says) return `${from} ${zoneName(stage.zone, stage.starts_at, starts)}`.trim();
  return [first, second].filter(Boolean).join(' – ');
}

/** What there is to say of it beside its name and hours. */
function details(stage) {
  const lasts = stage.starts_at !== null && stage.ends_at !== null && isWay(stage) ? left(stage.ends_at - stage.starts_at) : '';
  const nights = stage.kind === 'hotel' && stage.starts && stage.ends ? daysBetween(stage.starts, stage.ends) : 0;
  const until = nights > 0 && [t('trip.nights', { count: nights }), t('trip.until', { day: [dayWords(stage.ends), clock(stage.ends)].filter(Boolean).join(', ') })].join(', ');
  return [
    stage.title && isWay(stage) ? stage.title : '',
    [stage.carrier, lasts].filter(Boolean).join(' · '),
    until,
    stage.place && (stage.title || isWay(stage)) ? stage.place : '',
    stage.state && wordOf(stage.state),
    stage.price && money(Number(stage.price), stage.currency),
    stage.note,
  ].filter(Boolean);
}

const wordOf = (state) => (has(`trip_state.${state}`) ? t(`trip_state.${state}`) : state);

function drawStage(stage, place, way) {
  const row = made(
    'li',
    { className: 'trip-stage' },
    made('p', { className: 'trip-hours', textContent: hours(stage) }),
    made('div', {}, made('p', { className: 'trip-what' }, made('span', { className: 'trip-kind', textContent: t(`trip_kind.${stage.kind}`) }), made('strong', { textContent: [stage.number, isWay(stage) ? [stage.origin, stage.destination].filter(Boolean).join(` ${arrow()} `) : stage.title || stage.place].filter(Boolean).join(' · ') })), ...details(stage).map((textContent) => made('p', { className: 'fine', textContent })), way && way(place)),
  );
  row.dataset.stage = place;
  row.dataset.kind = stage.kind;
  return row;
}

/** From when until when a booking goes: the days there. */
function spanOf({ starts_at: from, ends_at: until, zone }) {
  if (from === null) return '';
  const options = { day: 'numeric', month: 'long', year: 'numeric' };
  let format_;
  try {
    format_ = new Intl.DateTimeFormat(notation(), { ...options, ...(zone ? { timeZone: zone } : {}) });
  } catch {
    format_ = new Intl.DateTimeFormat(notation(), options);
  }
  return until === null ? format_.format(new Date(from * 1000)) : format_.formatRange(new Date(from * 1000), new Date(until * 1000));
}

/** A booking with its days. `way(place)`: a button for a stage, or null; `titled`: with its name. */
export function drawBooking(booking, way = null, titled = true) {
  const paid = Number(booking.paid) > 0 && t('trip.paid', { sum: money(Number(booking.paid), booking.currency) });
  const due = Number(booking.due) > 0 && t('trip.due', { sum: money(Number(booking.due), booking.currency) });
  const node = made(
    'article',
    { className: 'trip' },
    titled && made('h4', { textContent: booking.title }),
    made('p', { className: 'fine', textContent: [titled && booking.ref, booking.state && wordOf(booking.state)].filter(Boolean).join(' · ') }),
    made('p', { textContent: spanOf(booking) }),
    (paid || due) && made('p', { className: 'fine', textContent: [paid, due].filter(Boolean).join(' · ') }),
  );
  if (!booking.stages.length) node.append(made('p', { className: 'fine', textContent: t('trip.no_stages') }));
  else node.append(made('p', { className: 'fine', textContent: t('trip.local') }));
  let day = null;
  let list = null;
  booking.stages.forEach((stage, place) => {
    const its = dayOf(stage.starts || stage.ends);
    if (its !== day) {
      day = its;
      list = made('ol', { className: 'trip-day' });
      node.append(made('h5', { textContent: its ? dayWords(its) : t('trip.undated') }), list);
    }
    list.append(drawStage(stage, place, way));
  });
  return node;
}
