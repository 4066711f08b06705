"""Weights laid out once, at load, as the machine's matrix products want them; the model's code stays as it is."""

import ctypes
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn
from transformers.activations import GELUTanh, SiLUActivation
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.pytorch_utils import Conv1D

EXPECTED_ROWS = 64
"""For how many rows the layout is chosen. Any other number works."""
MOST_PADDING = 48
"""From so many rows on, the rounding of a row never depended on their number (oneDNN 3 on AVX-512 and AMX)."""
ACTIVATED = {GPT2MLP: ("c_fc", "act"), LlamaMLP: ("gate_proj", "act_fn")}
"""Layers whose output goes to an activation and nowhere else."""
ACTIVATIONS = {GELUTanh: ("gelu", "tanh"), SiLUActivation: ("swish", "")}
"""What oneDNN calls them: the name, and which algorithm."""
MALLOC_OPTIONS = {-3: 32 * 2**20, -1: 2**31 - 1, -8: 1}
"""M_MMAP_THRESHOLD at its most, M_TRIM_THRESHOLD never reached, M_ARENA_MAX one arena for all threads (mallopt(3))."""


class PackedLinear(nn.Module):
    """`x @ weight.T + bias` on a CPU, by oneDNN with a weight in its own blocked layout.

    torch.compile emits the same two operators. An activation is applied before the sums are rounded and stored, which
    saves a pass over them.
    """

    def __init__(self, weight: Any, bias: Any) -> None:
        super().__init__()
        self.bias = bias
        self.shape: tuple[int, int] = tuple(weight.shape)
        self.activation = ("none", "")
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), EXPECTED_ROWS)

    def forward(self, given: Any) -> Any:
        """`[..., in]` to `[..., out]`."""
        name, algorithm = self.activation
        return torch.ops.mkldnn._linear_pointwise(given, self._packed, self.bias, name, [], algorithm)


def keep_freed_memory() -> None:
    """Let the C library give freed memory out again instead of returning it to the system after each operation.

    Every step frees and asks for the same megabytes; fresh pages for them would take a quarter of its time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
    if mallopt:
        for option, value in MALLOC_OPTIONS.items():
            mallopt(option, value)


def can_pack(dtype: Any) -> bool:
    """Whether oneDNN computes with this dtype on this processor: with bfloat16 it needs AVX-512 or newer."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    operators = torch.ops.mkldnn
    asked = {torch.bfloat16: operators._is_mkldnn_bf16_supported, torch.float16: operators._is_mkldnn_fp16_supported}
    return bool(asked[dtype]()) if dtype in asked else True


def pack(model: Any) -> int:
    """Lay out every linear layer of a model on a CPU that can; elsewhere torch's own kernels take weights as they are.

    Returns how many rows a pass must have, at the least, for the rounding of a row not to depend on their number.
    """
    if model.device.type != "cpu":
        return 1
    keep_freed_memory()
    if can_pack(model.dtype):
        _lay_out(model)
    layers = {_shape(layer): layer for layer in model.modules() if isinstance(layer, PackedLinear | nn.Linear | Conv1D)}
    return max((_fewest_rows(layer, inputs, model.dtype) for (_, inputs), layer in layers.items()), default=1)


def _lay_out(model: Any) -> None:
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                setattr(parent, name, PackedLinear(layer.weight, layer.bias))
            elif type(layer) is Conv1D:
                setattr(parent, name, PackedLinear(layer.weight.t(), layer.bias))
    for parent in model.modules():
        _activate(parent)


def _shape(layer: Any) -> tuple[int, int]:
    """Numbers out and in."""
    if isinstance(layer, PackedLinear):
        return layer.shape
    rows, columns = layer.weight.shape
    return (columns, rows) if isinstance(layer, Conv1D) else (rows, columns)


def _activate(parent: Any) -> None:
    """Let a layer apply the activation that its output goes to."""
    names = ACTIVATED.get(type(parent))
    if names is None:
        return
    layer, activation = (getattr(parent, name) for name in names)
    if type(layer) is PackedLinear and type(activation) in ACTIVATIONS:
        layer.activation = ACTIVATIONS[type(activation)]
        setattr(parent, names[1], nn.Identity())


@torch.inference_mode()
def _fewest_rows(layer: Any, inputs: int, dtype: Any) -> int:
    """From how many rows on a row comes out the same: products of fewer may take other kernels, which round otherwise.

    Where a machine has such kernels depends on its instructions, so it is tried out.
    """
    given = torch.randn(MOST_PADDING, inputs, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = layer(given)
    for rows in range(MOST_PADDING - 1, 0, -1):
        if not torch.equal(layer(given[:rows]), expected[:rows]):
            return rows + 1
    return 1


def fastest_dtype(device: str) -> str:
    """The torch dtype to generate with: bfloat16 where products are clearly faster with it than with float32.

    Measured on a thread that ends: OpenMP lets the threads of a pool sleep after each operation where the process has
    more of them than cores, and the caller's would stay. The engine's thread is to have the only pool.
    """
    if torch.device(device).type != "cpu":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if not (can_pack(torch.bfloat16) and can_pack(torch.float32)):
        return "float32"
    with ThreadPoolExecutor(1) as thread:
        half, full = thread.map(_seconds, (torch.bfloat16, torch.float32))
    return "bfloat16" if half * 1.3 < full else "float32"


@torch.inference_mode()
def _seconds(dtype: Any) -> float:
    layer = PackedLinear(torch.ones(3072, 768, dtype=dtype), torch.ones(3072, dtype=dtype))
    given, taken = torch.ones(EXPECTED_ROWS, 768, dtype=dtype), []
    for _ in range(12):
        start = time.perf_counter()
        layer(given)
        taken.append(time.perf_counter() - start)
    return min(taken)
