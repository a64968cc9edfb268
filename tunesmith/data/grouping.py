"""Clusters of tasks by file: which data set belongs to which, and which are left out together.

    # my-clusters.yaml
    data_sets:
      reviews: sentiment
      stories: [reading, common_sense]    # left out with both
    left_out_with:
      entailment: [paraphrase]            # when entailment is judged, paraphrase is not learnt from either

`clusters/flan.yaml` and `clusters/t0.yaml` come along.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tunesmith.errors import UserError, did_you_mean

SECTIONS = ("data_sets", "left_out_with")


@dataclass(frozen=True)
class Grouping:
    """Clusters of data sets.

    data_sets:     data set -> its clusters, in a plain spelling (`plain`).
    left_out_with: cluster that is judged -> further clusters that are not learnt from.
    """

    data_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, task: str) -> tuple[str, ...]:
        """The clusters of a task, empty where the file does not know it.

        A task belongs to the data set with the longest name that is the task's own (`wsc`), its end after a stroke
        (`superglue/wsc`), or how either begins before an underscore (`glue_mrpc_same_thing`).
        """
        names = plain(task).split("/")
        ends = ["_".join(names[place:]) for place in range(len(names))]
        found = [one for one in self.data_sets if any(end == one or end.startswith(f"{one}_") for end in ends)]
        return self.data_sets[max(found, key=len)] if found else ()

    def away(self, cluster: str) -> tuple[str, ...]:
        """What is not learnt from when a cluster is judged: itself first."""
        return tuple(dict.fromkeys((cluster, *self.left_out_with.get(cluster, ()))))


def plain(name: str) -> str:
    """`SuperGLUE/WSC.fixed` -> `superglue/wsc_fixed`: neither case nor punctuation tells data sets apart."""
    return re.sub(r"[^a-z0-9/]+", "_", name.casefold()).strip("_")


def shipped() -> list[str]:
    """Names of the files that come along."""
    return sorted(file.name.removesuffix(".yaml") for file in (files("tunesmith.data") / "clusters").iterdir())


def grouping(name: str | None) -> Grouping:
    """The clusters in a file: a path, or the name of one that comes along; None: nothing is known of any data set.

    Raises:
        UserError: there is no such file, or it is laid out in another way.
    """
    if name is None:
        return Grouping()
    path = Path(name).expanduser()
    if name in shipped():
        text = (files("tunesmith.data") / "clusters" / f"{name}.yaml").read_text(encoding="utf-8")
    elif path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        raise UserError(f"there are no clusters `{name}`", did_you_mean(name, shipped()) + ", or name a YAML file of your own")
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"`{name}` is not YAML: {error}", "look at the line it names") from None
    if not isinstance(tree, Mapping) or not isinstance(tree.get("data_sets"), Mapping):
        raise UserError(f"`{name}` has no `data_sets`", "write `data_sets:`, and below it lines such as `reviews: sentiment`")
    for section in tree:
        if section not in SECTIONS:
            raise UserError(f"`{name}` has a section `{section}`", did_you_mean(str(section), SECTIONS))
    together = tree.get("left_out_with") or {}
    made = Grouping(
        {plain(str(one)): _words(name, f"data_sets.{one}", told) for one, told in tree["data_sets"].items()},
        {str(one): _words(name, f"left_out_with.{one}", told) for one, told in together.items()},
    )
    known = {cluster for told in made.data_sets.values() for cluster in told}
    for cluster, others in made.left_out_with.items():
        for one in (cluster, *others):
            if one not in known:
                raise UserError(f"`{name}`: no data set is of the cluster `{one}`", did_you_mean(one, sorted(known)))
    return made


def _words(file: str, where: str, told: Any) -> tuple[str, ...]:
    listed: Sequence[Any] = [told] if isinstance(told, str) else told if isinstance(told, Sequence) else ()
    if not listed or not all(isinstance(one, str) and one for one in listed):
        raise UserError(f"`{file}`: `{where}` is `{told}`, expected a cluster, or a list of them", "write `reviews: sentiment`")
    return tuple(dict.fromkeys(listed))
