"""Weights laid out once, at load, as the machine's matrix products want them; the model's code stays as it is."""

import ctypes
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.activations import GELUTanh, SiLUActivation
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.pytorch_utils import Conv1D

logger = logging.getLogger(__name__)

EXPECTED_ROWS = 64
"""For how many rows the layout is chosen. Any other number works."""
MOST_PADDING = 48
"""With at least this number of rows, the rounding of a row never depended on it (oneDNN 3 on AVX-512 and AMX)."""
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
    """The torch dtype to generate with: bfloat16 where the device has instructions for its products.

    Without them oneDNN converts numbers back and forth. It is not measured: a busy machine would turn the choice.
    """
    on_cpu = torch.device(device).type == "cpu"
    if not on_cpu:
        named = {"bfloat16 on the GPU": torch.cuda.is_bf16_supported(including_emulation=False)}
    else:
        named = {
            "AMX": torch.cpu._is_amx_tile_supported(),
            "AVX512_BF16": torch.cpu._is_avx512_bf16_supported(),
            "BF16 of Arm": "bf16" in _features(),
        }
    has = [name for name, there in named.items() if there]
    can = not on_cpu or (can_pack(torch.bfloat16) and can_pack(torch.float32))
    chosen = "bfloat16" if has and can else "float32"
    logger.info("The dtype is %s: this device has %s.", chosen, " and ".join(has) or "no instructions for bfloat16")
    return chosen


def _features() -> set[str]:
    """What Linux says of an Arm processor; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("Features") for flag in line.split()}
