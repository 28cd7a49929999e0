"""Pictures and listening samples of every stage: before, after, and the peers, on the scenes that the rows are measured on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import freqz_sos, stft

from benchmarks import metrics
from benchmarks.loss_concealment import arrivals, encoded
from benchmarks.ours import chained
from benchmarks.peers import Samples
from benchmarks.scenes import RATE_HZ, EchoScene, NoisyMix, delayed_paths, echo_paths, echo_scene, noisy_mixes, talk
from dsp.chain import Chain, Stages
from dsp.gain import TARGET_DBFS, AutomaticGain, Limiter
from dsp.highpass import SECTIONS
from dsp.mos import rate
from dsp.netem import PRESETS, NetworkEmulator
from dsp.tones import busy, dtmf, hold_beep, recording_beep, ringback
from media.playout import Playout
from rooms.audio import G722

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

_ECHO_PEERS = ("aec3+ns", "speex+res")
_NOISE_PEERS = ("rnnoise", "webrtc-ns4", "speex-ns")
_LOWEST_DB = -100.0
_LEVEL_KEPT = Stages(gain=False)
"""As the peers do: what is heard shall not differ by loudness."""


def draw(bench: "Bench") -> None:
    """All of them into ``bench.plots`` and ``bench.samples``, as far as these are wanted."""
    for picture in (_echo, _echo_delay, _devices, _noise, _high_pass, _gain, _full_band, _activity, _jitter, _concealment, _tones, _rating):
        picture(bench)


def spectrograms(figure: Any, sounds: Mapping[str, Samples], rate_hz: int = RATE_HZ) -> None:
    """One below the other, 20 ms windows, -100 to -20 dB."""
    for axes, (label, sound) in zip(figure.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0], sounds.items(), strict=True):
        frequency_hz, time_s, spectrum = stft(sound, rate_hz, nperseg=rate_hz // 50, padded=False)
        level_db = np.maximum(20 * np.log10(np.abs(spectrum) + 1e-9), _LOWEST_DB)
        axes.pcolormesh(time_s, frequency_hz / 1000, level_db, vmin=_LOWEST_DB, vmax=-20, cmap="magma", rasterized=True)
        axes.set_title(label, loc="left", fontsize=9)
        axes.set_ylabel("kHz")
    axes.set_xlabel("s")


def courses(axes: Any, lines: Mapping[str, NDArray[np.floating]], step_s: float, label: str) -> None:
    """Values over time."""
    for name, values in lines.items():
        axes.plot(np.arange(len(values)) * step_s, values, label=name, linewidth=1)
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _echo(bench: "Bench") -> None:
    """Every path: spectrograms, and echo return loss enhancement over time."""
    paths = echo_paths(bench.corpus, quick=bench.quick)
    scenes = [echo_scene(bench.corpus, path) for path in paths]
    cleaned = chained([scene.mic for scene in scenes], [scene.far for scene in scenes], stages=_LEVEL_KEPT)
    for path, scene, ours in zip(paths, scenes, cleaned, strict=True):
        theirs = {name: bench.cancelled(name, scene.mic, scene.far) for name in _ECHO_PEERS if name in bench.peers.cancellers}
        _one_echo(bench, path.name, scene, {"ours": ours, **theirs})


def _one_echo(bench: "Bench", case: str, scene: EchoScene, results: Mapping[str, Samples]) -> None:
    sounds = {"microphone": scene.mic, "near end alone": scene.near, **results}
    bench.keep("echo", case, {"loudspeaker": scene.far, **sounds})
    bench.plot("echo", case, lambda figure: spectrograms(figure, sounds), size=(12, 9))

    def over_time(figure: Any) -> None:
        axes = figure.subplots()
        erle = {name: metrics.erle_over_time_db(scene.mic, sound, smoothing_s=0.3) for name, sound in results.items()}
        courses(axes, erle, 0.01, "microphone over output, dB")
        axes.axvspan(*(at / scene.rate_hz for at in scene.double), alpha=0.1, label="both talk")
        axes.set_xlabel("s")

    bench.plot("erle", case, over_time, size=(12, 4))


def _echo_delay(bench: "Bench") -> None:
    """What is found of a bulk delay, over time."""
    paths = delayed_paths()[: 1 if bench.quick else None]
    scenes = [echo_scene(bench.corpus, path) for path in paths]
    found: list[NDArray[np.float64]] = []
    cleaned = chained(
        [scene.mic for scene in scenes],
        [scene.far for scene in scenes],
        stages=_LEVEL_KEPT,
        watch=lambda chain: found.append(1000 * chain.echo_delay_s[: len(scenes)].astype(np.float64)),
    )
    delays_ms = np.array(found)

    def picture(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        courses(upper, {path.name: delays_ms[:, row] for row, path in enumerate(paths)}, 0.02, "delay found, ms")
        erle = {
            path.name: metrics.erle_over_time_db(scene.mic, sound, smoothing_s=0.3)
            for path, scene, sound in zip(paths, scenes, cleaned, strict=True)
        }
        courses(lower, erle, 0.01, "microphone over output, dB")

    bench.plot("echo", "bulk delay", picture)
    for path, scene, sound in zip(paths, scenes, cleaned, strict=True):
        bench.keep("echo", path.name, {"microphone": scene.mic, "loudspeaker": scene.far, "ours": sound})


def _devices(bench: "Bench") -> None:
    """Recordings of real devices."""
    pairs = bench.corpus.echo_real()[: 1 if bench.quick else None]
    cleaned = chained([one.mic for one in pairs], [one.far for one in pairs], stages=_LEVEL_KEPT)
    for pair, ours in zip(pairs, cleaned, strict=True):
        theirs = {name: bench.cancelled(name, pair.mic, pair.far) for name in _ECHO_PEERS if name in bench.peers.cancellers}
        sounds = {"loudspeaker": pair.far, "microphone": pair.mic, "ours": ours, **theirs}
        bench.keep("device", pair.name, sounds)
        bench.plot("device", pair.name, lambda figure, sounds=sounds: spectrograms(figure, sounds), size=(12, 9))  # type: ignore[misc]


def _noise(bench: "Bench") -> None:
    mixes = noisy_mixes(bench.corpus, 5.0, most=1 if bench.quick else 15)
    seen: dict[str, NoisyMix] = {mix.name.partition(" in ")[2]: mix for mix in mixes}
    chosen = list(seen.values())
    for mix, ours in zip(chosen, chained([mix.noisy for mix in chosen], stages=_LEVEL_KEPT), strict=True):
        theirs = {name: bench.suppressed(name, mix.noisy) for name in _NOISE_PEERS if name in bench.peers.suppressors}
        sounds = {"noisy, 5 dB": mix.noisy, "clean": mix.clean, "ours": ours, **theirs}
        bench.keep("noise", mix.name, sounds)
        bench.plot("noise", mix.name, lambda figure, sounds=sounds: spectrograms(figure, sounds), size=(12, 10))  # type: ignore[misc]


def _high_pass(bench: "Bench") -> None:
    def picture(figure: Any) -> None:
        axes = figure.subplots()
        frequency_hz, response = freqz_sos(SECTIONS, worN=np.geomspace(5, 2_000, 500), fs=RATE_HZ)
        axes.semilogx(frequency_hz, 20 * np.log10(np.abs(response) + 1e-9))
        axes.set_xlabel("Hz")
        axes.set_ylabel("dB")
        axes.grid(which="both", alpha=0.3)

    bench.plot("highpass", "response", picture, size=(8, 4))


def _gain(bench: "Bench") -> None:
    """One voice, 10 s each quiet, loud and very quiet, pauses between: level before and after, and the gain."""
    clips = bench.corpus.speech()
    voice = [clip for clip in clips if clip.speaker == clips[0].speaker]
    seconds = 3.0 if bench.quick else 12.0
    steps_dbfs = (-40.0, -12.0, -46.0, -26.0)
    said = np.concatenate([talk(voice, seconds, seed=number, active_dbfs=level) for number, level in enumerate(steps_dbfs)])
    said += np.random.default_rng(0).standard_normal(len(said)).astype(np.float32) * np.float32(1e-4)
    said = np.clip(said, -1, 1)[: len(said) // 320 * 320]
    power = 10 * np.log10(np.mean(said.reshape(-1, 320).astype(np.float64) ** 2, axis=1) + 1e-12)
    spoken = (power > -65).astype(np.float32)
    gain, limiter = AutomaticGain(16), Limiter(16)
    out, gains_db = np.zeros_like(said), np.zeros(len(spoken))
    for number, speech in enumerate(spoken):
        block = said[None, number * 320 : (number + 1) * 320]
        out[number * 320 : (number + 1) * 320] = limiter.process(gain.process(block, np.array([speech], np.float32)))[0]
        gains_db[number] = gain.gain_db[0]
    bench.keep("gain", "four loudnesses", {"before": said, "after": out})

    def picture(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        smooth = np.ones(50) / 50
        levels = {}
        for name, sound in (("before", said), ("after", out)):
            powers = np.convolve(np.mean(sound.reshape(-1, 320).astype(np.float64) ** 2, axis=1), smooth)[: len(spoken)]
            levels[name] = 10 * np.log10(powers + 1e-12)
        courses(upper, levels, 0.02, "level in 1 s, dBFS")
        upper.axhline(TARGET_DBFS, linestyle=":", color="k")
        courses(lower, {"gain": gains_db}, 0.02, "dB")
        lower.set_xlabel("s")

    bench.plot("gain", "four loudnesses", picture)


def _full_band(bench: "Bench") -> None:
    """48 kHz: speech in noise through the band split."""
    mix = noisy_mixes(bench.corpus, 10.0, rate_hz=48_000, most=1)[0]
    ours = chained([mix.noisy], stages=_LEVEL_KEPT, rate_hz=48_000)[0]
    theirs = {"rnnoise": bench.suppressed("rnnoise", mix.noisy, 48_000)} if "rnnoise" in bench.peers.suppressors else {}
    sounds = {"noisy, 10 dB": mix.noisy, "clean": mix.clean, "ours": ours, **theirs}
    bench.keep("full band", mix.name, sounds, 48_000)
    bench.plot("full band", mix.name, lambda figure: spectrograms(figure, sounds, 48_000), size=(12, 9))


def _activity(bench: "Bench") -> None:
    """Score of speech over time at 5 dB, and the peers'."""
    mix = noisy_mixes(bench.corpus, 5.0, most=3)[-1]
    lines = {name: peer.speech(mix.noisy, RATE_HZ) for name, peer in bench.peers.detectors.items()}
    seen: list[float] = []

    def watch(chain: Chain) -> None:
        seen.extend([float(chain.activity.score[0])] * 2)

    chained([mix.noisy], watch=watch)
    lines = {"ours": np.array(seen, np.float32), **lines}

    def picture(figure: Any) -> None:
        axes = figure.subplots(len(lines) + 1, 1, sharex=True, squeeze=False)[:, 0]
        time_s = np.arange(len(mix.noisy)) / RATE_HZ
        axes[0].plot(time_s, mix.noisy, linewidth=0.3, label="noisy, 5 dB")
        axes[0].plot(time_s, mix.clean, linewidth=0.3, label="clean")
        axes[0].legend(fontsize=8)
        for each, (name, values) in zip(axes[1:], lines.items(), strict=True):
            each.step(np.arange(len(values)) * 0.01, values, where="post", linewidth=1)
            each.set_ylim(-0.05, 1.05)
            each.set_title(name, loc="left", fontsize=9)

    bench.plot("activity", mix.name, picture, size=(12, 9))


