"""Everything that a run needs to go on exactly where it stopped, as plain files.

state/step-000400/
    state.json            step, place in the stream, random states, settings of the optimizer
    trained.safetensors   trained parameters by name, and what the method and the objective remember beside them
    moments.safetensors   what the optimizer keeps (AdamW: two moments) by parameter name
    manifest.json         bytes and SHA-256 of the three (`tunesmith/manifest.py`)

Which of several is taken, how many are kept, and what happens to damaged ones: `training/store.py`.
"""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith import manifest
from tunesmith.errors import UserError
from tunesmith.manifest import DamagedError
from tunesmith.models.adapter import Adapter
from tunesmith.training import tensors
from tunesmith.training.optimizers import optimizer_of
from tunesmith.training.plan import Plan
from tunesmith.training.world import is_part

NAME = re.compile(r"step-(\d+)$")
RECORD, TRAINED, MOMENTS = "state.json", "trained.safetensors", "moments.safetensors"
# Embeddings (T5 and BART call theirs `shared`, and experts of mixtures are called `shared_expert`), soft prompts, and vectors
# with a second dimension of one, `length_O1`.
UNDECAYED = re.compile(r"embed|wte|wpe|(^|\.)shared[.:]|relative_attention_bias|vectors|prompt|:\w+_([A-Z]1|1[A-Z])$")
LIKE_THE_PARAMETER = ("exp_avg", "exp_avg_sq", "state1", "state2")  # a moment of each number


def own_part(value: Tensor, like: Tensor) -> Tensor:
    """What one process alone holds of a value: all of it."""
    return value


def alone(value: Any) -> list[Any]:
    """What one process has, as the list of what all have."""
    return [value]


