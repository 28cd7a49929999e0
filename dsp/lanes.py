"""Sixteen legs side by side: the vector type that the compiled kernels compute with.

A kernel handles a tile of ``LANES`` legs at once. Its arrays end in an axis of that length, ``load`` takes one such row into a vector,
arithmetic works lane by lane, ``store`` puts it back. There is no operation across lanes, so nothing that one leg sends can reach
another, and a leg's samples do not depend on who shares its tile, bit for bit. The same operations run for one leg and for a thousand.

    x = load(block, k)                       # (LANES,) float32
    store(out, k, select(x > 0.5, x * gain, x))

numba's own vectoriser does not see through the loops that this replaces (it cannot prove that the arrays differ): a radix-4 step of
16 transforms takes 2.1 µs as a loop over lanes and 0.3 µs as vectors. Without numba's compiler (``NUMBA_DISABLE_JIT=1``) the same kernels
run as numpy, slowly.

Compiled code is kept on disk (``cache=True``) in ``NUMBA_CACHE_DIR``, ``dsp/__pycache__`` or the user's cache, under a hash of all of
``dsp``: only a first start compiles, and a changed constant never meets code that was compiled with the old one. The global interpreter
lock is free while a kernel runs.
"""

import contextlib
import hashlib
import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, overload, register_jitable, register_model
from numpy.typing import NDArray

LANES = 16
Array = NDArray[np.float32]
_Function = TypeVar("_Function", bound=Callable[..., Any])

# Neither nnan nor ninf: a kernel may test for what is not finite.
_FLAGS = ("contract", "arcp", "nsz", "afn", "reassoc")


def _keep_compiled() -> None:
    """Numba itself asks only whether the file of the very kernel is as it was, not the files whose functions and constants it takes in."""
    here = Path(__file__).parent
    sources = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))).hexdigest()
    own = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "centralita"
    for folder in (Path(config.CACHE_DIR or here / "__pycache__"), own):
        kept = folder / f"kernels-{sources[:16]}"
        with contextlib.suppress(OSError):
            kept.mkdir(parents=True, exist_ok=True)
            if os.access(kept, os.W_OK):
                config.CACHE_DIR = str(kept)
                return


_keep_compiled()


def _in_both(function: _Function) -> _Function:
    """A plain function that kernels may call too."""
    return register_jitable(function)  # type: ignore[no-any-return]


def kernel(function: _Function) -> _Function:
    """Compile a function over lanes: no interpreter lock, kept on disk, fast arithmetic that still knows NaN and infinity."""
    return njit(nogil=True, cache=True, error_model="numpy", fastmath=set(_FLAGS))(function)  # type: ignore[no-any-return]


def exact_kernel(function: _Function) -> _Function:
    """As ``kernel``, with every operation in the order written: the numbers are those of the same loop in Python."""
    return njit(nogil=True, cache=True, error_model="numpy")(function)  # type: ignore[no-any-return]


