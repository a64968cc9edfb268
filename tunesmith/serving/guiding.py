"""Answers that have to be JSON: which tokens may come next, by llguidance.

Dimension key: V vocabulary.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.generation.slots import Guide
from tunesmith.models.model import Model

KEPT = 64  # grammars that were made of late
FREE = {"type": "object"}  # any JSON, of which OpenAI's `json_object` means an object
# No line ends or runs of blanks between the parts: a small model would say nothing else for ever.
WRITTEN = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
BLANKS = [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
]


class ByGrammar:
    """A `Guide` that follows one answer through a grammar."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher, self._vocabulary = matcher, vocabulary

    def allowed(self) -> Tensor:
        """[V] which tokens may come."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        may = torch.from_numpy(np.unpackbits(bits, bitorder="little").astype(bool))[: self._vocabulary]
        if len(may) < self._vocabulary:
            may = torch.cat([may, torch.zeros(self._vocabulary - len(may), dtype=torch.bool)])
        if not may.any():
            raise ValueError(f"the grammar of an answer leaves no token to say: {self._matcher.get_error()}")
        return may

    def take(self, id_: int) -> bool:
        """This token came; whether nothing can follow any more."""
        self._matcher.consume_token(id_)
        return bool(self._matcher.is_stopped())


class Guides:
    """Makes guides for one model; what is slow about a schema is done once, by whoever asks for it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._tokenizer: Any = None
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def of(self, schema: Mapping[str, Any] | None = None) -> Callable[[], Guide]:
        """What makes a guide for each answer. None: any JSON object.

        Raises:
            UserError: llguidance is missing, or cannot read the schema.
        """
        text = json.dumps(FREE if schema is None else schema)
        with self._lock:
            matcher = self._kept.get(text) or self._made(text)
            self._kept[text] = matcher
            self._kept.move_to_end(text)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        vocabulary = int(self._model.vocabulary.weight.shape[0])
        return lambda: ByGrammar(matcher.deep_copy(), vocabulary)

    def _made(self, schema: str) -> Any:
        llguidance = library()
        if self._tokenizer is None:
            self._tokenizer = self._spelled(llguidance)
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=WRITTEN)
        except ValueError as error:
            raise UserError(f"the schema cannot be read: {error}", "give a JSON schema") from None
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            problem = str(matcher.get_error()).splitlines()[0]
            raise UserError(f"the schema cannot be followed: {problem}", "use keywords that llguidance knows")
        return matcher

    def _spelled(self, llguidance: Any) -> Any:
        """The bytes of every token."""
        renderer = self._model.renderer
        backend = getattr(renderer.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise UserError("the model's tokenizer is a slow one", "answers by a schema need one of the library `tokenizers`")
        tree = json.loads(backend.to_str()) | {"padding": None, "truncation": None}
        if (tree.get("decoder") or {}).get(
            "type"
        ) == "Metaspace":  # which llguidance knows under the name that Llama has for it
            tree["decoder"] = {"type": "Sequence", "decoders": BLANKS}
        most = max(int(self._model.vocabulary.weight.shape[0]), len(renderer.tokenizer))
        try:
            return llguidance.LLTokenizer(json.dumps(tree), n_vocab=most, eos_token=sorted(renderer.stops))
        except (ValueError, RuntimeError) as error:
            raise UserError(f"llguidance cannot read the tokenizer: {error}", "ask without `response_format`") from None


def library() -> Any:
    """llguidance, which comes with an extra."""
    try:
        import llguidance
    except ImportError:
        raise UserError(
            "answers by a JSON schema need the package `llguidance`", "install the extra: pip install 'tunesmith[guided]'"
        ) from None
    return llguidance
