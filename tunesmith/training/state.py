"""Everything that a run needs to go on exactly where it stopped, as plain files.

state/step-000400/
    state.json            step, place in the stream, random states, settings of the optimizer
    trained.safetensors   trained parameters by name, and what the method and the objective remember beside them
    moments.safetensors   what the optimizer keeps (AdamW: two moments) by parameter name
"""

import json
import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.models.adapter import Adapter
from tunesmith.training.optimizers import optimizer_of
from tunesmith.training.plan import Plan

NAME = re.compile(r"step-(\d+)$")


@dataclass
class State:
    """What `train` advances. Whoever pulls the steps saves it between two of them.

    trained: every trained parameter by name.
    remembered: what the method and the objective keep beside them, by name (`Adapter.remembered`, `Objective.remembered`).
    step:    steps made. place: examples drawn from the stream.
    """

    trained: Mapping[str, nn.Parameter]
    remembered: Mapping[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    place: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, adapter: Adapter, plan: Plan, remembered: Mapping[str, Tensor] | None = None) -> "State":
        """A fresh start. Weight decay moves matrices only (Loshchilov and Hutter, 2019, decoupled)."""
        trained, rates = adapter.trained(), adapter.rates()
        alike: dict[tuple[bool, float], list[nn.Parameter]] = {}
        for name, parameter in trained.items():
            alike.setdefault((decays(name, parameter), rates[name]), []).append(parameter)
        groups = [
            {"params": group, "weight_decay": plan.weight_decay if decay else 0.0, "multiple": multiple}
            for (decay, multiple), group in sorted(alike.items(), key=lambda one: one[0], reverse=True)
        ]
        return cls(trained, {**adapter.remembered(), **(remembered or {})}, optimizer_of(plan, groups))

    def save(self, root: Path) -> Path:
        """Write `root/step-NNNNNN`, beside and then renamed: a checkpoint is whole or absent."""
        folder = root / f"step-{self.step:06d}"
        beside = root / f".{folder.name}.tmp"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        kept = {name: p.detach().cpu().contiguous() for name, p in (*self.trained.items(), *self.remembered.items())}
        save_file(kept, beside / "trained.safetensors")
        save_file(self._moments(), beside / "moments.safetensors")
        (beside / "state.json").write_text(json.dumps(self._record()), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
        return folder

    def restore(self, folder: Path) -> None:
        """Take up a checkpoint: parameters, moments, place and random states."""
        record = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        saved = load_file(folder / "trained.safetensors")
        kept = {**self.trained, **self.remembered}
        check_names(saved, kept, folder)
        with torch.no_grad():
            for name, value in kept.items():
                value.copy_(saved[name])
        moments = load_file(folder / "moments.safetensors")
        for name, parameter in self.trained.items():
            own = {key.removeprefix(f"{name}|"): value for key, value in moments.items() if key.startswith(f"{name}|")}
            if own:
                self.optimizer.state[parameter] = {key: self._back(key, value, parameter) for key, value in own.items()}
        self.step, self.place, self.facts = record["step"], record["place"], record["facts"]
        set_random_states(record["random"])

    def _back(self, key: str, value: Tensor, parameter: Tensor) -> Any:
        """What the optimizer keeps, of the kind and at the place that it expects."""
        if key != "step":
            return value.to(parameter.device)
        if not isinstance(self.optimizer, torch.optim.AdamW):
            return int(value)
        return value.to(parameter.device) if _on_gpu(parameter) else value

    def _moments(self) -> dict[str, Tensor]:
        shared = ("qmap1", "qmap2")  # tables that all parameters refer to; a file keeps no memory under two names
        return {
            f"{name}|{key}": value.cpu().clone() if key in shared else torch.as_tensor(value).detach().cpu().contiguous()
            for name, parameter in self.trained.items()
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }

    def _record(self) -> dict[str, Any]:
        return {"step": self.step, "place": self.place, "facts": self.facts, "random": random_states()}


def decays(name: str, parameter: Tensor) -> bool:
    """Matrices decay; vectors, embeddings and soft prompts do not."""
    return parameter.ndim >= 2 and not re.search(r"embed|wte|wpe|shared|relative_attention_bias|vectors|prompt", name)


def _on_gpu(parameter: Tensor) -> bool:
    return parameter.device.type == "cuda"


def check_names(saved: Mapping[str, Tensor], trained: Mapping[str, Tensor], folder: Path) -> None:
    """A checkpoint of another recipe is refused, by the first name or shape that differs."""
    wrong = [n for n in (*trained, *saved) if n not in saved or n not in trained or saved[n].shape != trained[n].shape]
    if wrong:
        raise UserError(
            f"checkpoint `{folder}` does not belong to this recipe: `{wrong[0]}` is missing or has another shape",
            "start in a new folder, or take back the change to `model` or `method`",
        )


def latest(root: Path) -> Path | None:
    """The newest whole checkpoint under `root`; half-written ones have another name."""
    found = [path for path in root.glob("step-*") if NAME.search(path.name) and (path / "state.json").is_file()]
    return max(found, key=lambda path: int(path.name.removeprefix("step-")), default=None)


def random_states() -> dict[str, Any]:
    """The random states of Python and torch, as JSON."""
    version, internal, gauss = random.getstate()
    states: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "torch": torch.get_rng_state().numpy().tobytes().hex(),
    }
    if torch.cuda.is_available():
        states["cuda"] = [state.numpy().tobytes().hex() for state in torch.cuda.get_rng_state_all()]
    return states


def set_random_states(states: Mapping[str, Any]) -> None:
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(_bytes(states["torch"]))
    if torch.cuda.is_available() and "cuda" in states:
        torch.cuda.set_rng_state_all([_bytes(state) for state in states["cuda"]])


def _bytes(text: str) -> Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
