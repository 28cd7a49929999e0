/** Which microphones and loudspeakers there are, and which were chosen. Remembered by label too, because identifiers rotate. */
import { computed, signal } from '@preact/signals';

const KEPT = 'centralita.devices';
const KINDS = { input: 'audioinput', output: 'audiooutput', ring: 'audiooutput' };

/** `{input: [...], output: [...], ring: [...]}` of `{deviceId, label}`. */
export const devices = signal({ input: [], output: [], ring: [] });
/** `{input: {id, label}, ...}` as chosen by the person; absent = the system's default. */
export const chosen = signal(JSON.parse(localStorage.getItem(KEPT) ?? '{}'));

export const canChooseOutput = 'setSinkId' in HTMLMediaElement.prototype;
export const canChooseRing = 'AudioContext' in window && 'setSinkId' in AudioContext.prototype;

/** Look again; called at start, when permission comes and whenever something is plugged. */
export async function survey() {
  const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const list = (kind) =>
    found.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== 'default' && device.deviceId !== 'communications');
  devices.value = { input: list(KINDS.input), output: list(KINDS.output), ring: list(KINDS.ring) };
}

/** Identifier to use for `input`, `output` or `ring`: the one chosen, else the one of the same label, else '' for the default. */
export function pick(use) {
  const wish = chosen.value[use];
  if (!wish) return '';
  const list = devices.value[use];
  const found = list.find((device) => device.deviceId === wish.id) ?? list.find((device) => device.label && device.label === wish.label);
  return found?.deviceId ?? '';
}

/** Uses whose chosen device is not there now, with its label: the system's default stands in until it is back. */
export const absent = computed(() =>
  Object.keys(KINDS)
    .filter((use) => chosen.value[use]?.label && devices.value[use].length > 0 && !pick(use))
    .map((use) => ({ use, label: chosen.value[use].label })),
);

/** Choose a device by identifier; '' means the system's default. */
export function choose(use, id) {
  const label = devices.value[use].find((device) => device.deviceId === id)?.label ?? '';
  const { [use]: _former, ...rest } = chosen.value;
  chosen.value = id ? { ...rest, [use]: { id, label } } : rest;
  localStorage.setItem(KEPT, JSON.stringify(chosen.value));
}

navigator.mediaDevices?.addEventListener('devicechange', survey);
