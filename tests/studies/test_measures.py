"""Arms that no one number can rank are refused to searches, before anything runs."""

import pytest

from tests.studies.test_study import TREE
from tests.tiny import rows, tiny_model
from tunesmith.errors import UserError
from tunesmith.studies.grid import space
from tunesmith.studies.measures import refuse_unlike

WEIGHED = {"kind": "sft", "prompt_weight": 1.0}
SYSTEMS = {"base": {"method": "none", "ask": {"shots": 2}}, "one": {"method": "full"}, "two": {"method": {"kind": "lora"}}}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measures")
    for name, kind in {"model": "t5", "same": "t5", "other": "bert"}.items():
        tiny_model(folder / name, kind)
    rows(folder / "sums.jsonl")
    return folder


@pytest.mark.parametrize(
    ("tree", "given", "said"),
    [
        ({}, ["method.rank=2,4"], ""),
        ({}, ["plan.learning_rate=1e-4..1e-2:log", "method.rank=2..8"], ""),
        ({}, ["model.path=model,same"], ""),
        ({}, ["model.path=model,other"], "unlike tokenizers"),
        ({}, ["model.path=model,other", "plan.best=score"], ""),
        ({}, ["ask.tokens=2,4"], "`ask` is varied"),
        ({}, ["ask.tokens=2,4", "plan.best=score"], ""),
        ({}, ["plan.best=loss,score"], "`score` in some arms only"),
        ({"systems": SYSTEMS}, [], ""),
        ({"systems": {**SYSTEMS, "three": {"method": "full", "objective": WEIGHED}}}, [], "`objective` is varied"),
        ({"systems": {**SYSTEMS, "three": {"method": "full", "plan": {"best": "score"}}}}, [], "`score` in some arms only"),
        ({"systems": SYSTEMS}, ["systems.two.method.rank=2,4"], ""),
    ],
)
def test_what_losses_cannot_rank(home, monkeypatch, tree, given, said):
    monkeypatch.chdir(home)
    own = {**TREE, **tree}
    if "systems" in tree:
        del own["method"]
    made = space(own, given)
    if said:
        with pytest.raises(UserError, match=said):
            refuse_unlike(made)
    else:
        refuse_unlike(made)
