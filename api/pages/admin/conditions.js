/** A condition of the plan, as the server says it (`vip is true`, `caller begins +`), in words of the page; what is not understood as it is. */
import { t } from '../kit/page.js';

const SAID = /^(\w+) (is not|is|one of|at least|at most|begins|known) (.*)$/s;

export function conditionOf(text) {
  const [, fact, comparison, value] = SAID.exec(text) ?? [];
  if (!fact) return text;
  if (comparison === 'known') return t(value === 'false' ? 'condition.unknown' : 'condition.known', { fact });
  return t(`condition.${comparison.replace(' ', '_')}`, { fact, value: value === 'true' || value === 'false' ? t(`condition.${value}`) : value });
}
