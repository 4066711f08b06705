"""`make bench`: run the workloads, print a table, write `.portal/bench.json`.

PostgreSQL and Redis are those of the environment; the site's workloads leave their rows there.
"""

import argparse
import json
import os
import platform
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.admission import admission
from tests.bench.audited import audited
from tests.bench.engine import w1, w2, w3
from tests.bench.first_step import first_step
from tests.bench.throughput import w4

WORKLOADS = {
    "W1": w1,
    "W2": w2,
    "W3": w3,
    "W4": w4,
    "admission": admission,
    "audited": audited,
    "first_step": first_step,
}


def main() -> None:
    """Run what was asked for; results of the other workloads stay in the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--home", type=Path, required=True, help="where models, peers and bench.json are kept")
    parser.add_argument("--only", choices=WORKLOADS, help="one workload")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated."))  # so that what was started is stopped
    file = given.home / "bench.json"
    results: dict[str, Any] = json.loads(file.read_text()) if given.only and file.exists() else {}
    results["machine"] = machine()
    for name in [given.only] if given.only else WORKLOADS:
        print(f"{name}: {(WORKLOADS[name].__doc__ or '').splitlines()[0]}", flush=True)
        results[name] = WORKLOADS[name](given.home / "bench")
        file.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results))
    print(f"Written to {file}")


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "cpu_flags": sorted({"avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8"} & set(flags)),
        "versions": {name: version(name) for name in ("torch", "transformers", "numpy", "django", "celery")},
    }


def table(results: dict[str, Any]) -> str:
    """Every figure on a line of its own, workload by workload."""
    lines = []
    for workload in (name for name in WORKLOADS if name in results):
        lines.append(workload)
        lines += [f"  {name:<44} {value}" for name, value in _flat(results[workload])]
    return "\n".join(lines)


def _flat(figures: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            flat += _flat(value, f"{path}{name} ")
        else:
            flat.append((path + name, f"{value:,.2f}" if isinstance(value, float) else str(value)))
    return flat


if __name__ == "__main__":
    main()
