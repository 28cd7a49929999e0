"""What the signal-processing benchmarks listen to: clean speech, noisy speech, echo scenes, recordings of real devices.

``Corpus`` reads a folder laid out as follows; whatever is missing is left out, and where there is no speech, noise or room at all the
shipped prompts, made noises and simulated rooms take their place:

    speech16k/*.wav  speech48k/*.wav                 clean speech
    noise/*.wav      rir/*.wav                       noises; room impulse responses
    echo_real/NAME_mic.wav  NAME_lpb.wav             recordings of real devices ("fe" or "farend" in the name: nobody near
                                                     talks; "ne" or "nearend": nobody far does; else both)
    echo_syn/NAME_mic.wav   NAME_ref.wav  NAME_gt.wav   made echo with the clean near end (gt)
    plc/NAME.wav                                     clips for loss concealment

Everything is float32 (n,) at full scale 1.0, and the same arguments give the same samples.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import fftconvolve

import media
from benchmarks.metrics import active_level_dbfs, level_dbfs
from benchmarks.peers.signal import resampled
from media.codec import OpusSettings, make_decoder, make_encoder
from rooms.audio import G722, OPUS

Samples = NDArray[np.float32]
Split = Literal["dev", "heldout", "all"]
RATE_HZ = 16_000
LEAD_IN_S = 2.0
"""Noise alone before the speech of a noisy mix, for a suppressor to learn from."""
FAR_S, DOUBLE_S, FAR_AGAIN_S = 12.0, 8.0, 4.0
"""An echo scene: far end alone, both, far end alone again."""
SPEECH_DBFS = -26.0
_OPUS_DELAY_S = 0.0065  # Opus's look-ahead, which a codec in the echo path adds each time


@dataclass(frozen=True, slots=True)
class Clip:
    """``speaker`` groups recordings of one voice."""

    name: str
    samples: Samples
    rate_hz: int = RATE_HZ

    @property
    def speaker(self) -> str:
        return self.name.rstrip("0123456789").rstrip("_")


@dataclass(frozen=True, slots=True)
class NoisyMix:
    """``noisy`` = ``clean`` + noise; the first ``lead_in`` samples are noise alone."""

    name: str
    noisy: Samples
    clean: Samples
    snr_db: float
    lead_in: int
    rate_hz: int = RATE_HZ

    def spoken(self, samples: Samples) -> Samples:
        """The part to be scored."""
        return samples[self.lead_in :]


@dataclass(frozen=True, slots=True)
class EchoScene:
    """``mic`` = ``near`` + ``echo`` + ``noise`` (through the codec, if any); ``far`` is what the canceller gets to know.

    The three spans are in samples, (begin, end).
    """

    name: str
    far: Samples
    mic: Samples
    near: Samples
    echo: Samples
    far_only: tuple[int, int]
    double: tuple[int, int]
    far_again: tuple[int, int]
    rate_hz: int = RATE_HZ


@dataclass(frozen=True, slots=True)
class EchoRecording:
    """A pair from elsewhere. ``near`` is the clean near end where it is known."""

    name: str
    far: Samples
    mic: Samples
    talk: Literal["far", "near", "double"]
    near: Samples | None = None
    rate_hz: int = RATE_HZ


@dataclass(frozen=True, slots=True)
class EchoPath:
    """An echo path. ``rooms``: impulse responses (m,), the second one after ``change_s``. ``drive``: how hard the loudspeaker is pushed
    (0 is linear: ``tanh(drive x)/drive + 0.1 drive x^2``, x at a peak of 1). ``delays_ms``: bulk delay, the second after ``jump_s``."""

    name: str
    rooms: tuple[Samples, ...]
    drive: float = 0.0
    enr_db: float = math.inf
    change_s: float = 6.0
    delays_ms: tuple[float, ...] = (40.0,)
    jump_s: float = 6.0
    opus: bool = False


class Corpus:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def speech(self, split: Split = "all", rate_hz: int = RATE_HZ, *, unseen: bool = False) -> list[Clip]:
        """Clean speech. Voices alternate between "dev" and "heldout"; ``unseen`` leaves out what the learned suppressor was trained
        on (the prompts that Asterisk ships) wherever there is anything else."""
        clips = self._speech_48k if rate_hz == 48_000 else self._speech_16k
        if unseen and (others := [clip for clip in clips if not clip.name.startswith(("asterisk", "prompt"))]):
            clips = others
        return _split(clips, split, [clip.speaker for clip in clips])

    def noises(self, split: Split = "all", rate_hz: int = RATE_HZ) -> list[Clip]:
        found = [Clip(clip.name, resampled(clip.samples, clip.rate_hz, rate_hz), rate_hz) for clip in self._noises]
        return _split(found, split, [clip.name for clip in found])

    def responses(self, rate_hz: int = RATE_HZ) -> list[Clip]:
        """Measured (or given) room impulse responses, from their direct sound on, of energy 1."""
        found = _wavs(self.folder / "rir")
        return [Clip(clip.name, _from_direct_sound(resampled(clip.samples, clip.rate_hz, rate_hz)), rate_hz) for clip in found]

    def clips(self, folder: str) -> list[Clip]:
        """Every WAV of a sub-folder at its own rate."""
        return _wavs(self.folder / folder)

    def echo_real(self) -> list[EchoRecording]:
        return [EchoRecording(name, far, mic, _talk_of(name)) for name, far, mic in self._pairs("echo_real", "lpb")]

    def echo_made(self) -> list[EchoRecording]:
        pairs = self._pairs("echo_syn", "ref")
        return [EchoRecording(name, far, mic, "double", self._near_of(name)) for name, far, mic in pairs]

    def _near_of(self, name: str) -> Samples | None:
        path = self.folder / "echo_syn" / f"{name}_gt.wav"
        return _at_16k(read_wav(path)) if path.exists() else None

    def _pairs(self, folder: str, far: str) -> list[tuple[str, Samples, Samples]]:
        found = []
        for path in sorted((self.folder / folder).glob("*_mic.wav")):
            name = path.name.removesuffix("_mic.wav")
            other = path.with_name(f"{name}_{far}.wav")
            if other.exists():
                played, heard = _at_16k(read_wav(other)), _at_16k(read_wav(path))
                n = min(len(played), len(heard))
                found.append((name, played[:n], heard[:n]))
        return found

    @cached_property
    def _speech_16k(self) -> list[Clip]:
        clips = [Clip(clip.name, _at_16k(clip)) for clip in _wavs(self.folder / "speech16k")]
        return clips or prompts()

    @cached_property
    def _speech_48k(self) -> list[Clip]:
        clips = [Clip(clip.name, resampled(clip.samples, clip.rate_hz, 48_000), 48_000) for clip in _wavs(self.folder / "speech48k")]
        return clips or [Clip(clip.name, resampled(clip.samples, RATE_HZ, 48_000), 48_000) for clip in self._speech_16k]

    @cached_property
    def _noises(self) -> list[Clip]:
        return _wavs(self.folder / "noise") or made_noises(self._speech_16k)


def prompts() -> list[Clip]:
    """The shipped announcements."""
    found = []
    for path in sorted((Path(media.__path__[0]) / "prompts").glob("*.g722")):
        decoder, data = make_decoder(G722, rate_hz=RATE_HZ), path.read_bytes()
        frames = [decoder.decode(data[at : at + 160]) for at in range(0, len(data) - 159, 160)]
        found.append(Clip(f"prompt_{path.stem}", np.concatenate(frames)))
    return found


def made_noises(speech: Sequence[Clip], *, seconds: float = 10.0) -> list[Clip]:
    """White, pink and brown noise, hum with harmonics, and babble of the given voices."""
    rng, n = np.random.default_rng(7), int(seconds * RATE_HZ)
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 20.0)
    noises = []
    for name, slope in (("white", 0.0), ("pink", 0.5), ("brown", 1.0)):
        spectrum = np.fft.rfft(rng.standard_normal(n)) / frequency**slope
        noises.append(Clip(f"made_{name}", _at_level(np.fft.irfft(spectrum, n), SPEECH_DBFS)))
    t = np.arange(n) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in range(1, 12)) + 0.05 * rng.standard_normal(n)
    noises.append(Clip("made_hum", _at_level(np.asarray(hum), SPEECH_DBFS)))
    voices = [np.resize(np.roll(clip.samples, rng.integers(n)), n) for clip in speech for _ in range(max(1, 8 // len(speech)))]
    noises.append(Clip("made_babble", _at_level(np.sum(voices, axis=0), SPEECH_DBFS)))
    return noises


def talk(clips: Sequence[Clip], seconds: float, *, seed: int = 0, active_dbfs: float = SPEECH_DBFS) -> Samples:
    """Sentences of one voice one after the other with pauses of 0.2-0.6 s, at an active level: (n,) at the clips' rate."""
    rng, rate_hz = np.random.default_rng(seed), clips[0].rate_hz
    parts: list[Samples] = []
    size, at = int(seconds * rate_hz), 0
    while at < size:
        for number in rng.permutation(len(clips)):
            pause = np.zeros(int(rng.uniform(0.2, 0.6) * rate_hz), np.float32)
            sentence = _at_active_level(clips[number].samples, active_dbfs, rate_hz)
            parts += [sentence, pause]
            at += len(sentence) + len(pause)
    return np.concatenate(parts)[:size]


