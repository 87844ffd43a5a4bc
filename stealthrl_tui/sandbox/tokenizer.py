"""The tiny model's tokens: one for each byte, and three marks.

The same tokenizer exists twice: as the few functions here, and as a folder that `transformers` loads, which is how
the SDK's own `get_tokenizer()` finds it without a hub (the folder's path is the base model's name).
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

END_OF_TEXT, TURN_START, TURN_END = 256, 257, 258
MARKS = {"<|endoftext|>": END_OF_TEXT, "<|im_start|>": TURN_START, "<|im_end|>": TURN_END}
VOCABULARY = 259
CONTEXT_LENGTH = 32768

_MARK_TEXTS = {token: text.encode() for text, token in MARKS.items()}
_SPLIT = re.compile("(" + "|".join(re.escape(mark) for mark in MARKS) + ")")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def encode(text: str) -> list[int]:
    """The tokens of `text`; a mark written out in it becomes its one token."""
    tokens: list[int] = []
    for part in _SPLIT.split(text):
        if part in MARKS:
            tokens.append(MARKS[part])
        else:
            tokens.extend(part.encode("utf-8", "replace"))
    return tokens


def token_bytes(token: int) -> bytes:
    """The bytes `token` stands for, a mark's written form included."""
    return _MARK_TEXTS.get(token) or bytes([token])


def decode(tokens: Iterable[int]) -> str:
    """The text of `tokens` without their marks; bytes that are no UTF-8 become U+FFFD."""
    return bytes(token for token in tokens if token < END_OF_TEXT).decode("utf-8", "replace")


def render_chat(messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The prompt of a chat, as the tokenizer folder's chat template renders it."""
    turns = [f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in messages]
    return encode("".join(turns) + "<|im_start|>assistant\n")


def write_tokenizer(directory: Path) -> None:
    """Make `directory` a model folder that `AutoTokenizer.from_pretrained` loads; a finished one is left as it is."""
    if (directory / "tokenizer.json").exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        made = Path(scratch) / "model"
        made.mkdir()
        (made / "tokenizer.json").write_text(_tokenizer_json(), encoding="utf-8")
        # Empty: the loader wants one where it is given the model's name and not its folder.
        (made / "config.json").write_text("{}", encoding="utf-8")
        (made / "tokenizer_config.json").write_text(json.dumps(_config(), indent=2), encoding="utf-8")
        os.replace(made, directory)


def _config() -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": CONTEXT_LENGTH,
        "clean_up_tokenization_spaces": False,
        "chat_template": _CHAT_TEMPLATE,
    }


def _tokenizer_json() -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {character: byte for byte, character in _byte_characters().items()}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return str(tokenizer.to_str(pretty=True))


def _byte_characters() -> dict[int, str]:
    # The byte-level alphabet of GPT-2: printable Latin-1 stands for itself, the rest is moved up from 256.
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + index) for index, byte in enumerate(moved)}
