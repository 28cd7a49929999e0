"""The vector type of the kernels: each operation against numpy, and nothing crosses lanes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dsp
from dsp.lanes import (
    LANES,
    absolute,
    both,
    either,
    exp2,
    fill,
    kernel,
    least,
    load,
    load_tile,
    log2,
    most,
    root,
    select,
    store,
    store_tile,
    tiles,
)

OPERATIONS = 16


@kernel
def every_operation(x, out):
    a, b = load(x, 0), load(x, 1)
    store(out, 0, a + b * 2.0 - 1)
    store(out, 1, 1.0 / (a - b))
    store(out, 2, -a)
    store(out, 3, select(both(a > b, a > 0.0), a, b))
    store(out, 4, select(either(a <= b, a >= 1.0), 3.0, b))
    store(out, 5, least(a, 0.5))
    store(out, 6, most(a, b))
    store(out, 7, root(absolute(a)))
    store(out, 8, exp2(a))
    store(out, 9, log2(absolute(a)))
    total = fill(0.5)
    for row in range(2):
        total += load(x, row)
    total -= 1.0
    total *= a
    total /= b
    store(out, 10, total)


def expected(x):
    a, b = x
    return [
        a + b * 2 - 1,
        1 / (a - b),
        -a,
        np.where((a > b) & (a > 0), a, b),
        np.where((a <= b) | (a >= 1), 3.0, b),
        np.minimum(a, 0.5),
        np.maximum(a, b),
        np.sqrt(np.abs(a)),
        np.exp2(a),
        np.log2(np.abs(a)),
        (0.5 + a + b - 1) * a / b,
    ]


def test_every_operation_does_what_numpy_does():
    x = (5 * np.random.default_rng(1).standard_normal((2, LANES))).astype(np.float32)
    out = np.zeros((OPERATIONS, LANES), np.float32)
    every_operation(x, out)
    for row, wanted in zip(out, expected(x.astype(np.float64)), strict=False):
        np.testing.assert_allclose(row, wanted, rtol=4e-6, atol=4e-6)


def test_without_the_compiler_the_same_operations_run_in_numpy():
    x = (5 * np.random.default_rng(2).standard_normal((2, LANES))).astype(np.float32)
    compiled, plain = np.zeros((2, OPERATIONS, LANES), np.float32)
    every_operation(x, compiled)
    every_operation.py_func(x, plain)
    np.testing.assert_allclose(compiled, plain, rtol=4e-6, atol=4e-6)


@kernel
def powers(x, up, down):
    for k in range(x.shape[0]):
        store(up, k, exp2(load(x, k)))
        store(down, k, log2(load(x, k)))


def test_powers_and_logarithms_over_the_whole_range():
    exponents = np.linspace(-126, 126, 64 * LANES, dtype=np.float32).reshape(64, LANES)
    up, down = np.zeros_like(exponents), np.zeros_like(exponents)
    powers(exponents, up, down)
    np.testing.assert_allclose(up, np.exp2(exponents.astype(np.float64)), rtol=3e-6)
    values = np.exp2(exponents.astype(np.float64)).astype(np.float32)
    powers(values, up, down)
    np.testing.assert_allclose(down, np.log2(values.astype(np.float64)), atol=3e-6, rtol=3e-7)


def test_powers_and_logarithms_stay_finite_outside_their_range():
    x = np.zeros((1, LANES), np.float32)
    x[0, :5] = [1e30, -1e30, 0.0, -1.0, 300.0]
    up, down = np.zeros_like(x), np.zeros_like(x)
    powers(x, up, down)
    assert np.isfinite(up).all()
    assert np.isfinite(down).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
def test_one_lane_never_changes_another(bad):
    x = np.random.default_rng(3).standard_normal((2, LANES)).astype(np.float32)
    clean, soiled = np.zeros((2, OPERATIONS, LANES), np.float32)
    every_operation(x, clean)
    x[:, 5] = bad
    every_operation(x, soiled)
    others = np.arange(LANES) != 5
    assert np.array_equal(clean[:, others], soiled[:, others])


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 40])
def test_tiles_carry_every_row_there_and_back(rows):
    block = np.random.default_rng(rows).standard_normal((rows, 30)).astype(np.float32)
    back = np.zeros_like(block)
    scratch = np.zeros((10, LANES), np.float32)
    for tile in range(tiles(rows)):
        for first in (0, 10, 20):
            scratch[:] = np.nan
            load_tile(block, tile, first, scratch)
            assert np.isfinite(scratch).all()
            store_tile(back, tile, first, scratch)
    assert np.array_equal(back, block)


def test_kept_kernels_belong_to_the_sources_of_all_of_them(tmp_path: Path) -> None:
    shutil.copytree(Path(dsp.__path__[0]), tmp_path / "dsp", ignore=shutil.ignore_patterns("__pycache__"))

    def kept() -> str:
        command = "import dsp.lanes; from numba.core import config; print(config.CACHE_DIR)"
        told = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
        return told.stdout.strip()

    before = kept()
    assert Path(before).is_relative_to(tmp_path) or os.environ.get("NUMBA_CACHE_DIR")
    assert kept() == before
    with (tmp_path / "dsp" / "spectrum.py").open("a") as source:
        source.write("OTHER = 1\n")
    assert kept() != before
