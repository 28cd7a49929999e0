/** The tiles: one for each picture, and one for each participant without any. */
import { t } from './text.js';

const key = (person, track) => `${person}-${track}`;

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
  tile.append(video, initial, name);
  return tile;
}

export class Tiles {
  /** `list`: the element; `own(track)`: our own track of `camera` or `screen`, or null; `onChange()` when sizes may have changed. */
  constructor(list, own, onChange) {
    this.list = list;
    this.own = own;
    this.people = [];
    this.speaker = '';
    this.seen = new Set();
    this.resized = new ResizeObserver(onChange);
    this.looked = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.seen[isIntersecting ? 'add' : 'delete'](target.dataset.tile);
      onChange();
    });
  }

  /** Draw everybody; `connection` knows the pictures. */
  draw(connection) {
    const wanted = new Map();
    for (const person of this.people) {
      const pictures = person.tracks.length ? person.tracks : ['camera'];
      for (const track of pictures) wanted.set(key(person.id, track), { person, track });
    }
    for (const tile of [...this.list.children]) if (!wanted.has(tile.dataset.tile)) this.remove(tile);
    for (const [id, { person, track }] of wanted) this.fill(id, person, track, connection);
    this.list.dataset.count = String(wanted.size);
  }

  fill(id, person, track, connection) {
    const mine = person.id === connection.person;
    let tile = this.list.querySelector(`[data-tile="${CSS.escape(id)}"]`);
    if (!tile) {
      tile = make(id, mine && track === 'camera');
      this.list.append(tile);
      this.resized.observe(tile);
      this.looked.observe(tile);
    }
    const [video, initial, name] = tile.children;
    const shows = mine ? this.own(track) : person.tracks.includes(track) ? connection.picture(person.id, track) : null;
    if (video.srcObject?.getTracks()[0] !== (shows ?? undefined)) video.srcObject = shows ? new MediaStream([shows]) : null;
    video.hidden = !shows;
    video.ariaLabel = person.name;
    initial.hidden = Boolean(shows);
    initial.textContent = person.name.trim().slice(0, 1).toUpperCase();
    const called = mine ? t('tile.you', { name: person.name }) : person.name;
    const label = track === 'screen' ? t('tile.screen', { name: called }) : called;
    name.textContent = person.microphone || track === 'screen' ? label : `${label} · ${t('tile.muted')}`;
    tile.classList.toggle('screen', track === 'screen');
    tile.classList.toggle('speaks', person.id === this.speaker && track === 'camera');
  }

  remove(tile) {
    this.resized.unobserve(tile);
    this.looked.unobserve(tile);
    this.seen.delete(tile.dataset.tile);
    tile.remove();
  }

  /** What is to be seen of the others, in device pixels; screens first, then who speaks. */
  watched(own) {
    const found = [];
    for (const person of this.people) {
      if (person.id === own) continue;
      for (const track of person.tracks) {
        const tile = this.list.querySelector(`[data-tile="${CSS.escape(key(person.id, track))}"]`);
        const visible = tile && this.seen.has(tile.dataset.tile) && document.visibilityState === 'visible';
        const height = visible ? Math.min(8_192, Math.ceil(tile.clientHeight * devicePixelRatio)) : 0;
        found.push({ person: person.id, track, height });
      }
    }
    const rank = ({ person, track }) => (track === 'screen' ? 0 : person === this.speaker ? 1 : 2);
    return found.sort((a, b) => rank(a) - rank(b)).slice(0, 16);
  }
}
