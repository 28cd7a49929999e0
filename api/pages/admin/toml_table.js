/**
 * One table of a TOML text, changed line by line: comments, order and whatever a form does not know stay as somebody wrote them. The server
 * reads the whole text and says what is wrong with it; this only finds lines.
 */
const HEADER = /^\s*\[\[?\s*([^\]]+?)\s*\]?\]\s*(?:#.*)?$/;
const PAIR = /^\s*([A-Za-z0-9_-]+)\s*=\s*(.*?)\s*$/;
const plain = (name) => name.replace(/["'\s]/g, '');

/** The lines of `[name]`, without the tables below it: `[first, behind the last]` counted from 0; null: there is none. */
function span(lines, name) {
  const first = lines.findIndex((line) => !line.trimStart().startsWith('[[') && plain(HEADER.exec(line)?.[1] ?? '') === name);
  if (first < 0) return null;
  const next = lines.findIndex((line, at) => at > first && HEADER.test(line));
  return [first, next < 0 ? lines.length : next];
}

/** Does this value stand in one line? Brackets within words are rare enough to be left to the text. */
const isWhole = (value) => [['[', ']'], ['{', '}']].every(([open, close]) => value.split(open).length === value.split(close).length) && !value.startsWith('"""');

/** A value without the comment behind it. */
const bare = (value) => /^("(?:[^"\\]|\\.)*"|'[^']*'|[^#]*?)\s*(?:#.*)?$/.exec(value)?.[1].trim() ?? value;

function read(raw) {
  const value = raw.startsWith('[') || raw.startsWith('{') ? raw : bare(raw);
  if (value === 'true' || value === 'false') return value === 'true';
  if (/^[+-]?[\d_]+(\.[\d_]+)?$/.test(value)) return Number(value.replaceAll('_', ''));
  if (/^"/.test(value)) return JSON.parse(value);
  if (/^'/.test(value)) return value.slice(1, -1);
  const words = [...value.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g)].map(([, double, single]) => (double === undefined ? single : JSON.parse(`"${double}"`)));
  if (value.startsWith('[')) return words;
  const names = [...value.matchAll(/([A-Za-z0-9_-]+)\s*=/g)].map(([, key]) => key);
  return Object.fromEntries(names.map((key, at) => [key, words[at]]));
}

function written(value) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((each) => JSON.stringify(each)).join(', ')}]`;
  if (typeof value === 'object') return `{ ${Object.entries(value).map(([key, each]) => `${key} = ${JSON.stringify(each)}`).join(', ')} }`;
  return String(value);
}

/** What stands in `[name]` by key, as numbers, words, lists of words; null where there is no such table. What a form cannot change is left out. */
export function valuesOf(text, name) {
  const lines = text.split('\n');
  const found = span(lines, name);
  if (!found) return null;
  const values = {};
  for (const line of lines.slice(found[0] + 1, found[1])) {
    const [, key, raw] = PAIR.exec(line) ?? [];
    if (!key || !isWhole(raw)) continue;
    try {
      values[key] = read(raw);
    } catch {
      // not as JSON would have it: it stays as it is written
    }
  }
  return values;
}

/** The text with these values in `[name]`, which is made where it is not there; `undefined` takes a key away. */
export function withValues(text, name, values) {
  const lines = text.split('\n');
  if (!span(lines, name)) {
    while (lines.length && !lines.at(-1).trim()) lines.pop();
    lines.push(...(lines.length ? [''] : []), `[${name}]`, '');
  }
  for (const [key, value] of Object.entries(values)) {
    const [first, last] = span(lines, name);
    const at = lines.findIndex((line, place) => place > first && place < last && PAIR.exec(line)?.[1] === key);
    const line = value === undefined ? [] : [`${key} = ${written(value)}`];
    if (at >= 0) lines.splice(at, 1, ...line);
    else {
      let end = last;
      while (end > first + 1 && !lines[end - 1].trim()) end -= 1;
      lines.splice(end, 0, ...line);
    }
  }
  return lines.join('\n');
}

/** The text without `[name]` and the tables below it. */
export function without(text, name) {
  let inside = false;
  const kept = text.split('\n').filter((line) => {
    const header = plain(HEADER.exec(line)?.[1] ?? '');
    if (header) inside = header === name || header.startsWith(`${name}.`);
    return !inside;
  });
  return kept.join('\n');
}

/** The part of the text that `[name]` and the tables below it are. */
export function partOf(text, name) {
  let inside = false;
  const part = text.split('\n').filter((line) => {
    const header = plain(HEADER.exec(line)?.[1] ?? '');
    if (header) inside = header === name || header.startsWith(`${name}.`);
    return inside;
  });
  return part.join('\n').trim();
}

/** The key in line `number` of the text, counted from 1; undefined where there is none. */
export const keyAt = (text, number) => PAIR.exec(text.split('\n')[number - 1] ?? '')?.[1];