def noisy_mixes(corpus: Corpus, snr_db: float, split: Split = "all", *, rate_hz: int = RATE_HZ, most: int = 15) -> list[NoisyMix]:
    """Every noise with a few voices (``most`` mixes, spread evenly): ``LEAD_IN_S`` of noise, then speech in it.

    ``snr_db`` is that of active speech over the noise under it. Nothing that the learned suppressor was trained on is in them.
    """
    speech, noises = corpus.speech(split, rate_hz, unseen=True), corpus.noises(split, rate_hz)
    voices: dict[str, list[Clip]] = {}
    for clip in speech:
        voices.setdefault(clip.speaker, []).append(clip)
    pairs = [(noise, voice) for noise in noises for voice in voices]
    if len(pairs) > most:
        pairs = [pairs[round(number * (len(pairs) - 1) / (most - 1))] for number in range(most)] if most > 1 else pairs[:1]
    return [_noisy_mix(voices[voice], voice, noise, snr_db, rate_hz) for noise, voice in pairs]


def _noisy_mix(clips: list[Clip], voice: str, noise: Clip, snr_db: float, rate_hz: int) -> NoisyMix:
    seed = _seed(voice, noise.name)
    seconds = min(5.0, max(4.0, sum(len(clip.samples) for clip in clips) / rate_hz))
    spoken = talk(clips, seconds, seed=seed)
    lead_in = int(LEAD_IN_S * rate_hz)
    clean = np.concatenate([np.zeros(lead_in, np.float32), spoken])
    under = _looped(noise.samples, len(clean), seed)
    loudness = max(level_dbfs(under[lead_in:]), level_dbfs(noise.samples) - 10.0)  # a noise that happens to pause there is no louder
    under = under * np.float32(10 ** ((SPEECH_DBFS - snr_db - loudness) / 20))
    noisy = clean + under
    scale = np.float32(min(1.0, 0.98 / float(np.abs(noisy).max())))
    return NoisyMix(f"{voice} in {noise.name}", noisy * scale, clean * scale, snr_db, lead_in, rate_hz)


