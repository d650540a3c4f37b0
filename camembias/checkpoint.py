"""Opens a bundle's checkpoint in PyTorch, and its tokenizer without PyTorch.

Knows what the stages must agree on: truncation, special tokens, and the positions of RoBERTa-like models.
Imports torch and transformers inside functions only, because bulk classification needs neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from camembias.bundle import Layout
from camembias.errors import BundleError, MissingExtra

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

# Their embeddings count positions from padding_idx + 1, over tokens that are not padding.
_OFFSET_POSITIONS = {"camembert", "roberta", "xlm-roberta", "longformer"}


def load_tokenizer(layout: Layout, max_length: int, marked: bool = False) -> Tokenizer:
    """The fast tokenizer of a bundle, as `prepared` makes it."""
    try:
        from tokenizers import Tokenizer
    except ImportError as err:
        raise MissingExtra("tokenizers", "batch") from err
    if not layout.tokenizer.exists():
        raise BundleError(f"'{layout.tokenizer}' is missing; the bundle needs a fast tokenizer: train it again")
    return prepared(Tokenizer.from_file(str(layout.tokenizer)), max_length, marked)


def prepared(tokenizer: Tokenizer, max_length: int, marked: bool = False) -> Tokenizer:
    """`tokenizer` itself, truncating to `max_length` tokens. It never pads: that is done where batches are made.

    What a tweet holds is text, be it `<mask>`: no special token comes from it, but for the unknown one. `marked` is for
    texts in which the program itself has written special tokens.
    """
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    if not marked:
        _take_as_text(tokenizer)
    return tokenizer


def _take_as_text(tokenizer: Tokenizer) -> None:
    """Special tokens that a text spells out are cut into pieces like any other word."""
    from tokenizers import Regex, normalizers

    tokenizer.encode_special_tokens = True  # which is all that WordPiece and BPE need
    names = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    # A Unigram model has them among its pieces: a space after their first character keeps them apart.
    inside = "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in names)
    steps = [tokenizer.normalizer, normalizers.Replace(Regex(inside), " ")]
    tokenizer.normalizer = normalizers.Sequence([step for step in steps if step is not None])


_ROLES = {"pad": ("pad_token",), "bos": ("bos_token", "cls_token"), "eos": ("eos_token", "sep_token")}
_ROLES |= {"mask": ("mask_token",), "unknown": ("unk_token",)}


def special_ids(layout: Layout) -> dict[str, int]:
    """Ids of `pad`, `bos`, `eos`, `mask`, and `unknown` if there is one, read from the tokenizer that is served."""
    found = _special_ids(layout)
    for role in ("pad", "bos", "eos", "mask"):
        if role not in found:
            raise BundleError(f"the tokenizer of '{layout.root}' has no {role} token; train with another base model")
    return found


def unknown_id(layout: Layout) -> int | None:
    """Id of the token that stands for what the tokenizer has no piece for; None when it has one for everything."""
    return _special_ids(layout).get("unknown")


def _special_ids(layout: Layout) -> dict[str, int]:
    """By role, those that there are."""
    special = json.loads((layout.checkpoint / "special_tokens_map.json").read_text(encoding="utf-8"))
    tokenizer, found = load_tokenizer(layout, 8), {}
    for role, keys in _ROLES.items():
        entry = next((special[key] for key in keys if key in special), None)
        token = entry["content"] if isinstance(entry, dict) else entry
        if token and (number := tokenizer.token_to_id(token)) is not None:
            found[role] = number
    return found


def load_model(layout: Layout) -> torch.nn.Module:
    """The classifier in fp32, in eval mode, parameters frozen: only gradients to embeddings are ever needed.

    Raises BundleError for an architecture that transformers does not know: no code of a bundle is run.
    """
    try:
        from transformers import AutoModelForSequenceClassification
    except ImportError as err:
        raise MissingExtra("transformers", "worker") from err
    import torch

    with known_architecture(layout):
        model: torch.nn.Module = AutoModelForSequenceClassification.from_pretrained(
            str(layout.checkpoint),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,  # left out, it asks on standard input
            dtype=torch.float32,
        )
    return model.eval().requires_grad_(False)


@contextmanager
def known_architecture(layout: Layout) -> Iterator[None]:
    """Raises BundleError, in one line, for what transformers or optimum refuse to open."""
    try:
        yield
    except ValueError as err:
        why = " ".join(str(err).split())[:120]
        raise BundleError(
            f"'{layout.checkpoint}' is no classifier of a known architecture ({why} …), and no code of a bundle is "
            "run; train again from another base model"
        ) from err


def best_device() -> torch.device:
    """The first GPU when PyTorch sees one, else the CPU. CUDA_VISIBLE_DEVICES picks another, or none."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def position_ids(model: torch.nn.Module, attention_mask: torch.Tensor) -> torch.Tensor | None:
    """Positions of the input, (rows, tokens), to be passed wherever token ids are replaced.

    RoBERTa-like models otherwise derive positions from which ids are padding, so a baseline made of padding
    would be read at other positions than the input. None for models that count positions plainly.
    """
    config: Any = model.config
    if config.model_type not in _OFFSET_POSITIONS:
        return None
    mask = attention_mask.long()
    return mask.cumsum(dim=1) * mask + int(config.pad_token_id)
