"""The one loop that torch is slow at, written in C: attention of a single new token on a CPU.

torch's own kernels are made for many new tokens at a time. The C file is compiled at the first load with the machine's
`cc`, for this machine, and kept; where there is no compiler, torch's kernel is used instead.
"""

import ctypes
import hashlib
import logging
import os
import platform
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("attention.c")
FLAGS = ["-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-shared", "-fPIC"]
SUMS_IN_ANY_ORDER = ["-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-fno-math-errno"]
"""What lets the compiler add up several products at a time; nothing here assumes that numbers are finite."""


@cache
def attend() -> Any:
    """The C function of `attention.c`, None where it cannot be had."""
    try:
        library = _compiled()
    except (OSError, subprocess.CalledProcessError) as error:
        logger.warning("Attention runs on torch's slower kernel, for attention.c was not compiled: %s", error)
        return None
    import torch  # noqa: F401 - brings the OpenMP runtime that the library is to share

    function = ctypes.CDLL(str(library)).attend
    pointers, numbers = [ctypes.c_void_p] * 8, [ctypes.c_int64] * 6
    function.argtypes = [*pointers, *numbers, ctypes.c_float, ctypes.c_int]
    function.restype = None
    return function


def _compiled() -> Path:
    """The shared library, compiled where this machine has none of this source yet."""
    name = hashlib.sha256(
        SOURCE.read_bytes() + " ".join([*FLAGS, *SUMS_IN_ANY_ORDER, _processor()]).encode()
    ).hexdigest()[:24]
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "release-portal" / f"{name}.so"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as workshop:
            built = Path(workshop, "attention.so")
            command = ["cc", *FLAGS, *SUMS_IN_ANY_ORDER, str(SOURCE), "-o", str(built), "-lm"]
            subprocess.run(command, check=True, capture_output=True)
            built.rename(kept)
    return kept


def _processor() -> str:
    """What the machine calls its processor and its instructions: a library made for another must not be used."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))
