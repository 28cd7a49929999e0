/** How loud is a track? One analysing context for the page; it plays nothing. */
let context = null;
let loaded = null;

function analyser() {
  context ??= new AudioContext();
  loaded ??= context.audioWorklet.addModule(new URL('./level_worklet.js', import.meta.url));
  if (context.state === 'suspended') context.resume();
  return loaded;
}

/** Call `tell(dBFS)` about every 21 ms until the returned function is called. The track may be muted or ended by others. */
export function listen(track, tell) {
  let source = null;
  let stopped = false;
  analyser().then(() => {
    if (stopped) return;
    source = context.createMediaStreamSource(new MediaStream([track]));
    const worklet = new AudioWorkletNode(context, 'level', { numberOfOutputs: 0 });
    worklet.port.onmessage = ({ data }) => stopped || tell(data);
    source.connect(worklet);
  });
  return () => {
    stopped = true;
    source?.disconnect();
  };
}
