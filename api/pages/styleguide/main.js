/** The kit's parts in all their states, for people who build pages, and for the tests of looks. */
import { signal } from '@preact/signals';
import { Timeline } from '../kit/chart.js';
import * as formats from '../kit/formats.js';
import { ICONS } from '../kit/icon.js';
import { alarm, html, mount, say, t } from '../kit/page.js';
import { Badge, Button, Card, Choice, Confirm, Dialog, Empty, Field, Figure, Figures, Icon, More, Notice, Skeleton, Switch, Table, Tabs } from '../kit/parts.js';

const TONES = ['good', 'warn', 'bad', 'neutral'];
const KINDS = ['plain', 'primary', 'good', 'bad', 'quiet'];
/** The same moment for everyone, so that pictures of this page can be compared. */
const THEN = 1_795_000_000;
const HOUR_S = 3600;
const chosen = signal('one');
const on = signal(true);
const picked = signal('b');
const pressed = signal(false);
const opened = signal('');
const shown = signal('');
const more = signal(['']);

const ROWS = [
  { id: 'a', name: 'Clara Vidal', seconds: 754, mos: 4.31, state: 'good' },
  { id: 'b', name: 'José María Ñáñez de la Hoz y Pérez-Villaamil', seconds: 61, mos: 2.9, state: 'warn' },
  { id: 'c', name: 'Ødegård, Åse', seconds: 3725, mos: null, state: 'bad' },
];
const columns = () => [
  { id: 'name', title: t('table.name'), draw: (row) => row.name, sort: (row) => row.name },
  { id: 'state', title: t('table.state'), draw: (row) => html`<${Badge} tone=${row.state}>${t(`tone.${row.state}`)}<//>`, sort: (row) => row.state },
  { id: 'long', title: t('table.long'), draw: (row) => formats.length(row.seconds), sort: (row) => row.seconds, end: true },
  { id: 'mos', title: t('table.mos'), draw: (row) => (row.mos === null ? '–' : formats.number(row.mos, 2)), sort: (row) => row.mos, end: true },
];
const minutes = Array.from({ length: 60 }, (_, at) => THEN + at * 60);
const series = () => [
  { words: t('chart.mos'), unit: 'MOS', points: minutes.map((at, n) => [at, 4.2 - Math.abs(Math.sin(n / 9)) - (n > 40 && n < 46 ? 1.2 : 0)]) },
  { words: t('chart.loss'), unit: '%', points: minutes.map((at, n) => [at, n > 40 && n < 46 ? 7 : n === 20 ? null : Math.abs(Math.cos(n / 7))]) },
];

const Colours = () => html`
  <${Card} title=${t('colours')}>
    <ul class="swatches">
      ${['ground', 'surface', 'sunken', 'primary', 'primary-soft', 'good', 'good-soft', 'bad', 'bad-soft', 'warn-soft'].map((name) => html`<li key=${name}><i class=${`swatch swatch-${name}`} aria-hidden="true"></i><code>${`--${name}`}</code></li>`)}
    </ul>
  <//>
`;

const Words = () => html`
  <${Card} title=${t('type')}>
    <p class="wordmark">${t('kit.product')}</p>
    <h2>${t('type.heading')}</h2>
    <h3>${t('type.smaller')}</h3>
    <p>${t('type.text')}</p>
    <p class="fine">${t('type.fine')}</p>
    <dl class="written">
      ${[
        ['time', formats.time(THEN)],
        ['date', formats.date(THEN)],
        ['day', formats.day(THEN)],
        ['length', formats.length(754)],
        ['number', formats.number(1234567.891, 2)],
        ['percent', formats.percent(0.874)],
        ['money', formats.money(1499.5, 'EUR')],
        ['ago', formats.ago(THEN - 2 * HOUR_S, THEN)],
        ['list', formats.list(['Ana', 'Eva', 'Luis'])],
      ].map(([name, text]) => html`<div key=${name}><dt><code>${name}</code></dt><dd>${text}</dd></div>`)}
    </dl>
  <//>
`;

const Buttons = () => html`
  <${Card} title=${t('buttons')}>
    <div class="acts">${KINDS.map((kind) => html`<${Button} key=${kind} kind=${kind}>${t(`kind.${kind}`)}<//>`)}</div>
    <div class="acts">${KINDS.map((kind) => html`<${Button} key=${kind} kind=${kind} disabled>${t('state.disabled')}<//>`)}</div>
    <div class="acts">
      <${Button} kind="primary" icon="call">${t('kind.icon')}<//>
      <${Button} kind="primary" busy>${t('state.busy')}<//>
      <${Button} icon="mic" pressed=${pressed.value} onClick=${() => (pressed.value = !pressed.value)}>${t('state.pressed')}<//>
      <${Button} icon="settings" label=${t('kind.alone')} />
      <${Button} small>${t('kind.small')}<//>
    </div>
  <//>
