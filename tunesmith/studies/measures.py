"""Whether one number can tell which arm of a study is the better one, before arms are dropped or proposed by it."""

from collections.abc import Iterator, Sequence

from tunesmith import settings
from tunesmith.comparison.choosing import differing
from tunesmith.errors import UserError
from tunesmith.models.load import load_renderer
from tunesmith.recipe import Recipe
from tunesmith.studies.grid import Range, Space, arm, by_system


def refuse_unlike(made: Space) -> None:
    """Refuse a search whose arms would be held against each other by losses that tell of different things.

    Raises:
        UserError: they would.
    """
    known = [recipe for recipe in one_by_one(made) if recipe.method != "none"]
    if why := unlike(known):
        raise UserError(
            f"{why}, and by them arms would be chosen", "let the score on the validation examples choose: `plan.best=score`"
        )


def one_by_one(made: Space) -> Iterator[Recipe]:
    """The recipes of a study in which one setting at a time has another than its first value; of ranges, both ends."""
    for system, own in by_system(made):
        values = {name: (axis.low, axis.high) if isinstance(axis, Range) else axis for name, axis in own.items()}
        first = {**system, **{name: some[0] for name, some in values.items()}}
        others = [{**first, name: value} for name, some in values.items() for value in some[1:]]
        for choice in (first, *others):
            yield from list(arm(made, choice).recipes.values())[:1]


def unlike(recipes: Sequence[Recipe]) -> str:
    """Why no one number tells which of them is the better one; empty where one does."""
    best = {recipe.plan.best == "score" for recipe in recipes}
    if len(best) > 1:
        return "`plan.best` is `score` in some arms only, so that some have a score to go by and others a loss"
    if best == {True}:
        return ""
    trees = [settings.dump(recipe) for recipe in recipes]
    other_rows = len({repr(tree.get("tasks")) for tree in trees}) > 1
    if name := differing(trees) or ("tasks" if other_rows else ""):
        return f"`{name}` is varied, so that validation losses measure different things"
    networks = {recipe.model.path: recipe.model for recipe in recipes}
    spelled = [load_renderer(source)[0].tokenizer.get_vocab() for source in networks.values()] if len(networks) > 1 else []
    if any(words != spelled[0] for words in spelled):
        return "the networks have unlike tokenizers, so that validation losses are of other tokens"
    return ""
