/** The tiles: one for each picture, and one for each participant without any. */
import { t } from '../kit/words.js';

const REACTION_MS = 4_000;
const RATIO = 16 / 9;
const key = (identity, track) => `${identity}-${track}`;

function make(id, own) {
  const tile = document.createElement('li');
  tile.dataset.tile = id;
  const video = document.createElement('video');
  video.autoplay = video.playsInline = video.muted = true;
  video.hidden = true;
  if (own) video.classList.add('own');
  const initial = document.createElement('span');
  initial.className = 'initial';
  initial.ariaHidden = 'true';
  const name = document.createElement('p');
  const mark = document.createElement('span');
  mark.className = 'mark';
  mark.ariaHidden = 'true';
  tile.append(video, initial, name, mark);
  return tile;
}

export class Tiles {
  /** `list`: the element; `own(track)`: our own track of `camera` or `screen`, or null; `onChange()` when sizes may have changed. */
  constructor(list, own, onChange) {
    this.list = list;
    this.own = own;
    this.me = '';
    /** `{identity, name, hand, away, microphone, tracks}` of everybody. */
    this.people = [];
    this.speaker = '';
    this.reactions = new Map();
    this.seen = new Set();
    this.resized = new ResizeObserver(onChange);
    this.resized.observe(list);
    this.looked = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.seen[isIntersecting ? 'add' : 'delete'](target.dataset.tile);
      onChange();
    });
  }

  /** Draw everybody; `connection` knows the pictures, once there is one. */
  draw(connection) {
    const wanted = new Map();
    for (const person of this.people) {
      const pictures = person.tracks.length ? person.tracks : ['camera'];
      for (const track of pictures) wanted.set(key(person.identity, track), { person, track });
    }
    for (const tile of [...this.list.children]) if (!wanted.has(tile.dataset.tile)) this.remove(tile);
    for (const [id, { person, track }] of wanted) this.fill(id, person, track, connection);
    this.list.style.setProperty('--columns', String(this.columns(wanted.size)));
  }

  /** So many that pictures are largest, where there is room beside one another. */
  columns(count) {
    const { clientWidth: width, clientHeight: height } = this.list;
    const size = (columns) => Math.min(width / columns, (height / Math.ceil(count / columns)) * RATIO);
    const choices = Array.from({ length: Math.max(1, count) }, (_, index) => index + 1);
    return choices.reduce((best, columns) => (size(columns) > size(best) ? columns : best), 1);
  }

  fill(id, person, track, connection) {
    const mine = person.identity === this.me;
    let tile = this.list.querySelector(`[data-tile="${CSS.escape(id)}"]`);
    if (!tile) {
      tile = make(id, mine && track === 'camera');
      this.list.append(tile);
      this.resized.observe(tile);
      this.looked.observe(tile);
    }
    const [video, initial, name, mark] = tile.children;
    const shows = mine ? this.own(track) : person.tracks.includes(track) ? (connection?.picture(person.identity, track) ?? null) : null;
    if (video.srcObject?.getTracks()[0] !== (shows ?? undefined)) video.srcObject = shows ? new MediaStream([shows]) : null;
    video.hidden = !shows;
    video.ariaLabel = person.name;
    initial.hidden = Boolean(shows);
    initial.textContent = person.name.trim().slice(0, 1).toUpperCase();
    name.textContent = this.label(person, track, mine);
    mark.textContent = track === 'camera' ? (this.reactions.get(person.identity) ?? (person.hand ? '✋' : '')) : '';
    tile.classList.toggle('screen', track === 'screen');
    tile.classList.toggle('away', person.away);
    tile.classList.toggle('speaks', person.identity === this.speaker && track === 'camera');
  }

  label(person, track, mine) {
    const called = mine ? t('tile.you', { name: person.name }) : person.name;
    if (track === 'screen') return t('tile.screen', { name: called });
    const marks = [
      person.away && t('tile.away'),
      !person.away && !person.microphone && t('tile.muted'),
      person.hand && t('tile.hand'),
      person.identity === this.speaker && t('tile.speaks'),
    ];
    return [called, ...marks.filter(Boolean)].join(' · ');
  }

  /** Show a reaction for a moment. */
  react(identity, emoji, redraw) {
    this.reactions.set(identity, emoji);
    redraw();
    setTimeout(() => {
      this.reactions.delete(identity);
      redraw();
    }, REACTION_MS);
  }

  remove(tile) {
    this.resized.unobserve(tile);
    this.looked.unobserve(tile);
    this.seen.delete(tile.dataset.tile);
    tile.remove();
  }

  /** What is to be seen of the others, in device pixels; screens first, then who speaks. */
  watched() {
    const found = [];
    for (const person of this.people) {
      if (person.identity === this.me) continue;
      for (const track of person.tracks) {
        const tile = this.list.querySelector(`[data-tile="${CSS.escape(key(person.identity, track))}"]`);
        const visible = tile && this.seen.has(tile.dataset.tile) && document.visibilityState === 'visible';
        const height = visible ? Math.min(8_192, Math.ceil(tile.clientHeight * devicePixelRatio)) : 0;
        found.push({ identity: person.identity, track, height });
      }
    }
    const rank = ({ identity, track }) => (track === 'screen' ? 0 : identity === this.speaker ? 1 : 2);
    return found.sort((a, b) => rank(a) - rank(b)).slice(0, 16);
  }
}
