/** The note of a call, kept as it is typed. Where somebody else wrote it meanwhile, both are shown and nothing is lost. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { explain, t } from '../catalogue.js';
import * as link from '../link.js';
import { html } from './html.js';
import { Phrases } from './phrases.js';

const PAUSE_MS = 600;
const AGAIN_MS = 3_000;
/** A call that is just over is on record a moment later: so often it may be known as nobody's before that is said. */
const PATIENCE = 3;
/** call id -> `{ text, revision, kept, theirs, refusal }`: `kept` is what the server has, `theirs` what somebody else wrote meanwhile. */
const notes = signal({});
const timers = new Map();
const writing = new Set();

/** What is not at the server yet survives a reload here, and no longer. */
const draftOf = (callId) => `centralita.note.${callId}`;

function draft(callId) {
  const { text, kept, revision } = noteOf(callId);
  if (text === kept) sessionStorage.removeItem(draftOf(callId));
  else sessionStorage.setItem(draftOf(callId), JSON.stringify({ text, revision }));
}

const noteOf = (callId) => notes.peek()[callId];
function change(callId, changes) {
  notes.value = { ...notes.peek(), [callId]: { ...noteOf(callId), ...changes } };
  draft(callId);
}

function isPatient(callId, refusal, act) {
  const tries = refusal.code === 'unknown_call' ? (noteOf(callId).tries ?? 0) + 1 : 0;
  const waits = tries > 0 && tries <= PATIENCE;
  change(callId, { tries });
  if (waits) later(callId, AGAIN_MS, act);
  return waits;
}

async function read(callId) {
  try {
    const now = await link.ask('note.get', { call_id: callId });
    const mine = noteOf(callId);
    if (mine && mine.text !== mine.kept) return write(callId);
    if (mine && now.revision < mine.revision) return undefined; // looked at before what was written meanwhile
    const left = mine ? null : JSON.parse(sessionStorage.getItem(draftOf(callId)));
    change(callId, { text: now.text, revision: now.revision, kept: now.text, theirs: null, refusal: null, tries: 0, ...left });
    if (left) await write(callId);
  } catch (refusal) {
    if (noteOf(callId) && !isPatient(callId, refusal, read)) change(callId, { refusal });
  }
}

function later(callId, after, act = write) {
  clearTimeout(timers.get(callId));
  timers.set(callId, setTimeout(() => act(callId), after));
}

async function write(callId) {
  const { text, revision, kept, theirs } = noteOf(callId);
  if (theirs !== null || text === kept) return;
  if (writing.has(callId)) {
    later(callId, PAUSE_MS);
    return;
  }
  writing.add(callId);
  try {
    const now = await link.ask('note.write', { call_id: callId, text, revision });
    if (now.taken) change(callId, { revision: now.revision, kept: text, refusal: null, tries: 0 });
    else change(callId, { theirs: { text: now.text, by: now.by, revision: now.revision }, refusal: null });
  } catch (refusal) {
    if (isPatient(callId, refusal, write)) return;
    change(callId, { refusal });
    if (refusal.code !== 'unknown_call') later(callId, AGAIN_MS);
  } finally {
    writing.delete(callId);
  }
}

function type(callId, text) {
  change(callId, { text });
  later(callId, PAUSE_MS);
}

/** Take what the other one wrote, or write ours over it. */
function settle(callId, text) {
  const { theirs } = noteOf(callId);
  change(callId, { text, revision: theirs.revision, kept: theirs.text, theirs: null });
  write(callId);
}

function Conflict({ callId, note }) {
  return html`
    <div class="notice warn conflict" role="alert" data-part="conflict">
      <p>${t('note.conflict', { who: note.theirs.by })}</p>
      <blockquote><bdi>${note.theirs.text}</bdi></blockquote>
      <div class="picker-row">
        <button type="button" class="small" data-do="note-theirs" onClick=${() => settle(callId, note.theirs.text)}>${t('note.theirs')}</button>
        <button type="button" class="small" data-do="note-both" onClick=${() => settle(callId, `${note.theirs.text}\n${note.text}`)}>${t('note.both')}</button>
        <button type="button" class="small" data-do="note-mine" onClick=${() => settle(callId, note.text)}>${t('note.mine')}</button>
      </div>
    </div>
  `;
}

export function Note({ callId }) {
  const up = link.link.value === 'up';
  useEffect(() => {
    if (up) read(callId);
    return () => {
      if (noteOf(callId)) write(callId);
    };
  }, [callId, up]);
  const note = notes.value[callId];
  if (!note) return null;
  const id = `note-${callId}`;
  const state = note.theirs !== null ? '' : note.refusal ? `${explain(note.refusal)} ${note.refusal.code === 'unknown_call' ? '' : t('note.again')}` : note.text === note.kept ? (note.revision > 0 ? t('note.kept') : '') : t('note.keeping');
  return html`
    <div class="context-note">
      <label for=${id}>${t('note.label')}</label>
      <textarea id=${id} dir="auto" rows="3" maxlength="20000" value=${note.text} readonly=${note.theirs !== null} onInput=${(event) => type(callId, event.currentTarget.value)}></textarea>
      <p class="fine" data-part="note-state" data-state=${note.refusal ? 'refused' : note.text === note.kept ? 'kept' : 'keeping'}>${state}</p>
      ${note.theirs === null && html`<${Phrases} text=${note.text} onChoose=${(phrase) => type(callId, [note.text, phrase].filter(Boolean).join('\n'))} />`}
      ${note.theirs !== null && html`<${Conflict} callId=${callId} note=${note} />`}
    </div>
  `;
}
