/** How a call sounds, in a word: by what its people hear, and by the hop that is bad. MOS is an estimate on the scale beside it. */

const GOOD_MOS = 3.8;
const FAIR_MOS = 3.1;

const least = (...scores) => {
  const measured = scores.filter((mos) => mos !== null && mos !== undefined);
  return measured.length ? Math.min(...measured) : null;
};

const side = (call, name) => call.legs.find((leg) => leg.side === name);

/** What the `agent` and the customer (`phone`) hear: the worse of what came to us from the other side and what went out to them. */
export function hears(call, who) {
  const [own, other] = who === 'agent' ? [side(call, 'agent'), side(call, 'phone')] : [side(call, 'phone'), side(call, 'agent')];
  return least(own?.far_mos, other?.mos);
}

/** The worst of all that was measured of a call; null: nothing was. */
export const lowest = (call) => least(...call.legs.flatMap((leg) => [leg.mos, leg.far_mos]));

export const grade = (mos) => (mos === null || mos === undefined ? 'none' : mos >= GOOD_MOS ? 'good' : mos >= FAIR_MOS ? 'fair' : 'bad');

/** `bad` where a hop is, whatever the rest sounds like. */
export const gradeOf = (call) => (call.hop ? 'bad' : grade(lowest(call)));

export const TONES = { good: 'good', fair: 'warn', bad: 'bad', none: 'neutral' };