def _jitter(bench: "Bench") -> None:
    """Each preset of the network emulator: how long each packet took, the buffer's delay and its target."""
    presets = sorted(PRESETS)[: 1 if bench.quick else None]
    voice = bench.corpus.speech()[:1]
    for name in presets:
        network = NetworkEmulator.preset(name, seed=1)
        count = 250 if bench.quick else 1500
        payloads = encoded(talk(voice, count * 0.02), G722)
        sent = [(at_s, index) for index in range(count) for at_s in network.fates(index * 0.02, 160)]
        transit = np.array([(index * 0.02, 1000 * (at_s - index * 0.02)) for at_s, index in sent]).reshape(-1, 2)
        playout, waiting = Playout(G722), sorted(sent)
        delays, targets, at = [], [], 0
        for tick in range(count):
            now_s = tick * 0.02 + 0.007
            while at < len(waiting) and waiting[at][0] <= now_s:
                arrival_s, index = waiting[at]
                playout.put(index, index * 160, index == 0, payloads[index], arrival_s)
                at += 1
            playout.pull(now_s)
            delays.append(playout.delay_ms)
            targets.append(playout.target_ms)
        least = float(transit[:, 1].min()) if len(transit) else 0.0

        def picture(
            figure: Any,
            transit: NDArray[np.float64] = transit,
            least: float = least,
            delays: Sequence[float] = delays,
            targets: Sequence[float] = targets,
            name: str = name,
        ) -> None:
            axes = figure.subplots()
            axes.plot(transit[:, 0], transit[:, 1] - least, ".", markersize=2, color="grey", label="packets, over the fastest")
            courses(axes, {"delay": np.array(delays), "target": np.array(targets)}, 0.02, "ms")
            axes.set_title(name)
            axes.set_xlabel("s")

        bench.plot("jitter", name, picture, size=(12, 4))


