"""Whether the networks of several recipes are there, and whether each has a place for what is trained: told before any runs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from tunesmith.errors import UserError
from tunesmith.methods.method import Method
from tunesmith.models.adapter import Adapter, refuse_unmet
from tunesmith.models.footprint import imagined, network_of
from tunesmith.models.head import Head, HeadPlan
from tunesmith.models.load import ModelSettings, adapter_of, dtype_of, load_config, load_renderer
from tunesmith.objectives.objective import Objective
from tunesmith.recipe import Recipe


def refuse_unattachable(recipes: Iterable[Recipe]) -> None:
    """Look at each network's config, once a network and method, and attach the method to the network without numbers.

    No weights are read and no random number is drawn. What cannot be seen without weights is left to the run: a method on top
    of an adapter, whose places are that one's, and networks that bring code of their own.

    Raises:
        UserError: a network is not there, or does not have a place that the method names, or nothing that it trains.
    """
    looked = {repr((one.model, one.method, headed(one))): one for one in recipes}
    for recipe in looked.values():
        attach(recipe.model, recipe.method, headed(recipe))


def headed(recipe: Recipe) -> bool:
    """Whether a head is trained with any method."""
    return type(recipe.objective).head is not Objective.head


@contextmanager
def only_what_a_user_can_mend() -> Iterator[None]:
    """Whatever else fails here, of a library or over tensors without numbers, says nothing of how the run will go."""
    try:
        yield
    except UserError:
        raise
    except Exception:
        pass  # the run finds out


def attach(source: ModelSettings, method: Method | str, head: bool) -> None:
    """Refuse a network that is not there, and a method that finds no place in it. head: whether one is trained beside it."""
    with torch.random.fork_rng(devices=[]), only_what_a_user_can_mend():
        config, family = load_config(source)
        if isinstance(method, str) or source.trust_remote_code or adapter_of(source.path) is not None:
            return

        def spell(text: str) -> Sequence[int]:
            return load_renderer(source)[0].spell(text)

        with imagined():
            network = network_of(config, family, dtype_of(source.dtype, config, "cpu"))
            refuse_unmet(method, network)
            Adapter(method, network, Head(HeadPlan("value"), 1) if head else None, spell)