def echo_paths(corpus: Corpus, rate_hz: int = RATE_HZ, *, quick: bool = False) -> list[EchoPath]:
    """The rooms of the echo rows: three simulated ones from easy to hard, a path that changes, and every given response."""
    easy, room, hard = (simulated_room(rt60_s, rate_hz) for rt60_s in (0.2, 0.3, 0.5))
    paths = [
        EchoPath("rt60 .2 s, linear", (easy,)),
        EchoPath("rt60 .3 s, nonlinear", (room,), drive=1.0, enr_db=35.0),
        EchoPath("rt60 .5 s, nonlinear, delay 80 ms", (hard,), drive=1.5, enr_db=25.0, delays_ms=(80.0,)),
        EchoPath("rt60 .3 s, path changes at 6 s", (room, simulated_room(0.3, rate_hz, moved=True)), drive=0.5, enr_db=35.0),
    ]
    if quick:
        return paths[:1]
    given = [EchoPath(f"response {clip.name}", (clip.samples,), drive=0.5, enr_db=35.0) for clip in corpus.responses(rate_hz)]
    return paths + given


def delayed_paths(rate_hz: int = RATE_HZ) -> list[EchoPath]:
    """A bulk delay of 300 ms, a jump of it by 160 ms, Opus there and back, and all of that."""
    room = simulated_room(0.3, rate_hz)
    return [
        EchoPath("delay 300 ms", (room,), drive=0.5, enr_db=35.0, delays_ms=(300.0,)),
        EchoPath("delay jumps from 100 to 260 ms at 6 s", (room,), drive=0.5, enr_db=35.0, delays_ms=(100.0, 260.0)),
        EchoPath("Opus in the path", (room,), drive=0.5, enr_db=35.0, opus=True),
        EchoPath("Opus in the path, delay 300 ms", (room,), drive=0.5, enr_db=35.0, delays_ms=(300.0,), opus=True),
    ]


