/** Who is in the room, who waits for it, and what its hosts may do. */
import { ask } from '../js/link.js';
import { t } from '../kit/words.js';

function button(text, act, label = '') {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'small';
  made.textContent = text;
  if (label) made.ariaLabel = label;
  made.addEventListener('click', act);
  return made;
}

/** What a host is told of somebody's test before coming in; '' where they made none. */
export function testOf(checked) {
  if (!checked) return '';
  const { verdict, microphone, camera, heard } = checked;
  const found = [
    verdict && t(`tested.${verdict}`),
    !microphone && t('tested.no_microphone'),
    !camera && t('tested.no_camera'),
    heard === false && t('tested.unheard'),
  ];
  return found.filter(Boolean).join(' · ');
}

/** What somebody said to being recorded. */
const CONSENTS = { asked: 'record.asked', given: 'record.given', refused: 'record.refused' };

export class People {
  /** `onRefused(refusal)`, `onLink(token)`: a link was made for others. */
  constructor(panel, waiting, onRefused, onLink) {
    this.members = panel.querySelector('#members');
    this.hosting = panel.querySelector('#hosting');
    this.waiting = waiting;
    this.onRefused = onRefused;
    this.onLink = onLink;
    this.room = null;
    this.me = '';
    this.people = [];
    for (const box of this.hosting.querySelectorAll('[data-set]')) box.addEventListener('change', () => this.set(box));
    const acts = { 'new-link': () => this.link(), unlink: () => this.unlink(), end: () => confirm(t('host.sure')) && this.do('room.end') };
    for (const [name, act] of Object.entries(acts)) this.hosting.querySelector(`[data-do="${name}"]`).addEventListener('click', act);
  }

  get hosts() {
    return this.room?.members.some(({ identity, role }) => identity === this.me && role === 'host') ?? false;
  }

  /** The room as it now stands; `people` as the tiles have them. */
  draw(room, me, people) {
    Object.assign(this, { room, me, people });
    this.hosting.hidden = !this.hosts;
    if (!this.hosts) this.wait([]);
    for (const box of this.hosting.querySelectorAll('[data-set]')) box.checked = room[box.dataset.set];
    const focused = document.activeElement?.dataset.about;
    this.members.replaceChildren(...people.map((person) => this.row(person)));
    if (focused) this.members.querySelector(`[data-about="${CSS.escape(focused)}"]`)?.focus();
  }

  row(person) {
    const row = document.createElement('li');
    const name = document.createElement('p');
    const marks = [person.role === 'host' && t('people.host'), person.away && t('tile.away'), !person.microphone && t('tile.muted'), person.hand && t('tile.hand'), CONSENTS[person.consent] && t(CONSENTS[person.consent])];
    name.textContent = [person.identity === this.me ? t('tile.you', { name: person.name }) : person.name, ...marks.filter(Boolean)].join(' · ');
    row.append(name);
    if (!this.hosts || person.identity === this.me) return row;
    if (person.hand) row.append(this.about(person, 'lower', t('people.lower'), () => this.do('hand.raise', { identity: person.identity, raised: false })));
    const silence = () => this.do('room.mute', { identity: person.identity, muted: !person.muted });
    if (person.microphone || (person.muted && person.phone)) row.append(this.about(person, 'mute', t(person.muted ? 'people.unmute' : 'people.mute'), silence));
    row.append(this.about(person, 'kick', t('people.kick'), () => this.do('room.kick', { identity: person.identity })));
    return row;
  }

  about(person, what, text, act) {
    const made = button(text, act, t('people.about', { what: text, name: person.name }));
    made.dataset.about = `${what} ${person.identity}`;
    made.dataset.do = what;
    return made;
  }

  /** Who waits to be let in. */
  wait(waiting) {
    this.waiting.replaceChildren(
      ...waiting.map(({ identity, name, checked }) => {
        const row = document.createElement('li');
        const words = document.createElement('p');
        words.textContent = [t('people.waits', { name }), testOf(checked)].filter(Boolean).join(' ');
        const admit = this.about({ identity, name }, 'admit', t('people.admit'), () => this.do('room.admit', { identity, admitted: true }));
        admit.classList.add('primary');
        row.append(words, admit, this.about({ identity, name }, 'deny', t('people.deny'), () => this.do('room.admit', { identity, admitted: false })));
        return row;
      }),
    );
  }

  async do(type, fields = {}) {
    try {
      return await ask(type, { room_id: this.room.room_id, ...fields });
    } catch (refusal) {
      this.onRefused(refusal);
      return null;
    }
  }

  set(box) {
    if (box.dataset.set === 'locked') this.do('room.lock', { locked: box.checked });
    else this.do('room.update', { waiting_room: box.checked });
  }

  async link() {
    const made = await this.do('room.link');
    if (made) this.onLink(made.token);
  }

  /** Every link to this room; who came by one is out. */
  async unlink() {
    if (confirm(t('host.unlink_sure')) && (await this.do('room.unlink'))) this.onRefused({ code: 'unlinked' });
  }
}