@_in_both
def tiles(rows: int) -> int:
    """How many tiles of ``LANES`` hold ``rows`` legs."""
    return -(-rows // LANES)


# -- operations; the bodies here are what runs without the compiler


def load(array: Array, index: Any) -> Array:
    """The vector ``array[index]`` (LANES,); ``index`` is an integer or a tuple over all axes but the last."""
    taken: Array = np.array(array[index])
    return taken


def store(array: Array, index: Any, value: Any) -> None:
    """Put a vector at ``array[index]``."""
    array[index] = value


def fill(value: float) -> Array:
    """The same number in each lane."""
    return np.full(LANES, value, np.float32)


def select(condition: Any, one: Any, other: Any) -> Array:
    """Lane by lane ``one`` where the comparison holds, else ``other``; both vectors or numbers."""
    chosen: Array = np.where(condition, one, other).astype(np.float32)
    return chosen


def both(one: Any, other: Any) -> Any:
    """Lane by lane: do both comparisons hold?"""
    return one & other


def either(one: Any, other: Any) -> Any:
    """Lane by lane: does one of the comparisons hold?"""
    return one | other


def least(one: Any, other: Any) -> Array:
    """The smaller of two, lane by lane; ``other`` where ``one`` is NaN."""
    return select(one < other, one, other)


def most(one: Any, other: Any) -> Array:
    """The larger of two, lane by lane; ``other`` where ``one`` is NaN."""
    return select(one > other, one, other)


def root(x: Array) -> Array:
    """Square root."""
    return np.sqrt(x)


def absolute(x: Array) -> Array:
    """Magnitude."""
    return np.abs(x)


def exp2(x: Array) -> Array:
    """2 to the power of x, x limited to ±126; relative error below 3e-6."""
    with np.errstate(all="ignore"):
        power: Array = np.exp2(np.clip(x, -126.0, 126.0)).astype(np.float32)
    return power


def log2(x: Array) -> Array:
    """Logarithm to base 2 of x > 0 (a normal number); absolute error below 3e-6."""
    with np.errstate(all="ignore"):
        logarithm: Array = np.log2(np.maximum(x, 1.1754944e-38)).astype(np.float32)
    return logarithm


# -- the numba types behind them


class _VectorType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="lanes")


class _MaskType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="lanes_mask")


_vector, _mask = _VectorType(), _MaskType()
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _FLOATS)


@register_model(_MaskType)
class _MaskModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _BITS)


def _is_number(kind: Any) -> bool:
    return isinstance(kind, types.Float | types.Integer)


def _spread(builder: Any, scalar: Any) -> Any:
    """A scalar in each lane."""
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_INTS, [0] * LANES))


def _widened(context: Any, builder: Any, kinds: Any, values: Any) -> list[Any]:
    return [
        value if kind is _vector else _spread(builder, context.cast(builder, value, kind, types.float32))
        for kind, value in zip(kinds, values, strict=True)
    ]


def _define(operation: Any, result: Any, emit: Callable[[Any, Any, Any], Any]) -> None:
    """An operator for (vector, vector), (vector, number) and (number, vector)."""

    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) != 2 or _vector not in args or not all(kind is _vector or _is_number(kind) for kind in args):
                return None
            return signature(result, *(kind if kind is _vector else types.float32 for kind in args))

    infer_global(operation)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *_widened(context, builder, sig.args, args))

    for kinds in ((_vector, _vector), (_vector, types.float32), (types.float32, _vector)):
        lower_builtin(operation, *kinds)(lower)


for _plain, _in_place, _emit in (
    (operator.add, operator.iadd, lambda builder, a, b: builder.fadd(a, b, flags=_FLAGS)),
    (operator.sub, operator.isub, lambda builder, a, b: builder.fsub(a, b, flags=_FLAGS)),
    (operator.mul, operator.imul, lambda builder, a, b: builder.fmul(a, b, flags=_FLAGS)),
    (operator.truediv, operator.itruediv, lambda builder, a, b: builder.fdiv(a, b, flags=_FLAGS)),
):
    _define(_plain, _vector, _emit)
    _define(_in_place, _vector, _emit)
