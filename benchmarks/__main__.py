"""``python -m benchmarks NAME [--json] [--data DIR] [--peer NAME ...] [--quick] [--only PART,...]
[--plots DIR] [--samples DIR] [--wire auto|python|c] [--minutes N]``: run one benchmark of this folder.

A benchmark is a module with ``run(options) -> list[Row]``. Its exit status is 1 when a goal was missed.
"""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks.report import CannotRun, Options, Row, as_json, as_table

_PARTS = {
    *("__main__", "report", "speech", "metrics", "scenes", "ours", "pictures", "peers"),
    *(
        "quality",
        "load",
        "crowd",
        "cluster",
        "centre",
        "switched_centre",
        "postgres",
    ),
}


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in _PARTS)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run one benchmark by hand.")
    parser.add_argument("name", choices=names())
    parser.add_argument("--json", action="store_true", help="last line of output: one JSON object")
    parser.add_argument("--data", type=Path, help="folder of recordings to use in place of the shipped speech")
    parser.add_argument("--peer", action="append", default=[], help="compare with this peer only (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="only prove that it runs")
    parser.add_argument("--only", default="", help="these parts of the benchmark, separated by commas")
    parser.add_argument("--plots", type=Path, help="folder to draw pictures into")
    parser.add_argument("--samples", type=Path, help="folder to write listening samples into")
    parser.add_argument("--wire", choices=("auto", "python", "c"), default="auto", help="the packet path of our media workers")
    parser.add_argument("--minutes", type=float, default=0.0, help="measure for so long, where a benchmark can")
    chosen = parser.parse_args(arguments)
    if chosen.data is not None and not chosen.data.is_dir():
        parser.error(f"--data: {chosen.data} is no folder")
    run = importlib.import_module(f"benchmarks.{chosen.name}").run
    only = tuple(filter(None, chosen.only.split(",")))
    options = Options(
        chosen.data, chosen.quick, tuple(chosen.peer), only, chosen.plots, chosen.samples, wire=chosen.wire, minutes=chosen.minutes
    )
    try:
        rows: list[Row] = run(options)
    except CannotRun as error:
        parser.error(str(error))
    print(as_table(chosen.name, rows))
    if chosen.json:
        print(as_json(chosen.name, rows))
    return 0 if all(row.holds is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
