"""Runs a command again and again beside busy loops: python -m tests.under_load --loops 2 --runs 10 COMMAND ...

Ends at the first run that fails, with its status.
"""

import argparse
import multiprocessing
import subprocess
import sys
import time


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command again and again on a busy machine.")
    parser.add_argument("--loops", type=int, default=2)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    for _ in range(arguments.loops):
        multiprocessing.Process(target=spin, daemon=True).start()  # it ends with this process
    for run in range(1, arguments.runs + 1):
        began = time.monotonic()
        status = subprocess.run(arguments.command).returncode
        print(f"run {run} of {arguments.runs} ended with {status} after {time.monotonic() - began:.0f} s", flush=True)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
