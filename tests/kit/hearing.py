"""What a page hears of its call, asked of Web Audio: is this tone there, is there any sound?"""

from playwright.async_api import Page

_SPECTRUM = """
([hz, wanted]) => {
  const call = window.centralita.state.calls.find((each) => each.state !== 'ended');
  const stream = call && window.centralita.remoteStream(call.call_id);
  if (!stream) return false;
  if (window.__ear?.stream !== stream) {
    const context = window.__ear?.context ?? new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(stream).connect(analyser);
    window.__ear = { stream, context, analyser, since: context.currentTime };
  }
  const { context, analyser, since } = window.__ear;
  // A window of samples that all came after the listening began.
  if (context.currentTime - since < analyser.fftSize / context.sampleRate) return false;
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const width = context.sampleRate / analyser.fftSize;
  const loudest = hz ? Math.max(...levels.slice(Math.floor(hz / width) - 1, Math.ceil(hz / width) + 2)) : Math.max(...levels);
  if (!wanted) return loudest < -75;
  const typical = [...levels].sort((a, b) => a - b)[levels.length / 2];
  return loudest > -50 && loudest > typical + 25;
}
"""


async def hears(page: Page, hz: float | None = None) -> None:
    """Waits until this tone (Hz), or any sound, is heard in the page's call. Raises playwright's TimeoutError where it is not."""
    await page.wait_for_function(_SPECTRUM, arg=[hz, True], polling=40)


async def hears_not(page: Page, hz: float) -> None:
    """Waits until the tone is gone: 25 dB and more below what ``hears`` asks for."""
    await page.wait_for_function(_SPECTRUM, arg=[hz, False], polling=40)