def _concealment(bench: "Bench") -> None:
    """10 % loss in bursts of 2: as sent, with zeros, concealed."""
    clips = bench.corpus.speech()
    sentence = talk([clip for clip in clips if clip.speaker == clips[-1].speaker], 6.0)
    payloads = encoded(sentence, G722)
    packets = {packet.index: packet for packet in arrivals(payloads, seed=5, loss=0.1, jitter_ms=0.0)}
    heard = {}
    for label, concealment in (("with zeros", False), ("concealed", True)):
        playout = Playout(G722, concealment=concealment)
        out = []
        for tick in range(len(payloads) + 5):
            if tick in packets:
                playout.put(tick, tick * 160, tick == 0, packets[tick].payload, tick * 0.02)
            out.append(playout.pull(tick * 0.02 + 0.007))
        heard[label] = np.concatenate(out)
    sounds = {"as sent": sentence, **heard}
    bench.keep("concealment", "10 % loss in bursts of 2", sounds)
    bench.plot("concealment", "10 % loss in bursts of 2", lambda figure: spectrograms(figure, sounds))


def _tones(bench: "Bench") -> None:
    pause = np.zeros(RATE_HZ // 10, np.float32)
    dialled = np.concatenate([part for digit in "0123456789*#ABCD" for part in (dtmf(digit, RATE_HZ), pause)])
    sounds = {
        "dtmf": dialled,
        "ringback": ringback(RATE_HZ),
        "busy": np.tile(busy(RATE_HZ), 5),
        "hold beep": hold_beep(RATE_HZ)[:RATE_HZ],
        "recording beep": recording_beep(RATE_HZ)[:RATE_HZ],
    }
    bench.keep("tones", "all", sounds)
    bench.plot("tones", "all", lambda figure: spectrograms(figure, sounds), size=(12, 10))


def _rating(bench: "Bench") -> None:
    """MOS over delay and over loss."""

    def picture(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        delays_ms, losses = np.arange(0, 501, 10), np.arange(0, 0.2001, 0.005)
        for codec in ("pcma", "g722", "opus"):
            over_delay = [rate(codec, loss=0.0, delay_ms=float(delay_ms)) for delay_ms in delays_ms]
            over_loss = [rate(codec, loss=float(loss), delay_ms=50.0) for loss in losses]
            left.plot(delays_ms, [one.mos if one else np.nan for one in over_delay], label=codec)
            right.plot(100 * losses, [one.mos if one else np.nan for one in over_loss], label=codec)
        for axes, label in ((left, "one-way delay, ms"), (right, "random loss, %")):
            axes.set_xlabel(label)
            axes.set_ylabel("MOS, each on its codec's own scale")
            axes.grid(alpha=0.3)
            axes.legend()

    bench.plot("rating", "delay and loss", picture, size=(12, 5))
