"""New tokens as text, whatever stood before them: what a tokenizer writes for a token depends on its neighbours."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How SentencePiece writes a token that is one byte of a character that its vocabulary lacks (byte fallback)."""
CUT = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character whose bytes are not all there."""
CONTEXT = "a"
"""What new tokens are decoded behind: at the beginning of a text, SentencePiece drops the space before a word."""


class Detokenizer:
    """Decodes the tokens that a model added to a prompt. `tokenizer` is one of transformers."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        self._special = {*tokenizer.all_special_ids, *(place for place, token in added if token.special)}
        self._context = tuple(tokenizer(CONTEXT, add_special_tokens=False)["input_ids"])[-1:]
        self._before = self._decoded(self._context)
        self._bytes = {
            place: int(found[1], 16)
            for token, place in tokenizer.get_vocab().items()
            if (found := BYTE.fullmatch(token)) and self._decoded([place]) != token
        }

    def text(self, tokens: Sequence[int], special: bool = False) -> str:
        """What the tokens add to a text; those with a meaning of their own, such as the end of the text, only where
        `special` are asked for.

        Bytes are read here, as UTF-8: byte fallback in the tokenizer spoils every character of a run of bytes in which
        one is cut.
        """
        shown = tokens if special else [token for token in tokens if token not in self._special]
        runs = [(is_byte, list(run)) for is_byte, run in groupby(shown, self._bytes.__contains__)]
        return "".join(self._of_bytes(run) if is_byte else self._of_words(run) for is_byte, run in runs)

    def until_stop(self, tokens: Sequence[int], stop: Sequence[str]) -> str:
        """The text of the tokens, up to the first of the `stop` strings that the last token completed."""
        text = self.text(tokens)
        cuts = self._completed(text, tokens, stop)
        return text[: min(cuts)] if cuts else text

    def ends_with_stop(self, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether the last token completed one of the `stop` strings."""
        if not stop:
            return False
        # A token is a byte at least, so the string lies within as many tokens as it has bytes, and a broken character.
        tail = tokens[-(max(len(string.encode()) for string in stop) + 4) :]
        return bool(self._completed(self.text(tail), tail, stop))

    def _completed(self, text: str, tokens: Sequence[int], stop: Sequence[str]) -> list[int]:
        """Where those of the strings begin that end in what the last token wrote."""
        if not stop:
            return []
        before = len(self.text(tokens[:-1]).rstrip(CUT))
        places = [text.find(string, max(0, before - len(string) + 1)) for string in stop]
        return [place for place in places if place >= 0]

    def _of_bytes(self, tokens: Sequence[int]) -> str:
        return bytes(self._bytes[token] for token in tokens).decode(errors="replace")

    def _of_words(self, tokens: Sequence[int]) -> str:
        return self._decoded([*self._context, *tokens]).removeprefix(self._before)

    def _decoded(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        return text
