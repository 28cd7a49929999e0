/** The chime by which people find out whether they hear: three rising notes, on the loudspeaker that the element plays on. */
const NOTES_HZ = [523.25, 659.25, 783.99];
const STEP_S = 0.35;
const LENGTH_S = 0.9;
const LOUD = 0.25;

let context = null;
let out = null;

function note(hz, at) {
  const oscillator = context.createOscillator();
  const envelope = context.createGain();
  oscillator.frequency.value = hz;
  envelope.gain.setValueAtTime(0, at);
  envelope.gain.linearRampToValueAtTime(LOUD, at + 0.02);
  envelope.gain.exponentialRampToValueAtTime(0.001, at + LENGTH_S);
  oscillator.connect(envelope).connect(out);
  oscillator.start(at);
  oscillator.stop(at + LENGTH_S);
}

/** Play it on this audio element, whose loudspeaker the page has chosen. */
export async function chime(element) {
  context ??= new AudioContext();
  out ??= context.createMediaStreamDestination();
  if (context.state === 'suspended') await context.resume();
  if (element.srcObject !== out.stream) element.srcObject = out.stream;
  await element.play().catch(() => undefined);
  NOTES_HZ.forEach((hz, step) => note(hz, context.currentTime + 0.1 + step * STEP_S));
}
