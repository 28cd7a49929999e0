/** Texts and formats of the kit, as the telephone's views call them. */
export { alsoSpeak, explain, has, language, LANGUAGES, speak, t } from '../kit/words.js';
export { brief as moment, countryName, date as day, hourIn, length as clockface, moment as fullMoment, money, number as figure, percent } from '../kit/formats.js';
