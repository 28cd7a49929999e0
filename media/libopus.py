"""libopus by ctypes: the one file that knows the library's C names.

The library is the one that PyAV's wheel brings along (av.libs), else the system's. Every call returns libopus's own result: a count,
or a negative error code that ``reason`` puts into words. Lengths are checked by libopus against the ``len`` it is given; output arrays
are ours and hold the longest packet.
"""

import ctypes
import ctypes.util
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
LONGEST_PACKET_BYTES = 1275 * 3 + 7
SET_BITRATE, SET_COMPLEXITY, SET_INBAND_FEC, SET_PACKET_LOSS_PERC, SET_DTX = 4002, 4010, 4012, 4014, 4016
_RESET_STATE = 4028
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
    "opus_encoder_create": ([_int, _int, _int, _pointer], _pointer),
    "opus_encoder_destroy": ([_pointer], type(None)),
    "opus_encoder_ctl": ([_pointer, _int, _int], _int),
    "opus_encode_float": ([_pointer, _pointer, _int, _pointer, _int], _int),
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
_has_lbrr = getattr(_library, "opus_packet_has_lbrr", None)  # from libopus 1.5
if _has_lbrr is not None:
    _has_lbrr.argtypes, _has_lbrr.restype = [_bytes, ctypes.c_int32], _int


SAYS_FEC = _has_lbrr is not None
"""Can this libopus tell whether a packet holds in-band FEC?"""


def reason(code: int) -> str:
    """A negative result in words."""
    words: bytes = _library.opus_strerror(code)
    return words.decode()


def packet_samples(payload: bytes, rate_hz: int) -> int:
    """Samples at ``rate_hz`` that a packet holds, from its table of contents (RFC 6716, section 3.1), or a negative code."""
    if not payload:
        return _BAD_ARG
    result: int = _library.opus_packet_get_nb_samples(payload, len(payload), rate_hz)
    return result


def packet_has_fec(payload: bytes) -> bool:
    """Is there in-band FEC (LBRR) in the packet? An older libopus does not say; then any SILK packet may have it."""
    if not payload:
        return False
    if _has_lbrr is not None:
        return bool(_has_lbrr(payload, len(payload)) == 1)
    return payload[0] < 0x80


class DecoderState:
    """One mono decoder. ``out`` float32 (rate * 0.12,) holds the result of the last call up to the count that it returned."""

    def __init__(self, rate_hz: int) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(f"Opus decodes at {RATES_HZ} Hz, not {rate_hz}")
        self._state = _created("opus_decoder_create", rate_hz, 1)
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
        self._state = _created("opus_encoder_create", rate_hz, 1, _APPLICATIONS[application])
        self._out = ctypes.create_string_buffer(LONGEST_PACKET_BYTES)

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


def _created(name: str, *arguments: int) -> int:
    error = _int(0)
    state: int | None = getattr(_library, name)(*arguments, ctypes.byref(error))
    if not state or error.value < 0:
        raise ValueError(f"{name}{arguments}: {reason(error.value)}")
    return state
