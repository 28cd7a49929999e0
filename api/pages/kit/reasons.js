/** Words of a house's plan that many houses share: why somebody is away, what a call came to. Others are shown as the house wrote them. */
import { has, t } from './words.js';

const AWAY = { lunch: 'kit.away.lunch', coffee: 'kit.away.coffee', training: 'kit.away.training', meeting: 'kit.away.meeting' };
const CODES = { booked: 'kit.code.booked', question: 'kit.code.question', complaint: 'kit.code.complaint', 'wrong-number': 'kit.code.wrong_number' };

export const reasonOf = (name) => (has(AWAY[name]) ? t(AWAY[name]) : name);
export const codeOf = (name) => (has(CODES[name]) ? t(CODES[name]) : name);
