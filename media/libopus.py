"""libopus by ctypes: the one file that knows the library's C names.

The library is the one that PyAV's wheel brings along (av.libs), else the system's. Every call returns libopus's own result: a count,
or a negative error code that ``reason`` puts into words. Lengths are checked by libopus against the ``len`` it is given; output arrays
are ours and hold the longest packet.
"""

import ctypes
import ctypes.util
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from dsp.lanes import kernel

RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
LONGEST_PACKET_BYTES = 1275 * 3 + 7
LONGEST_EMPTY_BYTES = 2
"""With DTX, frames that need not be sent are packets of at most this length (opus_encode's documentation)."""
LONGEST_FRAME_BYTES = 1276
"""Of one frame, with its table of contents (RFC 6716, section 3.4)."""
SET_BITRATE, SET_MAX_BANDWIDTH, SET_VBR, SET_COMPLEXITY = 4002, 4004, 4006, 4010
SET_INBAND_FEC, SET_PACKET_LOSS_PERC, SET_DTX, SET_SIGNAL = 4012, 4014, 4016, 4024
SIGNAL_VOICE, SIGNAL_MUSIC = 3001, 3002
_RESET_STATE = 4028
_NARROWBAND = 1101
_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_BAD_ARG = -1

_int, _pointer, _bytes = ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
_SIGNATURES: dict[str, tuple[list[type], type]] = {
    "opus_get_version_string": ([], _bytes),
    "opus_strerror": ([_int], _bytes),
    "opus_packet_get_nb_samples": ([_bytes, _int, _int], _int),
    "opus_decoder_create": ([_int, _int, _pointer], _pointer),
    "opus_decoder_destroy": ([_pointer], type(None)),
    "opus_decoder_ctl": ([_pointer, _int], _int),
    "opus_decode_float": ([_pointer, _bytes, _int, _pointer, _int, _int], _int),
    "opus_encoder_get_size": ([_int], _int),
    "opus_encoder_create": ([_int, _int, _int, _pointer], _pointer),
    "opus_encoder_destroy": ([_pointer], type(None)),
    "opus_encoder_ctl": ([_pointer, _int, _int], _int),
    "opus_encode_float": ([_pointer, _pointer, _int, _pointer, _int], _int),
    "opus_repacketizer_create": ([], _pointer),
    "opus_repacketizer_init": ([_pointer], _pointer),
    "opus_repacketizer_cat": ([_pointer, _bytes, _int], _int),
    "opus_repacketizer_get_nb_frames": ([_pointer], _int),
    "opus_repacketizer_out_range": ([_pointer, _int, _int, _pointer, _int], _int),
}


def _candidates() -> list[str]:
    spec = find_spec("av")
    bundled: list[Path] = []
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        bundled = [*package.parent.glob("av.libs/libopus-*.so*"), *package.glob(".dylibs/libopus*.dylib")]
    system = ctypes.util.find_library("opus")
    return [*(str(path) for path in sorted(bundled)), *([system] if system else [])]


def _load() -> ctypes.CDLL:
    names = _candidates()
    if not names:
        raise ImportError("libopus is missing: PyAV's wheel brings it; with a PyAV built from source, install the package libopus0")
    library = ctypes.CDLL(names[0])
    for name, (arguments, result) in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, None if result is type(None) else result
    return library


_library = _load()
VERSION: str = _library.opus_get_version_string().decode()
_decode = _library.opus_decode_float
_encode = _library.opus_encode_float
_decode_address = ctypes.cast(_decode, _pointer).value or 0
_encode_address = ctypes.cast(_encode, _pointer).value or 0
_encoder_bytes: int = _library.opus_encoder_get_size(1)
_has_lbrr = getattr(_library, "opus_packet_has_lbrr", None)  # from libopus 1.5
if _has_lbrr is not None:
    _has_lbrr.argtypes, _has_lbrr.restype = [_bytes, ctypes.c_int32], _int


SAYS_FEC = _has_lbrr is not None
"""Can this libopus tell whether a packet holds in-band FEC?"""


def reason(code: int) -> str:
    """A negative result in words."""
    words: bytes = _library.opus_strerror(code)
    return words.decode()


_PER_S = 3 * (100, 50, 0, 0) + 2 * (100, 50) + 4 * (400, 200, 100, 50)
_FRAMES_PER_S = tuple(0 if toc & 3 else _PER_S[toc >> 3] for toc in range(256))
"""By the first byte of a packet of one frame: how many of them last a second (RFC 6716, table 2); 0 where it is none, or not one frame."""


def packet_samples(payload: bytes, rate_hz: int) -> int:
    """Samples at ``rate_hz`` that a packet holds, from its table of contents (RFC 6716, section 3.1), or a negative code."""
    if not payload:
        return _BAD_ARG
    if per_s := _FRAMES_PER_S[payload[0]]:
        return rate_hz // per_s
    result: int = _library.opus_packet_get_nb_samples(payload, len(payload), rate_hz)
    return result


