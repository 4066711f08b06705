"""New tokens as text: exactly what they add, with tokenizers of both kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from inference.detokenizer import CUT, Detokenizer
from tests.inference.tiny import byte_tokenizer

WORDS = ["▁", "▁a", "a", "▁dog", "dog", "s", "▁See", "See", ".", "\n"]


def sentencepiece_tokenizer():
    """Like Llama 2's: spaces as ▁, one before the first word, and bytes for what it does not know."""
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS]
    places = {token: place for place, token in enumerate(vocabulary)}
    merges = [("▁", "a")]
    tokenizer = Tokenizer(models.BPE(places, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


LLAMA, GPT = sentencepiece_tokenizer(), byte_tokenizer()
OF_LLAMA, OF_GPT = Detokenizer(LLAMA), Detokenizer(GPT)


def named(*tokens):
    return LLAMA.convert_tokens_to_ids(list(tokens))


def in_bytes(text):
    return named(*(f"<0x{byte:02X}>" for byte in text.encode()))


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (named("▁dog", "s"), " dogs"),
        (named("dog", "s"), "dogs"),
        (in_bytes("中"), "中"),
        ([*named("▁See", "▁"), *in_bytes("中"), *named("▁dog")], " See 中 dog"),
        (in_bytes("中語")[:5], f"中{CUT}"),
        ([*in_bytes("中")[:2], *named("dog")], f"{CUT}dog"),
        ([*in_bytes("中"), *in_bytes("é")[:1], *in_bytes("語")], f"中{CUT}語"),
        (named("dog", "</s>"), "dog"),
        (in_bytes("a"), "a"),
        ([], ""),
    ],
)
def test_new_text_comes_from_the_new_tokens(tokens, text):
    assert OF_LLAMA.text(tokens) == text


def test_special_tokens_are_written_where_they_are_asked_for():
    assert OF_LLAMA.text(named("dog", "</s>"), special=True) == "dog</s>"
    assert OF_LLAMA.text(named("▁dog"), special=True) == " dog"


@given(st.text(), st.integers(0, 3))
def test_text_of_whole_tokens_is_what_was_written(text, cut):
    tokens = GPT(text)["input_ids"]
    assert OF_GPT.text(tokens) == text
    short = text.encode()[: max(0, len(tokens) - cut)].decode(errors="replace")
    assert OF_GPT.text(tokens[: max(0, len(tokens) - cut)]) == short


@given(st.text("ab. 中é\U0001f600"))
def test_both_kinds_of_tokenizer_write_the_same(text):
    assert OF_LLAMA.text(LLAMA(f"a{text}", add_special_tokens=False)["input_ids"]) == f" a{text}"
    assert OF_GPT.text(GPT(text)["input_ids"]) == text


@pytest.mark.parametrize(
    ("tokens", "stop", "ends"),
    [
        (named("▁dog"), (" dog",), True),
        (named("▁dog"), ("dog",), True),
        (named("▁dog"), ("▁dog",), False),
        (named("▁dog", "s"), ("dog",), False),
        (named("▁dog", "s"), ("gs",), True),
        (named("▁dog", "s", "▁dog"), ("dog",), True),
        (in_bytes("中"), ("中",), True),
        (in_bytes("中")[:2], ("中",), False),
        ([*in_bytes("中"), *named(".")], ("中",), False),
        (named("s"), (), False),
    ],
)
def test_last_token_ends_with_a_stop_string_or_not(tokens, stop, ends):
    assert OF_LLAMA.ends_with_stop(tokens, stop) is ends


@pytest.mark.parametrize(
    ("tokens", "stop", "text"),
    [
        (named("▁dog"), (" dog",), ""),
        (named("▁See", "▁dog"), ("e d",), " Se"),
        (named("▁See", "▁dog"), ("dog", "e d"), " Se"),
        (named("▁dog", "▁a", "▁dog"), ("dog",), " dog a "),
        (named("▁dog", "▁a"), ("dog",), " dog a"),
        (in_bytes("中語"), ("語",), "中"),
    ],
)
def test_text_is_cut_at_the_stop_string_that_the_last_token_completed(tokens, stop, text):
    assert OF_LLAMA.until_stop(tokens, stop) == text
