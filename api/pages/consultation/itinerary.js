/** What the customer has booked, beside the video: hosts look it up and show it; everybody in the room sees what is shown, and where to look. */
import { t, has } from '../kit/words.js';
import { ask } from '../js/link.js';
import { drawBooking, nameOfStage } from './timeline.js';

const $ = (selector) => document.querySelector(selector);
const UNHEARD = new Set(['no_reply', 'too_many_requests']);
const AGAIN_MS = 3_000;
const NOTHING = { share_id: '', by: '', stage: null, booking: null };

function made(tag, fields = {}, ...children) {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children.filter(Boolean));
  return node;
}

const button = (text, act, fields = {}) => {
  const node = made('button', { type: 'button', className: 'small', textContent: text, ...fields });
  node.addEventListener('click', act);
  return node;
};

export class Itinerary {
  /** `nameOf(identity)`; `onRefused(refusal)`; `say(text)`; `onShown(isNew)`: something is shown, or nothing any more. */
  constructor(nameOf, onRefused, say, onShown) {
    Object.assign(this, { nameOf, onRefused, say, onShown });
    this.forget();
    $('#trip-look').addEventListener('submit', (event) => {
      event.preventDefault();
      this.look(new FormData(event.target).get('ref').trim());
    });
  }

  /** Out of the room. */
  forget() {
    this.roomId = '';
    this.hosts = false;
    this.others = [];
    this.shown = NOTHING;
    this.told = null;
    this.found = null;
    this.ref = null;
    this.closed = new Set();
    this.draw();
  }

  /** In the room, at first or again. */
  begin(roomId) {
    this.roomId = roomId;
    this.told = null;
    this.read();
    if (this.ref !== null) this.look(this.ref);
  }

  /** Am I a host, and who else is here? */
  know(hosts, others) {
    if (this.hosts === hosts && this.others.join() === others.join()) return;
    Object.assign(this, { hosts, others });
    this.draw();
  }

  /** The panel is open: now hosts look, and not before, for every look is written down. */
  open() {
    if (this.hosts && this.ref === null) this.look('');
  }

  // --- what is shown to all

  hear(notice) {
    this.told = notice;
    if (notice.share_id !== this.shown.share_id) this.read();
    else this.point(notice.stage);
  }

  async read() {
    const before = this.told;
    try {
      const now = this.told?.share_id === '' ? NOTHING : await ask('itinerary.read', { room_id: this.roomId });
      // What came meanwhile is newer, and is read by itself.
      if (this.told !== before && this.told.share_id !== now.share_id) return;
      this.show({ ...now, stage: this.told?.share_id === now.share_id ? this.told.stage : now.stage });
    } catch (refusal) {
      this.onRefused(refusal);
      const { roomId } = this;
      // What is shown to all is not missed by one who was not answered.
      if (UNHEARD.has(refusal.code)) setTimeout(() => roomId && roomId === this.roomId && this.read(), AGAIN_MS);
    }
  }

  show(now) {
    const before = this.shown;
    if (before.share_id === now.share_id) return;
    this.shown = now;
    this.draw();
    const name = this.nameOf(now.by || before.by);
    const isMine = now.by === this.me;
    if (now.booking && !isMine) this.say([t(before.booking ? 'trip.changed' : 'trip.shares', { name }), this.pointed()].filter(Boolean).join(' '));
    else if (!now.booking) this.say(t('trip.stopped'));
    else this.say(t('trip.sharing'));
    this.onShown(Boolean(now.booking) && !before.booking);
    this.mark();
  }

  point(stage) {
    if (this.shown.stage === stage) return;
    this.shown = { ...this.shown, stage };
    this.mark();
    if (stage !== null && this.shown.by !== this.me) this.say(this.pointed());
  }

  /** Where everybody is to look, in words; '' where nowhere. */
  pointed() {
    const { booking, stage } = this.shown;
    return stage === null || !booking ? '' : t('trip.points', { what: nameOfStage(booking.stages[stage]) });
  }

  /** Where everybody is to look, in what is drawn already. */
  mark() {
    for (const node of document.querySelectorAll('#trip-shown [data-stage]')) {
      const isIt = Number(node.dataset.stage) === this.shown.stage;
      if (isIt) node.setAttribute('aria-current', 'true');
      else node.removeAttribute('aria-current');
      const way = node.querySelector('[data-do="point"]');
      if (way) way.ariaPressed = String(isIt);
      if (isIt && !this.hosts) this.bring(node);
    }
  }

  /** Into the middle of the panel; the page itself stays where its reader has it. */
  bring(node) {
    const box = $('#itinerary .scroll');
    const [its, ours] = [node.getBoundingClientRect(), box.getBoundingClientRect()];
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    box.scrollBy({ top: its.top - ours.top - (ours.height - its.height) / 2, behavior: calm ? 'auto' : 'smooth' });
  }

