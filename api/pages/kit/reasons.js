/** Why somebody is away. Those that many houses know are worded here; others are shown as the house wrote them. */
import { has, t } from './words.js';

const KNOWN = { lunch: 'kit.away.lunch', coffee: 'kit.away.coffee', training: 'kit.away.training', meeting: 'kit.away.meeting' };

export const reasonOf = (name) => (has(KNOWN[name]) ? t(KNOWN[name]) : name);
