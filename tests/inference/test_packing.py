"""Weights laid out for the machine: the model's own numbers, the same however many rows a pass has."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from transformers import GPT2Config, LlamaConfig
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
from transformers.models.llama.modeling_llama import LlamaMLP

from inference import packing

SIZE = 64
MLPS = {
    "gpt2": lambda: GPT2MLP(4 * SIZE, GPT2Config(n_embd=SIZE, activation_function="gelu_pytorch_tanh")),
    "gpt2 with another activation": lambda: GPT2MLP(4 * SIZE, GPT2Config(n_embd=SIZE, activation_function="relu")),
    "llama": lambda: LlamaMLP(LlamaConfig(hidden_size=SIZE, intermediate_size=4 * SIZE)),
}


class Model(nn.Module):
    """A model as far as packing looks at it."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, mlp):
        super().__init__()
        self.mlp = mlp


@torch.inference_mode()
@pytest.mark.parametrize("kind", MLPS)
def test_pack_keeps_what_a_layer_computes(kind):
    torch.manual_seed(0)
    mlp = MLPS[kind]().eval()
    packed = Model(copy.deepcopy(mlp))
    packing.pack(packed)
    given = torch.randn(1, 70, SIZE)

    torch.testing.assert_close(packed.mlp(given), mlp(given))


@pytest.mark.parametrize(("kind", "layer", "activation"), [("gpt2", "c_fc", "act"), ("llama", "gate_proj", "act_fn")])
def test_pack_lets_a_layer_apply_the_activation_that_follows(kind, layer, activation):
    packed = Model(MLPS[kind]())
    packing.pack(packed)

    assert getattr(packed.mlp, layer).activation[0] != "none"
    assert type(getattr(packed.mlp, activation)) is nn.Identity


@torch.inference_mode()
@pytest.mark.parametrize("kind", MLPS)
def test_model_stays_as_it_is_where_the_processor_cannot_pack(kind, monkeypatch):
    monkeypatch.setattr(packing, "can_pack", lambda dtype: False)
    plain = Model(MLPS[kind]().eval().to(torch.bfloat16))
    plain.dtype = torch.bfloat16

    assert packing.pack(plain) >= 1
    assert not any(isinstance(layer, packing.PackedLinear) for layer in plain.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_whether_a_layer_can_be_packed_is_known_before_it_is_tried(dtype):
    """On any processor: what it cannot compute is refused by the question, not by an exception at the first load."""
    weight = torch.ones(8, 8, dtype=dtype)
    if packing.can_pack(dtype):
        assert packing.PackedLinear(weight, None)(torch.ones(2, 8, dtype=dtype)).tolist() == [[8.0] * 8] * 2
    else:
        with pytest.raises(RuntimeError):
            packing.PackedLinear(weight, None)


def test_dtype_is_float32_where_the_processor_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(packing, "can_pack", lambda dtype: dtype == torch.float32)
    assert packing.fastest_dtype("cpu") == "float32"


class Rounding:
    """A layer that takes another kernel for fewer rows than so many."""

    def __init__(self, fewest):
        self.fewest = fewest

    def __call__(self, given):
        return given if len(given) >= self.fewest else given + 1e-3


@pytest.mark.parametrize("fewest", [1, 2, 9, 40])
def test_find_the_fewest_rows_from_which_a_row_comes_out_the_same(fewest):
    assert packing._fewest_rows(Rounding(fewest), 8, torch.float32) == fewest


MEASURE = """
import os, time, torch
from inference import packing
before = len(os.listdir("/proc/self/task"))
packing.fastest_dtype("cpu")
until = time.monotonic() + 60
while len(os.listdir("/proc/self/task")) > before and time.monotonic() < until:
    time.sleep(0.1)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.live
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_measuring_the_dtype_leaves_no_thread_behind():
    many = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    told = subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True, env=many)

    assert told.stdout.strip() == "0"
