/** What each hop of a call was like at a moment: from the samples of its legs, as they are kept. */

const WAYS = { agent: ['browser_to_us', 'us_to_browser'], phone: ['phone_to_us', 'us_to_phone'] };
/** A sample is about the second before it. */
const OLD_S = 2.5;
const FINE = new Set(['good', 'unclassified', 'upstream', '']);

const sideOf = (second) => (second.kind === 'peer' ? 'agent' : 'phone');

/** Samples by leg, each in order of time. */
export function byLeg(seconds) {
  const legs = new Map();
  for (const second of seconds) {
    if (!legs.has(second.leg_id)) legs.set(second.leg_id, []);
    legs.get(second.leg_id).push(second);
  }
  return [...legs.values()];
}

/** The last of these at or before a moment; undefined: there is none. `of`: ordered by `at`. */
export function lastAt(of, at) {
  let [low, high] = [0, of.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of[middle].at <= at) low = middle + 1;
    else high = middle;
  }
  return of[low - 1];
}

/** Each way at a moment: `{hop, side, measured, mos, loss, jitter_ms, round_trip_ms, level_dbfs, cause, bad}`. */
export function hopsAt(legs, at) {
  return legs.flatMap((seconds) => {
    const second = lastAt(seconds, at + 1);
    const side = sideOf(seconds[0]);
    const [came, went] = WAYS[side];
    if (!second || at - second.at > OLD_S) return [came, went].map((hop) => ({ hop, side, measured: false }));
    const way = (hop, mos, loss, jitter_ms, round_trip_ms, level_dbfs, cause) => ({ hop, side, measured: true, mos, loss, jitter_ms, round_trip_ms, level_dbfs, cause, bad: !FINE.has(cause ?? '') || second.fault_hop === hop });
    return [
      way(came, second.mos, second.loss, second.jitter_ms, null, second.level_dbfs, second.fault_hop === came ? second.fault_cause : second.cause),
      way(went, second.far_mos, second.hop_loss, second.far_jitter_ms, second.round_trip_ms, null, second.fault_hop === went ? second.fault_cause : second.far_cause),
    ];
  });
}

/** Moments at which a hop was the call's fault, each `[from, to]`; what is two seconds apart is one. */
export function badSpans(seconds) {
  const spans = [];
  for (const { at, fault_hop: hop } of seconds) {
    if (!hop) continue;
    const last = spans.at(-1);
    if (last && at - last[1] <= 2) last[1] = at;
    else spans.push([at - 1, at]);
  }
  return spans;
}