  // --- what hosts do

  async do(type, fields = {}) {
    try {
      return await ask(type, { room_id: this.roomId, ...fields });
    } catch (refusal) {
      this.onRefused(refusal);
      return null;
    }
  }

  look(ref) {
    if (this.ref !== ref) this.found = null;
    this.ref = ref;
    this.draw();
    this.do('itinerary.look', { ref });
  }

  take(notice) {
    if (notice.ref !== (this.ref ?? '')) return;
    this.found = notice;
    this.draw();
  }

  draw() {
    const focused = document.activeElement?.dataset.about;
    const { booking } = this.shown;
    $('#trip-host').hidden = !this.hosts;
    $('#trip-shown').hidden = !booking;
    $('#trip-shown').replaceChildren(...(booking ? this.drawShown(booking) : []));
    $('#trip-none').hidden = this.hosts || Boolean(booking);
    if (this.hosts) this.drawFound();
    if (focused) document.querySelector(`#itinerary [data-about="${CSS.escape(focused)}"]`)?.focus();
    this.mark();
  }

  drawShown(booking) {
    const name = this.nameOf(this.shown.by);
    const head = made('p', { className: 'trip-by', textContent: this.hosts ? t('trip.seen_by', { names: this.others.join(', ') || t('trip.nobody') }) : t('trip.by', { name }) });
    const stop = this.hosts && button(t('trip.stop'), () => this.do('itinerary.unshare'), { className: 'small stop' });
    if (stop) Object.assign(stop.dataset, { do: 'unshare', about: 'unshare' });
    const way = (place) => {
      const node = button(t('trip.point'), () => this.do('itinerary.point', { share_id: this.shown.share_id, stage: this.shown.stage === place ? null : place }));
      Object.assign(node.dataset, { do: 'point', about: `point ${place}` });
      node.ariaLabel = t('trip.point_at', { what: nameOfStage(booking.stages[place]) });
      return node;
    };
    return [made('div', { className: 'trip-head' }, head, stop), drawBooking(booking, this.hosts ? way : null)];
  }

  drawFound() {
    const { found } = this;
    $('#trip-said').textContent = this.ref === null ? '' : this.saidOf(found);
    const away = (found?.parts ?? []).filter(({ state }) => has(`trip_part.${state}`));
    $('#trip-parts').replaceChildren(...away.map(({ title, state }) => made('li', { textContent: t(`trip_part.${state}`, { title }) })));
    $('#trip-choices').replaceChildren(...(found?.choices ?? []).map((one) => this.choice(one)));
    $('#trip-found').replaceChildren(...(found?.bookings ?? []).map((each) => this.drawOne(each)));
  }

  saidOf(found) {
    if (!found) return t('trip.looking');
    if (!found.known) return t('trip.unknown');
    if (found.choices.length && !found.bookings.length) return t('trip.choose');
    if (found.bookings.length) return found.customer ? t('trip.of', { name: found.customer }) : '';
    return found.whole ? t('trip.none') : t('trip.looking');
  }

  choice(one) {
    const words = [one.name, one.company, one.email].filter(Boolean).join(' · ');
    const node = button(words, () => this.do('itinerary.look', { ref: this.ref, backend: one.backend, contact: one.id }));
    node.dataset.about = `choose ${one.backend} ${one.id}`;
    return node;
  }

  drawOne({ backend, id, booking, remark }) {
    const name = `${backend} ${id}`;
    const summary = made('summary', {}, made('span', { className: 'trip-name', textContent: booking.title }), made('span', { className: 'fine', textContent: booking.ref }));
    summary.dataset.about = `fold ${name}`;
    const isFirst = this.found.bookings[0].id === id && this.found.bookings[0].backend === backend;
    const isShown = this.shown.booking?.ref === booking.ref && this.shown.booking?.title === booking.title;
    const share = button(isShown ? t('trip.shown') : t('trip.share'), () => this.share(backend, id), { className: 'small primary', disabled: isShown });
    Object.assign(share.dataset, { do: 'share', about: `share ${name}` });
    const inside = remark && made('p', { className: 'note', textContent: t('trip.remark', { text: remark }) });
    const fold = made('details', { open: isFirst !== this.closed.has(name) && !isShown }, summary, inside, share, drawBooking(booking, null, false));
    fold.addEventListener('toggle', () => (fold.open === isFirst ? this.closed.delete(name) : this.closed.add(name)));
    return fold;
  }

  async share(backend, id) {
    const now = await this.do('itinerary.share', { backend, id });
    if (!now) return;
    this.told = now;
    this.show(now);
    document.querySelector('#trip-shown [data-do="unshare"]')?.focus();
  }
}