`;

const Fields = () => html`
  <${Card} title=${t('fields')}>
    <div class="kit-form two">
      <${Field} label=${t('field.plain')}><input name="plain" /><//>
      <${Field} label=${t('field.hinted')} hint=${t('field.hint')}><input name="hinted" value="+34 600 000 000" dir="ltr" /><//>
      <${Field} label=${t('field.wrong')} error=${t('field.error')}><input name="wrong" value="+34" dir="ltr" /><//>
      <${Field} label=${t('field.disabled')}><input name="disabled" disabled value="…" /><//>
      <${Field} label=${t('field.long')}><textarea name="long" rows="3"></textarea><//>
      <${Choice} label=${t('field.choice')} value=${picked.value} options=${['a', 'b', 'c'].map((each) => [each, t(`option.${each}`)])} onChange=${(value) => (picked.value = value)} />
    </div>
    <div><${Switch} label=${t('field.switch')} on=${on.value} onChange=${(value) => (on.value = value)} /></div>
    <div><${Switch} label=${t('field.switch.off')} on=${false} disabled onChange=${() => {}} /></div>
  <//>
`;

const Tones = () => html`
  <${Card} title=${t('tones')} actions=${html`<${Button} small>${t('kind.small')}<//>`}>
    <div class="acts">${TONES.map((tone) => html`<${Badge} key=${tone} tone=${tone}>${t(`tone.${tone}`)}<//>`)}</div>
    ${['info', 'good', 'warn', 'bad'].map((tone) => html`<${Notice} key=${tone} tone=${tone}>${t('notice')}<//>`)}
    <${Figures}>
      <${Figure} label=${t('figure.waiting')} value=${formats.number(7)} tone="warn" note=${t('figure.note')} />
      <${Figure} label=${t('figure.level')} value=${formats.percent(0.874)} tone="good" />
      <${Figure} label=${t('figure.bad')} value=${formats.number(2)} tone="bad" />
      <${Figure} label=${t('figure.longest')} value=${formats.length(95)} />
    <//>
  <//>
`;

const Lists = () => html`
  <${Card} title=${t('lists')}>
    <${Tabs} label=${t('lists')} tabs=${['one', 'none', 'coming'].map((each) => [each, t(`tab.${each}`)])} chosen=${chosen.value} onChoose=${(id) => (chosen.value = id)}>
      ${chosen.value === 'one' && html`<${Table} caption=${t('lists')} columns=${columns()} rows=${ROWS} id=${(row) => row.id} shown=${shown.value} sorted=${{ id: 'name', way: 'ascending' }} onOpen=${(row) => { shown.value = row.id; say(row.name); }} />`}
      ${chosen.value === 'none' && html`<${Table} caption=${t('lists')} columns=${columns()} rows=${[]} id=${(row) => row.id} empty=${t('table.empty')} /><${Empty} title=${t('empty.title')}>${t('empty.text')}<//>`}
      ${chosen.value === 'coming' && html`<${Skeleton} lines=${4} />`}
    <//>
    <ul>${more.value.map((_, at) => html`<li key=${at}>${t('more.row', { number: formats.number(at + 1) })}</li>`)}</ul>
    <${More} cursor=${more.value.length < 3 ? 'next' : null} onMore=${async () => (more.value = [...more.value, ''])} />
  <//>
`;

const Above = () => html`
  <${Card} title=${t('above')}>
    <div class="acts">
      <${Button} data-do="dialog" onClick=${() => (opened.value = 'dialog')}>${t('above.dialog')}<//>
      <${Button} data-do="confirm" onClick=${() => (opened.value = 'confirm')}>${t('above.confirm')}<//>
      <${Button} data-do="say" onClick=${() => say(t('notice'))}>${t('above.say')}<//>
      <${Button} data-do="alarm" onClick=${() => alarm(t('notice'))}>${t('above.alarm')}<//>
    </div>
    <${Dialog} title=${t('above.dialog')} open=${opened.value === 'dialog'} onClose=${() => (opened.value = '')}><p>${t('type.text')}</p><//>
    ${opened.value === 'confirm' && html`<${Confirm} title=${t('above.confirm')} say=${t('above.sure')} doing=${t('above.remove')} onYes=${async () => say(t('above.removed'))} onClose=${() => (opened.value = '')} />`}
  <//>
`;

const Pictures = () => html`
  <${Card} title=${t('pictures')}><ul class="pictures">${ICONS.map((name) => html`<li key=${name}><${Icon} name=${name} /><code>${name}</code></li>`)}</ul><//>
`;

const Guide = () => html`
  <h1>${t('title')}</h1>
  <${Words} />
  <${Colours} />
  <${Buttons} />
  <${Fields} />
  <${Tones} />
  <${Lists} />
  <${Card} title=${t('chart')}><${Timeline} caption=${t('chart.caption')} from=${THEN} to=${THEN + HOUR_S} series=${series()} /><//>
  <${Above} />
  <${Pictures} />
`;

await mount(Guide, { door: false });