def echo_scene(
    corpus: Corpus, path: EchoPath, *, ser_db: float = 0.0, split: Split = "all", take: int = 0, rate_hz: int = RATE_HZ
) -> EchoScene:
    """A conversation over ``path``: the far end alone for 12 s, both for 8 s, the far end alone for 4 s.

    ``ser_db``: active near-end speech over the echo in double talk; the louder of the two is at -26 dBFS, the far end at -20 dBFS, so
    that the echo return loss is 6 dB at 0 dB and below. ``take`` chooses other pairs of voices.
    """
    voices: dict[str, list[Clip]] = {}
    for clip in corpus.speech(split, rate_hz):
        voices.setdefault(clip.speaker, []).append(clip)
    names = sorted(voices)
    far_voice = names[take % len(names)]
    near_voice = names[(take + 1 + take // len(names)) % len(names)]
    seed = _seed(far_voice, near_voice, str(take))
    n = int((FAR_S + DOUBLE_S + FAR_AGAIN_S) * rate_hz)
    begin, end = int(FAR_S * rate_hz), int((FAR_S + DOUBLE_S) * rate_hz)
    far = talk(voices[far_voice], n / rate_hz, seed=seed, active_dbfs=-20.0)
    far = far * np.float32(min(1.0, 0.98 / float(np.abs(far).max())))
    near = np.zeros(n, np.float32)
    near[begin:end] = talk(voices[near_voice], DOUBLE_S, seed=seed + 1, active_dbfs=SPEECH_DBFS + min(0.0, ser_db))
    echo = _echo(through_opus(far, rate_hz) if path.opus else far, path, rate_hz)
    now_dbfs = active_level_dbfs(echo[begin:end], rate_hz)
    echo *= np.float32(10 ** ((SPEECH_DBFS - max(0.0, ser_db) - now_dbfs) / 20))
    mic = near + echo
    if math.isfinite(path.enr_db):
        noises = corpus.noises("all", rate_hz)
        noise = _looped(noises[seed % len(noises)].samples, n, seed)
        gain_db = active_level_dbfs(echo[:begin], rate_hz) - path.enr_db - level_dbfs(noise)
        mic = mic + noise * np.float32(10 ** (gain_db / 20))
    if path.opus:
        mic = through_opus(mic, rate_hz)
    name = f"{path.name}, SER {ser_db:g} dB, {far_voice} to {near_voice}"
    return EchoScene(name, far, np.clip(mic, -1, 1), near, echo, (0, begin), (begin, end), (end, n), rate_hz)


def through_opus(samples: Samples, rate_hz: int = RATE_HZ, *, bitrate: int = 24_000) -> Samples:
    """Encoded and decoded in frames of 20 ms, moved back by the codec's own delay, same length."""
    frame = rate_hz // 50
    delay = round(_OPUS_DELAY_S * rate_hz)
    padded = np.pad(samples, (0, -len(samples) % frame + frame))
    encoder = make_encoder(OPUS, rate_hz=rate_hz, settings=OpusSettings(bitrate=bitrate, complexity=9))
    decoder = make_decoder(OPUS, rate_hz=rate_hz)
    out = np.concatenate([decoder.decode(encoder.encode(padded[at : at + frame])) for at in range(0, len(padded), frame)])
    return out[delay : delay + len(samples)]


@lru_cache(maxsize=32)
def simulated_room(rt60_s: float, rate_hz: int = RATE_HZ, *, moved: bool = False) -> Samples:
    """Loudspeaker to microphone in an office of 5 x 4 x 2.7 m, from the direct sound on, energy 1; ``moved``: another place in it.

    Image sources (pyroomacoustics); where that is not installed, exponentially decaying noise of the same reverberation time.
    """
    try:
        import pyroomacoustics
    except ImportError:
        return decaying_noise(rt60_s, rate_hz, seed=int(rt60_s * 100) + moved)
    walls = (5.0, 4.0, 2.7)
    absorption, order = pyroomacoustics.inverse_sabine(rt60_s, walls)
    room = pyroomacoustics.ShoeBox(walls, fs=rate_hz, materials=pyroomacoustics.Material(absorption), max_order=min(order, 40))
    room.add_source([3.1, 1.4, 1.1] if moved else [2.2, 1.6, 0.9])
    room.add_microphone([2.6, 2.3, 1.0] if moved else [2.5, 1.9, 1.0])
    room.compute_rir()
    response = np.asarray(room.rir[0][0], np.float32)
    return _from_direct_sound(response[: int((rt60_s + 0.1) * rate_hz)])


def decaying_noise(rt60_s: float, rate_hz: int, *, seed: int) -> Samples:
    """The plainest room: noise that falls by 60 dB in ``rt60_s`` behind a direct sound of as much energy as all of it; energy 1."""
    n = int((rt60_s + 0.05) * rate_hz)
    tail = np.random.default_rng(seed).standard_normal(n) * 10 ** (-3 * np.arange(n) / (rt60_s * rate_hz))
    tail[0] = math.sqrt(float(np.sum(tail[1:] ** 2)))
    return np.asarray(tail / math.sqrt(float(np.sum(tail**2))), np.float32)


def _echo(far: Samples, path: EchoPath, rate_hz: int) -> Samples:
    played = far
    if path.drive:
        peak = float(np.abs(far).max())
        x = far / np.float32(peak)
        played = np.asarray(peak * (np.tanh(path.drive * x) / path.drive + 0.1 * path.drive * x * x), np.float32)
    takes = [fftconvolve(played, room)[: len(far)] for room in path.rooms]
    heard = takes[0] if len(takes) == 1 else _switched(takes[0], takes[1], int(path.change_s * rate_hz), rate_hz)
    late = [_later(heard, round(delay_ms * rate_hz / 1000)) for delay_ms in path.delays_ms]
    whole = late[0] if len(late) == 1 else _switched(late[0], late[1], int(path.jump_s * rate_hz), rate_hz)
    return np.asarray(whole, np.float32)


def _switched(before: NDArray[np.float32], after: NDArray[np.float32], at: int, rate_hz: int) -> NDArray[np.float32]:
    """One to the other within 5 ms."""
    fade = np.clip((np.arange(len(before)) - at) / (0.005 * rate_hz), 0.0, 1.0)
    return np.asarray(before * (1 - fade) + after * fade, np.float32)


def _later(samples: NDArray[np.float32], delay: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(delay, np.float32), samples])[: len(samples)]


def _from_direct_sound(response: Samples) -> Samples:
    """Cut 1 ms before its loudest tap's first tenth, scaled to energy 1."""
    first = int(np.argmax(np.abs(response) > 0.3 * np.abs(response).max()))
    cut = response[max(0, first - 8) :]
    return np.asarray(cut / math.sqrt(float(np.sum(cut.astype(np.float64) ** 2))), np.float32)


def _looped(noise: Samples, n: int, seed: int) -> Samples:
    """(n,) of a noise from a chosen place on, wrapped with a cross-fade of 20 ms at its end."""
    fade = min(320, len(noise) // 4)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    ring = noise[: len(noise) - fade].copy()
    ring[:fade] = ring[:fade] * ramp + noise[len(noise) - fade :] * (1 - ramp)
    return np.resize(np.roll(ring, -(seed * 997) % len(ring)), n)


def _at_active_level(samples: Samples, level: float, rate_hz: int) -> Samples:
    return samples * np.float32(10 ** ((level - active_level_dbfs(samples, rate_hz)) / 20))


def _at_level(samples: NDArray[np.float64], level: float) -> Samples:
    return np.asarray(samples / math.sqrt(float(np.mean(samples**2))) * 10 ** (level / 20), np.float32)


def _split(clips: list[Clip], split: Split, groups: list[str]) -> list[Clip]:
    order = {group: number for number, group in enumerate(sorted(set(groups)))}
    if split == "all" or len(order) < 2:
        return list(clips)
    wanted = 0 if split == "dev" else 1
    return [clip for clip, group in zip(clips, groups, strict=True) if order[group] % 2 == wanted]


def _seed(*words: str) -> int:
    return zlib.crc32(" ".join(words).encode())


def _talk_of(name: str) -> Literal["far", "near", "double"]:
    words = name.split("_")
    if "fe" in words or "farend" in words:
        return "far"
    return "near" if "ne" in words or "nearend" in words else "double"


def _wavs(folder: Path) -> list[Clip]:
    return [read_wav(path) for path in sorted(folder.glob("*.wav"))]


def _at_16k(clip: Clip) -> Samples:
    return resampled(clip.samples, clip.rate_hz, RATE_HZ)


def read_wav(path: Path) -> Clip:
    """First channel of a WAV file, of 16, 24 or 32 bit or float."""
    rate_hz, found = wavfile.read(path)
    channel = found if found.ndim == 1 else found[:, 0]
    scale = 2 ** (8 * channel.dtype.itemsize - 1) if channel.dtype.kind == "i" else 1
    return Clip(path.stem, (channel / scale).astype(np.float32), int(rate_hz))


def write_wav(path: Path, samples: Samples, rate_hz: int = RATE_HZ) -> None:
    """16 bit, mono."""
    wavfile.write(path, rate_hz, np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16))
