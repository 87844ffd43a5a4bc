"""`python -m tests.bench [--quick] [NAME ...]`: the budgets of DESIGN.md, measured on the real program.

Figures are worth comparing with each other, on one machine in one run, and only when it is otherwise idle.
The exit status is 1 when a budget is missed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tests.bench.cases import CASES, Bench
from tests.bench.result import Result, table


def _quick(folder: Path) -> Bench:
    return Bench(folder, few=200, many=2_000, starts=3, saves=10, keys=15, huge_rows=100_000, idle_seconds=5.0)


def main() -> int:
    """Measure what is asked for, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs and fewer repetitions: a first look")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(CASES)} (default: all)")
    options = parser.parse_args()
    unknown = set(options.names) - set(CASES)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="stealthrl-tui-bench-") as folder:
        bench = _quick(Path(folder)) if options.quick else Bench(Path(folder))
        for name in options.names or CASES:
            print(f"{name}: {(CASES[name].__doc__ or '').splitlines()[0]}", flush=True)
            results += CASES[name](bench)
    load = os.getloadavg()[0]
    print(f"\n{table(results)}\n\nload average {load:.1f} on {os.cpu_count()} processors", flush=True)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