def bandwidth(playback_hz: int) -> int:
    """The value of SET_MAX_BANDWIDTH for a far end that plays this rate: the next of Opus's own (RFC 6716, table 1)."""
    return _NARROWBAND + sum(playback_hz > rate for rate in RATES_HZ[:-1])


def packet_has_fec(payload: bytes) -> bool:
    """Is there in-band FEC (LBRR) in the packet? An older libopus does not say; then any SILK packet may have it."""
    if not payload or payload[0] >= 0x80:
        return False
    if len(payload) > 1 and payload[0] & 7 == 0 and _FRAMES_PER_S[payload[0]]:  # one frame, mono: VAD and LBRR flags come first (4.2.3)
        return payload[1] & 0x40 != 0
    if _has_lbrr is not None:
        return bool(_has_lbrr(payload, len(payload)) == 1)
    return True


class DecoderState:
    """One mono decoder. ``out`` float32 (rate * 0.12,) holds the result of the last call up to the count that it returned."""

    def __init__(self, rate_hz: int) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(f"Opus decodes at {RATES_HZ} Hz, not {rate_hz}")
        self._state = self.address = _created("opus_decoder_create", rate_hz, 1)
        self.out: NDArray[np.float32] = np.empty(rate_hz * 12 // 100, np.float32)
        self._address, self._room = self.out.ctypes.data, len(self.out)

    def decode(self, payload: bytes) -> int:
        result: int = _decode(self._state, payload, len(payload), self._address, self._room, 0)
        return result

    def decode_fec(self, payload: bytes, samples: int) -> int:
        if not payload or not 0 < samples <= self._room:
            return _BAD_ARG
        result: int = _decode(self._state, payload, len(payload), self._address, samples, 1)
        return result

    def conceal(self, samples: int) -> int:
        if not 0 < samples <= self._room:
            return _BAD_ARG
        result: int = _decode(self._state, None, 0, self._address, samples, 0)
        return result

    def reset(self) -> None:
        _library.opus_decoder_ctl(self._state, _RESET_STATE)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            _library.opus_decoder_destroy(self._state)


class EncoderState:
    """One mono encoder."""

    def __init__(self, rate_hz: int, application: str) -> None:
        if application not in _APPLICATIONS:
            raise ValueError(f"Opus application must be one of {', '.join(_APPLICATIONS)}, not {application!r}")
        self._state = self.address = _created("opus_encoder_create", rate_hz, 1, _APPLICATIONS[application])
        self._out = ctypes.create_string_buffer(LONGEST_PACKET_BYTES)

    def take_after(self, other: "EncoderState") -> None:
        """Go on exactly where ``other`` is: an encoder's state holds no pointer to itself (opus_encoder_get_size's documentation)."""
        ctypes.memmove(self._state, other._state, _encoder_bytes)

    def control(self, request: int, value: int) -> None:
        """Raises ValueError when libopus refuses the value."""
        result = _library.opus_encoder_ctl(self._state, request, value)
        if result < 0:
            raise ValueError(f"Opus encoder refuses setting {request} = {value}: {reason(result)}")

    def encode(self, pcm: NDArray[np.float32]) -> bytes:
        """Raises ValueError for a frame length that Opus does not know."""
        pcm = np.ascontiguousarray(pcm, np.float32)
        result = _encode(self._state, pcm.ctypes.data, len(pcm), self._out, LONGEST_PACKET_BYTES)
        if result < 0:
            raise ValueError(f"Opus cannot encode {len(pcm)} samples: {reason(result)}")
        return ctypes.string_at(self._out, result)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            _library.opus_encoder_destroy(self._state)


_repacketizer = _library.opus_repacketizer_create()
_repacketized = ctypes.create_string_buffer(LONGEST_PACKET_BYTES)


def joined(packets: Sequence[bytes]) -> bytes:
    """Packets of one configuration, 120 ms in all, as one. Raises ValueError for others."""
    if len(packets) == 1:
        return packets[0]
    return _out(0, _cat(packets))


def parted(packet: bytes) -> list[bytes]:
    """The frames of a packet, a packet each. Raises ValueError for what is none."""
    return [_out(number, number + 1) for number in range(_cat((packet,)))]


def _cat(packets: Sequence[bytes]) -> int:
    _library.opus_repacketizer_init(_repacketizer)
    for packet in packets:
        result = _library.opus_repacketizer_cat(_repacketizer, packet, len(packet))
        if result < 0:
            raise ValueError(f"Opus packets cannot be joined or parted: {reason(result)}")
    frames: int = _library.opus_repacketizer_get_nb_frames(_repacketizer)
    return frames


def _out(begin: int, end: int) -> bytes:
    result = _library.opus_repacketizer_out_range(_repacketizer, begin, end, _repacketized, LONGEST_PACKET_BYTES)
    if result < 0:
        raise ValueError(f"Opus packets cannot be joined or parted: {reason(result)}")
    return ctypes.string_at(_repacketized, result)


# -- many at once: one call from Python, the interpreter lock free all the while


def decode_all(
    states: Sequence[DecoderState], data: NDArray[np.uint8], ends: NDArray[np.int64], samples: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """One packet by each decoder, of those that lie in ``data``, one up to each of the ``ends`` (k,): sound (k, samples) in -1..1, and
    libopus's results: ``samples`` where all is well, else an error or the length of a packet that is shorter. A longer one is refused."""
    out, results = np.zeros((len(states), samples), np.float32), np.zeros(len(states), np.int32)
    _decode_rows(_decode_address, np.array([state.address for state in states], np.int64), data, ends, out, results)
    return out, results


def encode_all(states: Sequence[EncoderState], rows: Sequence[int], block: NDArray[np.float32]) -> list[bytes]:
    """By each encoder one row of ``block`` (n, samples); b"" where libopus refused."""
    room = np.empty((len(states), LONGEST_FRAME_BYTES), np.uint8)
    results = np.zeros(len(states), np.int32)
    _encode_rows(_encode_address, np.array([state.address for state in states], np.int64), np.array(rows, np.int64), block, room, results)
    data = room.tobytes()
    return [data[at : at + max(0, size)] for at, size in zip(range(0, len(data), LONGEST_FRAME_BYTES), results.tolist(), strict=True)]


@intrinsic  # type: ignore[untyped-decorator]
def _call(typing_context: Any, function: Any, state: Any, first: Any, a: Any, second: Any, b: Any) -> Any:
    """opus_encode_float's arguments: two pointers each followed by a count."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        long, word = ir.IntType(64), ir.IntType(32)
        target = builder.inttoptr(args[0], ir.FunctionType(word, [long, long, word, long, word]).as_pointer())
        counts = [builder.trunc(args[3], word), builder.trunc(args[5], word)]
        return builder.call(target, [args[1], args[2], counts[0], args[4], counts[1]])

    return types.int32(*[types.int64] * 6), generate


@intrinsic  # type: ignore[untyped-decorator]
def _call_decode(typing_context: Any, function: Any, state: Any, data: Any, size: Any, out: Any, samples: Any) -> Any:
    """opus_decode_float without in-band FEC."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        long, word = ir.IntType(64), ir.IntType(32)
        target = builder.inttoptr(args[0], ir.FunctionType(word, [long, long, word, long, word, word]).as_pointer())
        counts = [builder.trunc(args[3], word), builder.trunc(args[5], word)]
        return builder.call(target, [args[1], args[2], counts[0], args[4], counts[1], ir.Constant(word, 0)])

    return types.int32(*[types.int64] * 6), generate


def _encoded(function: int, state: int, pcm: int, samples: int, out: int, room: int) -> int:
    """What runs without the compiler."""
    return int(_encode(int(state), int(pcm), samples, int(out), room))


def _decoded(function: int, state: int, data: int, size: int, out: int, samples: int) -> int:
    """What runs without the compiler."""
    return int(_decode(int(state), ctypes.string_at(int(data), int(size)), int(size), int(out), samples, 0))


@overload(_encoded, strict=False)  # type: ignore[untyped-decorator]
def _(function: Any, state: Any, pcm: Any, samples: Any, out: Any, room: Any) -> Any:
    return lambda function, state, pcm, samples, out, room: _call(function, state, pcm, samples, out, room)


@overload(_decoded, strict=False)  # type: ignore[untyped-decorator]
def _(function: Any, state: Any, data: Any, size: Any, out: Any, samples: Any) -> Any:
    return lambda function, state, data, size, out, samples: _call_decode(function, state, data, size, out, samples)


@kernel
def _decode_rows(
    function: int,
    states: NDArray[np.int64],
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    out: NDArray[np.float32],
    results: NDArray[np.int32],
) -> None:
    begin = 0
    for k in range(len(states)):
        size, row = ends[k] - begin, out[k]
        results[k] = _decoded(function, states[k], data.ctypes.data + begin, size, row.ctypes.data, out.shape[1]) if size else -1
        begin = ends[k]
        for i in range(len(row)):
            value = row[i] if row[i] > np.float32(-1.0) else np.float32(-1.0)  # NaN too
            row[i] = value if value < np.float32(1.0) else np.float32(1.0)


@kernel
def _encode_rows(
    function: int,
    states: NDArray[np.int64],
    rows: NDArray[np.int64],
    block: NDArray[np.float32],
    room: NDArray[np.uint8],
    results: NDArray[np.int32],
) -> None:
    for k in range(len(states)):
        pcm, out = block[rows[k]], room[k]
        results[k] = _encoded(function, states[k], pcm.ctypes.data, len(pcm), out.ctypes.data, len(out))


def _created(name: str, *arguments: int) -> int:
    error = _int(0)
    state: int | None = getattr(_library, name)(*arguments, ctypes.byref(error))
    if not state or error.value < 0:
        raise ValueError(f"{name}{arguments}: {reason(error.value)}")
    return state
