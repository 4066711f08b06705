"""Weights laid out for the machine: the model's own numbers, the same however many rows a pass has."""

import copy

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


INSTRUCTIONS = {"_is_amx_tile_supported": "AMX", "_is_avx512_bf16_supported": "AVX512_BF16"}


@pytest.fixture
def processor(monkeypatch):
    """One that packs every dtype and has the instructions that are named."""

    def has(*named):
        monkeypatch.setattr(packing, "can_pack", lambda dtype: True)
        monkeypatch.setattr(packing, "_features", lambda: {"bf16"} & set(named))
        for question, name in INSTRUCTIONS.items():
            monkeypatch.setattr(torch.cpu, question, lambda there=name in named: there)

    return has


@pytest.mark.parametrize(
    ("named", "dtype", "because"),
    [
        (["AMX", "AVX512_BF16"], "bfloat16", "this device has AMX and AVX512_BF16."),
        (["AVX512_BF16"], "bfloat16", "this device has AVX512_BF16."),
        (["bf16"], "bfloat16", "this device has BF16 of Arm."),
        ([], "float32", "this device has no instructions for bfloat16."),
    ],
)
def test_dtype_is_chosen_by_the_instructions_of_the_processor_and_logged(processor, caplog, named, dtype, because):
    processor(*named)
    with caplog.at_level("INFO"):
        assert packing.fastest_dtype("cpu") == dtype
    assert caplog.messages == [f"The dtype is {dtype}: {because}"]


def test_dtype_is_float32_where_no_layer_can_be_packed_in_bfloat16(processor, monkeypatch):
    processor("AMX")
    monkeypatch.setattr(packing, "can_pack", lambda dtype: dtype == torch.float32)
    assert packing.fastest_dtype("cpu") == "float32"


class Rounding:
    """A layer that takes another kernel for fewer rows than `fewest`."""

    def __init__(self, fewest):
        self.fewest = fewest

    def __call__(self, given):
        return given if len(given) >= self.fewest else given + 1e-3


@pytest.mark.parametrize("fewest", [1, 2, 9, 40])
def test_find_the_fewest_rows_from_which_a_row_comes_out_the_same(fewest):
    assert packing._fewest_rows(Rounding(fewest), 8, torch.float32) == fewest
