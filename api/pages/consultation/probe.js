/**
 * A test of the connection with the media server that the consultation has: what we say comes back. The server measures the way to it, we
 * measure the way back, and the server says in one word what both are worth.
 */
const CONNECTED_WITHIN_MS = 15_000;
const LASTS_MS = 5_000;
/** So soft that nobody would hear it: packets need something to carry where there is no microphone. */
const SOFT = 0.02;

const drawId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const wait = (ms, stop) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    stop.addEventListener('abort', () => {
      clearTimeout(timer);
      done();
    });
  });

function connected(pc, stop) {
  return new Promise((done) => {
    const look = () => ['connected', 'failed', 'closed'].includes(pc.connectionState) && done(pc.connectionState === 'connected');
    pc.addEventListener('connectionstatechange', look);
    wait(CONNECTED_WITHIN_MS, stop).then(() => done(false));
  });
}

/** A track to send: a copy of the microphone's, or a soft tone. */
function spoken(microphone) {
  if (microphone) {
    const copy = microphone.clone();
    return { track: copy, end: () => copy.stop() };
  }
  const context = new AudioContext();
  const gain = context.createGain();
  const out = context.createMediaStreamDestination();
  const tone = context.createOscillator();
  gain.gain.value = SOFT;
  tone.connect(gain).connect(out);
  tone.start();
  return { track: out.stream.getAudioTracks()[0], end: () => context.close() };
}

/** The way back as it was measured: loss 0-1, round trip in ms, and by which protocol packets go; null where nothing came. */
async function measured(pc) {
  const found = { loss: null, round_trip_ms: null, protocol: '' };
  const stats = await pc.getStats();
  for (const entry of stats.values()) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'audio' && entry.packetsReceived) {
      found.loss = Math.min(1, Math.max(0, entry.packetsLost) / (entry.packetsReceived + Math.max(0, entry.packetsLost)));
    }
    if (entry.type !== 'candidate-pair' || !entry.nominated || entry.state !== 'succeeded') continue;
    if (entry.currentRoundTripTime !== undefined) found.round_trip_ms = Math.min(60_000, entry.currentRoundTripTime * 1000);
    found.protocol = stats.get(entry.localCandidateId)?.protocol ?? '';
  }
  return found;
}

/** The verdict, as `room.checked` tells it, and the `protocol`. `ask` asks the hub about the room; `about`: what our devices are; `stop` ends it early. */
export async function probe(ask, iceServers, microphone, about, stop) {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers });
  const said = spoken(microphone);
  let way = { loss: null, round_trip_ms: null, protocol: '' };
  try {
    pc.addTransceiver(said.track, { direction: 'sendrecv' });
    const isUp = connected(pc, stop);
    await pc.setLocalDescription();
    const { sdp } = await ask('room.check', { peer_id: drawId(), sdp: pc.localDescription.sdp });
    await pc.setRemoteDescription({ type: 'answer', sdp });
    if (await isUp) {
      await wait(LASTS_MS, stop);
      way = await measured(pc);
    }
  } finally {
    said.end();
    pc.close();
  }
  const { loss, round_trip_ms, protocol } = way;
  return { ...(await ask('room.checked', { ...about(), loss, round_trip_ms })), protocol };
}
