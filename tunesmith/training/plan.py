"""How long, how fast and in what order to learn."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from tunesmith.errors import UserError
from tunesmith.models.kept import Keep
from tunesmith.tokens.packing import Room
from tunesmith.training.schedule import Shape
from tunesmith.training.sharding import Processes
from tunesmith.training.watch import Divergence


@dataclass(frozen=True)
class Checkpoints:
    """What a run keeps to go on from, in its folder `state`.

    last:  checkpoints that are kept; with two, there is one to fall back to where the newest is found damaged.
    short: what happens before the first step where the disk has less room than the run is estimated to need: `refuse`, or only
           `say` it.
    """

    last: Annotated[int, Field(gt=0)] = 2
    short: Literal["refuse", "say"] = "refuse"


@dataclass(frozen=True)
class Plan:
    """The plan of one run. A setting left null takes the method's preset.

    steps, epochs:  how long; one of the two (epochs over the mixture).
    examples:       examples that make one step; `room` says how they are laid out in memory, and never changes the result.
    optimizer:      `adamw`; or, to save memory of a GPU, `adamw_8bit` (moments in 8 bits: a quarter) or `adamw_paged` (moments
                    that move to the processor's memory when the GPU's is full), which are bitsandbytes'.
    learning_rate:  the peak of the schedule.
    of_preset:      the peak as a share of the method's preset, instead: below 1 for a network that knows its task already.
    warmup:         share of the steps in which the rate rises.
    floor:          the rate at the end, as a share of the peak.
    weight_decay:   decoupled; matrices only, never biases, norms, learnt vectors or embeddings.
    clip:           longest gradient (2-norm over all trained parameters); null leaves it as it is.
    precision:      of the arithmetic. What stands beside the network is float32; a trained weight of its own, with its gradient
                    and moments, has the precision in which it was loaded (`model.dtype`).
    recompute:      forget activations in the forward pass and compute them again in the backward: slower, less memory.
    compile:        let torch fuse the operations of each layer: faster steps and less memory on a GPU, after a minute or so of
                    compiling in the first ones.
    order:          `shuffled`, or `by_length` (examples of like length make a step: faster, a different run).
    validate_every: steps between validations; null: ten times a run.
    best:           which weights are kept: those of the lowest `loss` at a validation; those of the best headline `score` on
                    the validation examples, asked as in the end (of several tasks the mean; of equal scores the lower loss);
                    or the `last` ones.
    scores:         ask the validation examples at every validation too, and log the score of each task, as `best: score` does.
    patience:       stop after so many validations without a better loss (or score); null: never.
    save_every:     steps between checkpoints for resuming; null: at validations.
    checkpoints:    which of them are kept, and what happens where the disk has too little room for them.
    stop_after:     share of the steps after which to stop, at the next validation, keep everything and answer nothing; the same
                    recipe with a later share, or null, goes on there as if it had not stopped.
    too_long:       what to do with examples longer than the window: `refuse`, `drop`, `cut_prompt`, or `split` (plain text);
                    null: `split` where the objective is `pretrain`, else `refuse`.
    window:         longest example in tokens; null: the network's own.
    keep:           what is kept of what the frozen part of the network says.
    divergence:     what happens where training goes astray.
    ahead:          processes that spell what coming steps read while the network learns; null: one where an epoch has 20,000
                    examples or more (Linux only). It changes no number.
    processes:      what several processes (docs/several-machines.md) do with the weights of the network.
    """

    steps: Annotated[int, Field(gt=0)] | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    examples: Annotated[int, Field(gt=0)] = 16
    optimizer: Literal["adamw", "adamw_8bit", "adamw_paged"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    of_preset: Annotated[float, Field(gt=0)] | None = None
    schedule: Shape = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.06
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    recompute: bool = False
    compile: bool = False
    order: Literal["shuffled", "by_length"] = "shuffled"
    validate_every: Annotated[int, Field(gt=0)] | None = None
    best: Literal["loss", "score", "last"] = "loss"
    scores: bool = False
    patience: Annotated[int, Field(gt=0)] | None = None
    save_every: Annotated[int, Field(gt=0)] | None = None
    stop_after: Annotated[float, Field(gt=0, le=1)] | None = None
    too_long: Literal["refuse", "drop", "cut_prompt", "split"] | None = None
    window: Annotated[int, Field(gt=1)] | None = None
    room: Room = Room()
    keep: Keep = Keep()
    checkpoints: Checkpoints = Checkpoints()
    divergence: Divergence = Divergence()
    ahead: Annotated[int, Field(ge=0)] | None = None
    processes: Processes = Processes()

    def total_steps(self, examples: int) -> int:
        """Steps of the whole run, given the examples of one epoch."""
        if self.steps is not None and self.epochs is not None:
            raise UserError("`plan.steps` and `plan.epochs` are both set", "set one of them to null")
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 1.0) * examples / self.examples))

    def validating_every(self, steps: int, rounds: int = 1) -> int:
        """Steps between validations of a run of so many steps, of which `rounds` belong together."""
        return together(self.validate_every or max(1, steps // 10), rounds)

    def saving_every(self, steps: int, rounds: int = 1) -> int:
        """Steps between checkpoints to resume from, likewise."""
        return together(self.save_every or self.validating_every(steps), rounds)

    def stop_step(self, steps: int, rounds: int = 1) -> int:
        """The step at which a run of so many steps stops: the first validation that `stop_after` reaches, or the last step."""
        every = self.validating_every(steps, rounds)
        return min(steps, every * math.ceil((self.stop_after or 1.0) * steps / every - 1e-9))

    def warmup_steps(self, steps: int) -> int:
        return round(self.warmup * steps)


def together(steps: int, rounds: int) -> int:
    """The next multiple of steps that belong together."""
    return math.ceil(steps / rounds) * rounds
