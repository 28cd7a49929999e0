/** Markdown as nodes, never as markup: whatever else an author writes is shown as the text that it is. Headings, lists, emphasis, code, links. */
const INLINE = /\*\*(.+?)\*\*|\*(.+?)\*|`([^`]+)`|\[([^\]]+)\]\((https:\/\/[^\s)]+)\)/g;

function element(tag, children, more = {}) {
  const made = Object.assign(document.createElement(tag), more);
  made.append(...children);
  return made;
}

function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, strong, weak, code, words, href] = found;
    if (found.index > at) parts.push(text.slice(at, found.index));
    if (strong) parts.push(element('strong', [strong]));
    else if (weak) parts.push(element('em', [weak]));
    else if (code) parts.push(element('code', [code]));
    else parts.push(element('a', [words], { href, target: '_blank', rel: 'noopener noreferrer' }));
    at = found.index + whole.length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** A block of lines without an empty one between them. */
function block(lines, below) {
  const heading = /^(#{1,3})\s+(.*)$/.exec(lines[0]);
  if (heading) return [element(`h${Math.min(heading[1].length + below, 6)}`, inline(heading[2])), ...(lines.length > 1 ? block(lines.slice(1), below) : [])];
  const items = lines.filter((line) => /^\s*([-*]|\d+\.)\s+/.test(line));
  if (items.length === lines.length) {
    const tag = /^\s*\d/.test(lines[0]) ? 'ol' : 'ul';
    return [element(tag, items.map((line) => element('li', inline(line.replace(/^\s*([-*]|\d+\.)\s+/, '')))))];
  }
  const first = lines.findIndex((line, place) => place > 0 && /^\s*([-*]|\d+\.)\s+|^#{1,3}\s/.test(line));
  if (first > 0) return [...block(lines.slice(0, first), below), ...block(lines.slice(first), below)];
  if (items.length) {
    const end = lines.findIndex((line) => !/^\s*([-*]|\d+\.)\s+/.test(line));
    return [...block(lines.slice(0, end), below), ...block(lines.slice(end), below)];
  }
  return [element('p', inline(lines.join(' ')))];
}

/** The nodes of a text. `below`: the level of the heading that stands above it. */
export function markdown(text, below = 2) {
  return text.split(/\n\s*\n/).map((each) => each.split('\n').filter((line) => line.trim())).filter((lines) => lines.length).flatMap((lines) => block(lines, below));
}

/** Pieces of a text (`{text, hit}`) as nodes, what was looked for marked. */
export const marked = (parts) => parts.map((part) => (part.hit ? element('mark', [part.text]) : part.text));
