/**
 * Languages that nobody speaks, made of the English texts: `en-XA` is 40 % longer and accented, so that what is cut off or not translated
 * is seen; `ar-XB` runs from right to left. For tests and demos alone.
 */
const PLAIN = 'aceilnosuyACEINOSUY';
const ACCENTED = 'àçéïľñöšüýÀÇÉÏÑÖŠÜÝ';
const FILLING = 'ëxträ ';
const MORE = 0.4;
/** Right-to-left override, and its end. */
const [RLO, PDF] = ['\u202e', '\u202c'];

/** Each word of a text changed, its {places} left alone. */
const words = (text, change) => text.replace(/\{\w+\}|[^\s{}]+/g, (word) => (word.startsWith('{') ? word : change(word)));

function longer(text) {
  const accented = words(text, (word) => [...word].map((letter) => ACCENTED[PLAIN.indexOf(letter)] ?? letter).join(''));
  const length = Math.ceil(text.length * MORE);
  return `${accented} ${FILLING.repeat(Math.ceil(length / FILLING.length)).slice(0, length)}`.trim();
}

const MADE = {
  'en-XA': { of: 'en', dir: 'ltr', text: longer },
  'ar-XB': { of: 'en', dir: 'rtl', text: (text) => words(text, (word) => `${RLO}${word}${PDF}`) },
};

/** How a pseudo-locale is made, or null where it is none: `of` which language, its direction, and what becomes of a text. */
export const pseudo = (code) => MADE[code] ?? null;
