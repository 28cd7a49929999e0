/** A room in which somebody writes who came by a button on a site: what they say of themselves, and asking them to call. */
import { ask } from '../js/link.js';
import { html } from '../js/views/html.js';
import { hears } from './desk.js';
import { attempt } from './doings.js';
import { Icon } from './icon.js';
import { t } from './words.js';

/** What the visitor said, or null where this room is none of a visitor. */
function saidIn(of) {
  try {
    return JSON.parse(of.metadata || '{}').visitor ?? null;
  } catch {
    return null;
  }
}

/** Shown as said by them: the words are theirs, and nobody checked them. */
export function Visitor({ of }) {
  const said = saidIn(of);
  if (!said) return null;
  const words = ['name', 'reason', 'page'].filter((each) => typeof said[each] === 'string' && said[each]).map((each) => t(`visitor.${each}`, { value: said[each] }));
  const there = of.members.some((member) => member.role === 'guest' && member.state === 'in' && !hears(member.identity));
  return html`
    <div class="notice talk-notice" data-part="visitor">
      <${Icon} name="people" />
      <span><b>${t('visitor.says')}</b> ${words.length ? words.join(' · ') : t('visitor.nothing')}</span>
      ${there && html`<button type="button" class="small" data-do="ask-to-call" onClick=${() => attempt(() => ask('visit.invite', { room_id: of.room_id }), t('visitor.asked'))}>${t('visitor.ask')}</button>`}
    </div>
  `;
}