_define(operator.lt, _mask, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
_define(operator.le, _mask, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
_define(operator.gt, _mask, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define(operator.ge, _mask, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))


@infer_global(operator.neg)
class _Negation(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(_vector, _vector) if tuple(args) == (_vector,) else None


@lower_builtin(operator.neg, _vector)
def _negate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _address(context: Any, builder: Any, array_kind: Any, array: Any, index_kind: Any, index: Any) -> Any:
    """Where the vector ``array[index]`` begins; indices count from 0 and are not checked."""
    structure = context.make_array(array_kind)(context, builder, array)
    is_tuple = isinstance(index_kind, types.BaseTuple)
    kinds = list(index_kind) if is_tuple else [index_kind]
    parts = cgutils.unpack_tuple(builder, index) if is_tuple else [index]
    indices = [context.cast(builder, part, kind, types.intp) for part, kind in zip(parts, kinds, strict=True)]
    indices.append(context.get_constant(types.intp, 0))
    place = cgutils.get_item_pointer(context, builder, array_kind, structure, indices, wraparound=False, boundscheck=False)
    return builder.bitcast(place, _FLOATS.as_pointer())


def _is_lane_array(kind: Any, index: Any) -> bool:
    axes = len(index) if isinstance(index, types.BaseTuple) else 1
    return isinstance(kind, types.Array) and kind.dtype == types.float32 and kind.layout == "C" and kind.ndim == axes + 1


@intrinsic
def _load(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, sig.args[0], args[0], sig.args[1], args[1]))
        value.align = 4
        return value

    return (_vector(array, index), generate) if _is_lane_array(array, index) else None


@intrinsic
def _store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _address(context, builder, sig.args[0], args[0], sig.args[1], args[1])
        builder.store(args[2], place).align = 4
        return context.get_dummy_value()

    return (types.void(array, index, value), generate) if _is_lane_array(array, index) and value is _vector else None


@intrinsic
def _fill(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _widened(context, builder, sig.args, args)[0]

    return (_vector(value), generate) if _is_number(value) else None


@intrinsic
def _select(typing_context: Any, condition: Any, one: Any, other: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(args[0], *_widened(context, builder, sig.args[1:], args[1:]))

    fits = condition is _mask and all(kind is _vector or _is_number(kind) for kind in (one, other))
    return (_vector(condition, one, other), generate) if fits else None


@intrinsic
def _both(typing_context: Any, one: Any, other: Any) -> Any:
    return (_mask(one, other), lambda context, builder, sig, args: builder.and_(*args)) if one is _mask and other is _mask else None


@intrinsic
def _either(typing_context: Any, one: Any, other: Any) -> Any:
    return (_mask(one, other), lambda context, builder, sig, args: builder.or_(*args)) if one is _mask and other is _mask else None


def _called(name: str) -> Callable[..., Any]:
    """An LLVM function of one vector, such as llvm.sqrt."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_FLOATS, [_FLOATS]), f"{name}.v{LANES}f32")
        return builder.call(function, args)

    return generate


@intrinsic
def _root(typing_context: Any, x: Any) -> Any:
    return (_vector(x), _called("llvm.sqrt")) if x is _vector else None


@intrinsic
def _absolute(typing_context: Any, x: Any) -> Any:
    return (_vector(x), _called("llvm.fabs")) if x is _vector else None


@intrinsic
def _floor(typing_context: Any, x: Any) -> Any:
    return (_vector(x), _called("llvm.floor")) if x is _vector else None


def _constant(value: int) -> Any:
    return ir.Constant(_INTS, [value] * LANES)


@intrinsic
def _power_of_two(typing_context: Any, x: Any) -> Any:
    """2**x of whole numbers -126..127, put together from the bits of the exponent."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        exponent = builder.add(builder.fptosi(args[0], _INTS), _constant(127))
        return builder.bitcast(builder.shl(exponent, _constant(23)), _FLOATS)

    return (_vector(x), generate) if x is _vector else None


@intrinsic
def _exponent(typing_context: Any, x: Any) -> Any:
    """The whole number e with x = m 2**e and m in [1, 2)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.and_(builder.lshr(builder.bitcast(args[0], _INTS), _constant(23)), _constant(255))
        return builder.sitofp(builder.sub(bits, _constant(127)), _FLOATS)

    return (_vector(x), generate) if x is _vector else None


@intrinsic
def _mantissa(typing_context: Any, x: Any) -> Any:
    """m in [1, 2) with x = m 2**e."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.and_(builder.bitcast(args[0], _INTS), _constant(0x7FFFFF))
        return builder.bitcast(builder.or_(bits, _constant(127 << 23)), _FLOATS)

    return (_vector(x), generate) if x is _vector else None


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The decorated function returns what stands for ``function`` inside a kernel."""
    return overload(function, strict=False, jit_options={"fastmath": set(_FLAGS), "error_model": "numpy"})  # type: ignore[no-any-return]


@_compiled(load)
def _(array: Any, index: Any) -> Any:
    return lambda array, index: _load(array, index)


@_compiled(store)
def _(array: Any, index: Any, value: Any) -> Any:
    return lambda array, index, value: _store(array, index, value)


@_compiled(fill)
def _(value: Any) -> Any:
    return lambda value: _fill(value)


@_compiled(select)
def _(condition: Any, one: Any, other: Any) -> Any:
    return lambda condition, one, other: _select(condition, one, other)


@_compiled(both)
def _(one: Any, other: Any) -> Any:
    return lambda one, other: _both(one, other)


@_compiled(either)
def _(one: Any, other: Any) -> Any:
    return lambda one, other: _either(one, other)


@_compiled(least)
def _(one: Any, other: Any) -> Any:
    return lambda one, other: _select(one < other, one, other)


@_compiled(most)
def _(one: Any, other: Any) -> Any:
    return lambda one, other: _select(one > other, one, other)


@_compiled(root)
def _(x: Any) -> Any:
    return lambda x: _root(x)


@_compiled(absolute)
def _(x: Any) -> Any:
    return lambda x: _absolute(x)


@_compiled(exp2)
def _(x: Any) -> Any:
    # 2**f on [-0.5, 0.5]: Taylor's series of exp(f ln 2), of which the seventh term is below the type's resolution.
    def power(x: Any) -> Any:
        bounded = select(x > -126.0, x, -126.0)
        bounded = select(bounded < 126.0, bounded, 126.0)
        whole = _floor(bounded + 0.5)
        f = bounded - whole
        series = 0.0013333558 + f * 0.00015403530
        series = 0.0096181291 + f * series
        series = 0.055504109 + f * series
        series = 0.24022651 + f * series
        series = 0.69314718 + f * series
        return (1.0 + f * series) * _power_of_two(whole)

    return power


@_compiled(log2)
def _(x: Any) -> Any:
    # With m in [sqrt(1/2), sqrt(2)] and s = (m - 1) / (m + 1): ln m = 2 (s + s**3/3 + s**5/5 + s**7/7 + ...).
    def logarithm(x: Any) -> Any:
        bounded = select(x > 1.1754944e-38, x, 1.1754944e-38)
        mantissa, exponent = _mantissa(bounded), _exponent(bounded)
        upper = mantissa > 1.4142135
        mantissa = select(upper, mantissa * 0.5, mantissa)
        exponent = select(upper, exponent + 1.0, exponent)
        s = (mantissa - 1.0) / (mantissa + 1.0)
        z = s * s
        series = 0.41219858 + z * 0.32059890
        series = 0.57707802 + z * series
        series = 0.96179669 + z * series
        series = 2.8853901 + z * series
        return exponent + s * series

    return logarithm


def row_indices(rows: NDArray[np.generic]) -> NDArray[np.intp]:
    """Rows given as a mask or as indices, as indices."""
    return np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.intp)


def reset_rows(state: Array, rows: NDArray[np.generic], value: float = 0.0) -> None:
    """Put ``value`` into the lanes of these rows (a mask or indices) of a state (tiles, ..., LANES)."""
    index = row_indices(rows)
    state[index // LANES, ..., index % LANES] = value


# -- between (rows, samples), as everybody else knows it, and (samples, LANES)


@kernel
def load_tile(block: Array, tile: int, first: int, into: Array) -> None:
    """Transpose ``into.shape[0]`` samples from ``first`` on, of a tile's rows into (samples, LANES); absent rows are 0."""
    row = tile * LANES
    for lane in range(LANES):
        if row + lane < block.shape[0]:
            for k in range(into.shape[0]):
                into[k, lane] = block[row + lane, first + k]
        else:
            for k in range(into.shape[0]):
                into[k, lane] = 0.0


@kernel
def store_tile(block: Array, tile: int, first: int, source: Array) -> None:
    """The way back: (samples, LANES) into the tile's rows of (rows, samples)."""
    row = tile * LANES
    for lane in range(LANES):
        if row + lane < block.shape[0]:
            for k in range(source.shape[0]):
                block[row + lane, first + k] = source[k, lane]
