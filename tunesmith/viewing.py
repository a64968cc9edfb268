"""A task of a run, or of one's own, open to be looked at as a network reads it: the studio's data viewer."""

import dataclasses
from collections.abc import Mapping
from itertools import islice
from threading import Lock
from typing import Any

from tunesmith import settings
from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.models.load import load_renderer
from tunesmith.objectives.headed import wording
from tunesmith.objectives.objective import Placed
from tunesmith.recipe import Recipe, own
from tunesmith.run import Run
from tunesmith.serving.studio.data_routes import Read
from tunesmith.showing import marks, pieces, read_as, recipe_shown, titled
from tunesmith.tasks.own import told
from tunesmith.verbs import default_recipe
from tunesmith.work import fitted, task_of, training, try_out

MOST = 20_000  # examples of a split that are looked at


class Viewed:
    """One task by a recipe; examples of a split are put in words when they are first asked for.

    Raises:
        UserError: for whatever is wrong with the rows, the recipe or its model; only the tokenizer of that is read.
    """

    def __init__(self, recipe: Recipe, name: str) -> None:
        setting = recipe.tasks[name]
        self.task = task_of(recipe, own(name, setting))
        try_out(self.task, "train")
        self.recipe = dataclasses.replace(recipe, objective=fitted(recipe, (self.task,)))
        self.renderer, self.window = load_renderer(recipe.model)
        self._examples: dict[str, tuple[list[Example], bool]] = {}
        self._lock = Lock()

    @property
    def told(self) -> Mapping[str, Any]:
        return {
            "name": self.task.name,
            "model": read_as(self.recipe, self.renderer),
            "shape": told((self.task,)).get(self.task.name, ""),
            "wordings": [template.name for template in self.task.templates],
            "splits": list(self.task.source.splits()),
            "marks": marks(self.renderer),
            "window": self.window,
        }

    def rows(self, split: str, find: str, start: int, many: int) -> tuple[int, bool, list[Read]]:
        """How many examples have all the words, whether there are more than were looked at, and some of them."""
        if split not in self.task.source.splits():
            raise UserError(f"`{self.task.name}` has no such split", f"it has: {', '.join(self.task.source.splits())}")
        every, more = self._read(split)
        words = find.lower().split()
        places = [place for place, example in enumerate(every) if has(example, words)] if words else range(len(every))
        chosen = [(place, every[place]) for place in places[start : start + many]]
        return len(places), more, [read for place, example in chosen for read in self._shown(place, example)]

    def _read(self, split: str) -> tuple[list[Example], bool]:
        with self._lock:
            if split not in self._examples:
                objective = self.recipe.objective
                found = (
                    training(self.recipe, objective, (self.task,))
                    if split == "train"
                    else self.task.examples(split, wording(split, objective))
                )
                kept = list(islice(found, MOST + 1))
                self._examples[split] = kept[:MOST], len(kept) > MOST
            return self._examples[split]

    def _shown(self, place: int, example: Example) -> list[Read]:
        sequences = self.recipe.objective.render(Placed(example, place), self.renderer)
        return [
            Read(
                titled(example, number, len(sequences)),
                self.renderer.pieces(tokens.source),
                pieces(example, tokens, self.recipe, self.renderer),
            )
            for number, tokens in enumerate(sequences)
        ]


def has(example: Example, words: list[str]) -> bool:
    """Whether an example has all the words, in any of its texts."""
    text = "\n".join((example.id, *(message.content for message in example.messages), example.target)).lower()
    return all(word in text for word in words)


def opener(model: str | None) -> Any:
    """Opens a task by a run's recipe, or by the default one with this model."""

    def opened(run: Run | None, name: str) -> Viewed:
        if run is not None:
            tree = {key: value for key, value in run.recipe().items() if key != "systems"}
            return Viewed(settings.build(Recipe, tree), name)
        tree = settings.load(default_recipe(), ())
        if model is not None:
            tree["model"] = {**tree.get("model", {}), "path": model}
        chosen, _ = recipe_shown(tree | {"tasks": {name: 1.0}, "judged_by": []})
        return Viewed(chosen, name)

    return opened
