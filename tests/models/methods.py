"""Every method of `tunesmith/methods`, found by listing the folder, with small settings."""

import dataclasses

from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.weights import methods

# Nothing without a head: tests/laws/test_head_laws.py; a LoRA that only files of PEFT have: tests/oracle/test_peft_oracle.py.
ELSEWHERE = ("Frozen", "Patterned")
KINDS = {kind.__name__: kind for kind in methods() if kind.__name__ not in ELSEWHERE}
SMALL = {"rank": 2, "start_rank": 3, "virtual_tokens": 3, "size": 4}
CHOSEN = {
    "Selective": {"parts": ("norm", "mlp")},
    "Combined": {"parts": (LoRA(rank=2), PromptTuning(virtual_tokens=3))},
}  # what has no default


def small(kind: str) -> Method:
    """A method with its settings made small."""
    fields = {f.name for f in dataclasses.fields(KINDS[kind])}
    return KINDS[kind](**{key: value for key, value in SMALL.items() if key in fields} | CHOSEN.get(kind, {}))


EVERY = {kind: small(kind) for kind in KINDS}
BESIDE = {kind: method for kind, method in EVERY.items() if kind not in ("Full", "Selective")}  # adapters beside the weights