@dataclass
class State:
    """What `train` advances. Whoever pulls the steps saves it between two of them.

    trained: every trained parameter by name.
    remembered: what the method and the objective keep beside them, by name (`Adapter.remembered`, `Objective.remembered`).
    step:    steps made. place: examples drawn from the stream.
    facts:   what whoever pulls the steps remembers: plain values, as JSON has them.
    belongs: what a checkpoint must have been made with to be taken up, by name; only names that both know are compared.

    Where several processes share the tensors, the next three are theirs; all call `save` and `restore` at the same step.

    gather:  the whole of a tensor in the processor's memory; every process calls it for the same tensors in the same order.
    part:    of a whole value that was read, what this process holds, given the tensor that it is for.
    writes:  whether this process writes the files.
    rank:    its number among them. gathered: the values of all of them; random states are of each.
    """

    trained: Mapping[str, nn.Parameter]
    remembered: Mapping[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    place: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    belongs: Mapping[str, Any] = field(default_factory=dict)
    gather: Callable[[Tensor], Tensor] = tensors.on_processor
    part: Callable[[Tensor, Tensor], Tensor] = own_part
    writes: bool = True
    rank: int = 0
    gathered: Callable[[Any], list[Any]] = alone

    @classmethod
    def new(cls, adapter: Adapter, plan: Plan, remembered: Mapping[str, Tensor] | None = None) -> "State":
        """A fresh start. Weight decay moves matrices only (Loshchilov and Hutter, 2019, decoupled)."""
        trained, rates = adapter.trained(), adapter.rates()
        alike: dict[tuple[bool, float, bool], list[nn.Parameter]] = {}
        for name, parameter in trained.items():
            alike.setdefault((decays(name, parameter), rates[name], is_part(parameter)), []).append(parameter)
        groups = [
            {"params": group, "weight_decay": plan.weight_decay if decay else 0.0, "multiple": multiple}
            for (decay, multiple, _), group in sorted(alike.items(), key=lambda one: one[0], reverse=True)
        ]
        return cls(trained, {**adapter.remembered(), **(remembered or {})}, optimizer_of(plan, groups))

    def kept(self) -> dict[str, Tensor]:
        """What `trained.safetensors` holds."""
        return {**self.trained, **self.remembered}

    def moments(self) -> dict[str, Tensor]:
        """What `moments.safetensors` holds: all that the optimizer keeps, by `parameter|what`."""
        return {
            f"{name}|{key}": torch.as_tensor(value)
            for name, parameter in self.trained.items()
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }

    def save(self, root: Path) -> Path:
        """Write `root/step-NNNNNN`, beside and then renamed: a checkpoint is whole or absent.

        Raises:
            OSError: the disk does not take it; nothing of it is left there.
        """
        folder = root / f"step-{self.step:06d}"
        record = json.dumps(self._record())
        if not self.writes:
            self.go_along(self.kept())
            self.go_along(self.moments())
            return folder
        with manifest.whole(folder) as (beside, seals):
            seals[TRAINED] = tensors.write(beside / TRAINED, self.kept(), self.gather)
            seals[MOMENTS] = tensors.write(beside / MOMENTS, self.moments(), self.gather)
            (beside / RECORD).write_text(record, encoding="utf-8")
        return folder

    def save_weights(self, folder: Path) -> None:
        """Write what is trained and remembered into a folder, in the same way, and nothing that only going on needs."""
        if not self.writes:
            self.go_along(self.kept())
            return
        with manifest.whole(folder) as (beside, seals):
            seals[TRAINED] = tensors.write(beside / TRAINED, self.kept(), self.gather)

    def go_along(self, named: Mapping[str, Tensor]) -> None:
        """Give what another process writes."""
        for name in tensors.ordered(named):
            self.gather(named[name])

    def restore(self, folder: Path) -> None:
        """Take up a checkpoint: parameters, moments, place and random states. Nothing changes where it is refused."""
        self.take(folder, self.examine(folder))

    def examine(self, folder: Path) -> dict[str, Any]:
        """Look at a checkpoint without taking it up: what its `state.json` says.

        Raises:
            DamagedError: a file is missing, changed or not what it should be: another checkpoint may be whole.
            UserError: the checkpoint is whole, and belongs to another recipe or network.
        """
        manifest.check(folder, alone=True)
        record = read_record(folder / RECORD)
        self._refuse_other(record["belongs"], folder)
        check_names(tensors.shapes(folder / TRAINED), self.kept(), folder)
        self._check_moments(folder / MOMENTS)
        return record

    def take(self, folder: Path, record: Mapping[str, Any]) -> None:
        """Take up a checkpoint that was examined."""
        self._fill(self.kept(), folder)
        self.optimizer.state.clear()
        for name, value in tensors.read(folder / MOMENTS):
            parameter, _, key = name.rpartition("|")
            own = self.trained[parameter]
            self.optimizer.state[own][key] = self._back(key, value, own)
        self.step, self.place, self.facts = record["step"], record["place"], record["facts"]
        self._draw(record)

    def restore_weights(self, folder: Path) -> None:
        """Take up what `save_weights` wrote.

        Raises:
            DamagedError: a file is missing or changed.
        """
        manifest.check(folder, alone=True)
        kept = self.kept()
        check_names(tensors.shapes(folder / TRAINED), kept, folder)
        self._fill(kept, folder)

    def _fill(self, kept: Mapping[str, Tensor], folder: Path) -> None:
        with torch.no_grad():
            for name, value in tensors.read(folder / TRAINED):
                kept[name].copy_(self.part(value, kept[name]))

    def _refuse_other(self, belongs: Mapping[str, Any], folder: Path) -> None:
        now = json.loads(json.dumps(dict(self.belongs)))
        for name in now:
            if name in belongs and belongs[name] != now[name]:
                raise UserError(
                    f"checkpoint `{folder}` is of another run: `{name}` was `{belongs[name]}` and is now `{now[name]}`",
                    "start in a new folder, or take the change back",
                )

    def _check_moments(self, file: Path) -> None:
        found = tensors.shapes(file)
        for name, shape in found.items():
            parameter, _, key = name.rpartition("|")
            if parameter not in self.trained:
                raise DamagedError(f"`{file}` keeps `{name}`, and no such parameter is trained")
            wanted = tuple(self.trained[parameter].shape)
            rows = found.get(f"{parameter}|rows")  # of an embedding, those that were ever read
            wanted = wanted if rows is None else (*rows, *wanted[1:])
            if key in LIKE_THE_PARAMETER and shape != wanted:
                raise DamagedError(f"`{file}`: `{name}` has the shape {shape}, and its parameter {wanted}")

    def _back(self, key: str, value: Tensor, parameter: Tensor) -> Any:
        """What the optimizer keeps, of the kind and at the place that it expects."""
        if key != "step":
            return self.part(value, parameter).to(parameter.device)
        if not isinstance(self.optimizer, torch.optim.AdamW):
            return int(value)
        return value.to(parameter.device) if _on_gpu(parameter) else value

    def _record(self) -> dict[str, Any]:
        found = {"step": self.step, "place": self.place, "facts": self.facts, "belongs": dict(self.belongs)}
        own, *others = self.gathered(random_states())
        return {**found, "random": own, **({"random_of_others": others} if others else {})}

    def _draw(self, record: Mapping[str, Any]) -> None:
        """Go on with the random states of this process, or with new ones where there were fewer processes."""
        others = record.get("random_of_others", [])
        set_random_states(others[self.rank - 1] if 0 < self.rank <= len(others) else record["random"])
        if self.rank > len(others):
            draw_apart(torch.initial_seed(), self.rank, self.step)


def read_record(file: Path) -> dict[str, Any]:
    """A checkpoint's `state.json`.

    Raises:
        DamagedError: it is no such file, or a value is of another kind.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedError(f"`{file}` cannot be read: {error}") from None
    if not isinstance(record, dict):
        raise DamagedError(f"`{file}` is no record of a state")
    record.setdefault("belongs", {})
    for name, kind in {"step": int, "place": int, "facts": dict, "belongs": dict, "random": dict}.items():
        value = record.get(name)
        if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
            raise DamagedError(f"`{file}`: `{name}` is `{value}`, which it cannot be")
    try:
        _states(record["random"])
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DamagedError(f"`{file}`: `random` holds no random states: {error}") from None
    return record


def decays(name: str, parameter: Tensor) -> bool:
    """Matrices decay; vectors, embeddings and soft prompts do not."""
    return parameter.ndim >= 2 and not UNDECAYED.search(name)


def _on_gpu(parameter: Tensor) -> bool:
    return parameter.device.type == "cuda"


def check_names(saved: Mapping[str, tuple[int, ...]], trained: Mapping[str, Tensor], folder: Path) -> None:
    """A checkpoint of another recipe is refused, by the first name or shape that differs."""
    wrong = [n for n in (*trained, *saved) if n not in saved or n not in trained or saved[n] != tuple(trained[n].shape)]
    if wrong:
        raise UserError(
            f"checkpoint `{folder}` does not belong to this recipe: `{wrong[0]}` is missing or has another shape",
            "start in a new folder, or take back the change to `model` or `method`",
        )


def checkpoints(root: Path) -> list[Path]:
    """The checkpoints under `root`, the newest first, whether they are whole or not; half-written ones have another name."""
    found = [path for path in root.glob("step-*") if NAME.search(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")), reverse=True)


def latest(root: Path) -> Path | None:
    """The newest whole checkpoint under `root`."""
    for folder in checkpoints(root):
        try:
            manifest.check(folder, alone=True)
        except DamagedError:
            continue
        return folder
    return None


def draw_apart(seed: int, rank: int, step: int = 0) -> None:
    """Let each process but the first draw numbers of its own, so that what is dropped is not the same in all their rows."""
    if rank:
        torch.manual_seed(int.from_bytes(blake2b(f"{seed} {rank} {step}".encode(), digest_size=8).digest()) >> 1)


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
    own, general, cuda = _states(states)
    random.setstate(own)
    torch.set_rng_state(general)
    if torch.cuda.is_available() and cuda:
        torch.cuda.set_rng_state_all(cuda)


def _states(states: Mapping[str, Any]) -> tuple[Any, Tensor, list[Tensor]]:
    """The random states of Python, of torch, and of each GPU, tried out."""
    version, internal, gauss = states["python"]
    own = (version, tuple(internal), gauss)
    random.Random().setstate(own)
    general = _bytes(states["torch"])
    torch.Generator().set_state(general)
    return own, general, [_bytes(state) for state in states.get("cuda", [])]


def _bytes(text: str) -> Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
