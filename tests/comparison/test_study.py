"""What a study says, from run folders made by hand."""

import json
from math import nan

import numpy as np
import pytest

from tunesmith.comparison.axes import grouped, number_axes
from tunesmith.comparison.choosing import cost, kept
from tunesmith.comparison.plots import write_plots
from tunesmith.comparison.study import Tried, over_seeds, study
from tunesmith.comparison.study_page import command, markdown, page, plain, terminal_table, verdict, write_study
from tunesmith.comparison.study_panels import apart, groups
from tunesmith.errors import UserError
from tunesmith.run import Answer, Run, Score

EXAMPLES = 40


def run(folder, worth, loss, answered=True):
    """A run with this worth of each answer, and this lowest validation loss."""
    made = Run(folder)
    made.keep_recipe({"method": {"kind": "lora"}})
    for step, more in ((0, 2.0), (5, 0.0), (10, 0.1)):
        made.log({"step": step, "loss": loss + more}, "validation")
        made.log({"step": step, "loss": loss + more, "seconds": 0.5})
    if answered:
        answers = [Answer(f"e{n}", "p", "s", "t", stats={"exact_match": (float(one),)}) for n, one in enumerate(worth)]
        made.keep("town/stars", answers)
        made.keep_scores("town/stars", {"exact_match": Score(float(np.mean(worth)), len(worth))})
    made.keep_world(system=folder.name, main_task="town/stars", trained_parameters=7)
    return made


def ranks(folder, worths, losses=None, scales=None, setting="method.rank"):
    """An arm a rank: rank -> the worth of its answers for every seed."""
    return [
        Tried(
            f"rank {rank}",
            {setting: rank},
            {
                seed: run(folder / f"{rank}-{seed}", worth, (losses or {}).get(rank, 1.0) + seed)
                for seed, worth in enumerate(seeds)
            },
            scale=(scales or {}).get(rank),
        )
        for rank, seeds in worths.items()
    ]


def share(right):
    """So many of the answers are right: the first ones, so that arms are paired."""
    return [1.0] * right + [0.0] * (EXAMPLES - right)


def test_the_plateau_begins_at_the_smallest_rank_that_cannot_be_told_from_the_best(tmp_path):
    """By hand: 39 against 40 right is one answer, which a draw leaves out more often than one time in forty; 20 is not."""
    tried = ranks(tmp_path, {2: [share(10)], 4: [share(39)], 8: [share(40)], 16: [share(39)]})
    made = study("s", tried, ["method.rank"])
    [plateau] = made.plateaus
    assert (plateau.arm, plateau.best) == ("rank 4", "rank 8")
    assert plateau.behind.value == pytest.approx(1 / EXAMPLES)
    assert plateau.behind.low == 0
    assert [arm.level for arm in made.arms] == [False, True, True, True]
    assert made.top == "rank 8"
    assert "From rank 4 on, exact match cannot be told from the best (rank 8)" in verdict(made)


def test_a_rank_that_all_smaller_ones_fall_behind_begins_the_plateau_itself(tmp_path):
    made = study("s", ranks(tmp_path, {2: [share(5)], 4: [share(20)], 8: [share(40)]}), ["method.rank"])
    assert made.plateaus[0].arm == "rank 8"
    assert "Rank 8 has the best exact match, and every smaller rank tried is worse" in verdict(made)
    made = study("s", ranks(tmp_path / "b", {2: [share(40)], 4: [share(5)]}), ["method.rank"])
    assert "no smaller rank was tried" in verdict(made)


def test_what_lies_above_the_plateau_is_told(tmp_path):
    """A worse value parts it: what is level beyond one is no part of it."""
    tried = ranks(tmp_path / "a", {2: [share(39)], 4: [share(40)], 8: [share(39)], 16: [share(10)], 32: [share(5)]})
    made = study("s", tried, ["method.rank"])
    assert (made.plateaus[0].arm, made.plateaus[0].until, made.plateaus[0].beyond) == ("rank 2", "rank 8", "worse")
    assert "From rank 2 to 8, exact match cannot be told from the best (rank 4); above rank 8 it is worse" in verdict(made)
    tried = ranks(tmp_path / "b", {2: [share(39)], 4: [share(10)], 8: [share(40)], 16: [share(10)], 32: [share(39)]})
    made = study("s", tried, ["method.rank"])
    assert (made.plateaus[0].arm, made.plateaus[0].until) == ("rank 8", "rank 8")
    assert "above rank 8 that does not hold" in verdict(made)
    [failed] = ranks(tmp_path / "c", {16: [share(39)]})
    part = Tried(failed.name, failed.values, failed.runs, failed=["out of memory"])
    made = study("s", [*ranks(tmp_path / "d", {2: [share(39)], 4: [share(40)]}), part], ["method.rank"])
    assert made.plateaus[0].beyond == "not known"
    assert "From rank 2 to 4, exact match cannot be told from the best (rank 4); not every larger rank came" in verdict(made)


def test_an_arm_with_a_failed_seed_is_not_the_one_to_take(tmp_path):
    """Its other seed may have been the lucky one."""
    whole, lucky = ranks(tmp_path, {2: [share(20), share(20)], 4: [share(40), share(40)]}, {2: 2.0, 4: 1.0})
    half = Tried(lucky.name, lucky.values, {0: lucky.runs[0]}, failed=["out of memory"])
    made = study("s", [whole, half], ["method.rank"])
    assert (made.best, made.top, made.plateaus) == ("rank 2", "rank 2", ())
    assert made.arm("rank 4").behind is None and not made.arm("rank 4").level
    assert "rank 4 failed, so these arms are not chosen among: out of memory" in " ".join(made.warnings)
    assert "some seeds failed" in markdown(made)
    alone = study("s", [half], ["method.rank"])
    assert alone.best == "rank 4", "where no arm is whole there is no other"


def told(run, recipe, records):
    """A run with other validations: (step, loss, score)."""
    run.keep_recipe(recipe)
    (run.folder / "validation.jsonl").unlink()
    for step, loss, score in records:
        run.log({"step": step, "loss": loss, "tokens": 40, **({"score": score} if score is not None else {})}, "validation")


@pytest.mark.parametrize(("best", "first", "second"), [("loss", 0.5, 0.9), ("last", 3.0, 0.9), ("score", 0.7, 0.95)])
def test_the_loss_is_that_of_the_weights_that_are_kept(tmp_path, best, first, second):
    tried = ranks(tmp_path, {2: [share(9)], 4: [share(9)]})
    for one, records in zip(
        tried, ([(0, 0.5, 0.1), (5, 0.7, 0.3), (10, 3.0, 0.2)], [(0, 1.0, 0.1), (5, 0.95, 0.4), (10, 0.9, 0.2)]), strict=True
    ):
        told(one.runs[0], {"plan": {"best": best}}, records)
    made = study("s", tried, ["method.rank"])
    assert [arm.validation.value for arm in made.arms] == [first, second]
    assert made.best == ("rank 2" if best == "loss" else "rank 4")
    assert made.chosen == ("score" if best == "score" else "loss")
    assert ("Every run of rank 2 kept the weights that it began with" in " ".join(made.warnings)) == (best == "loss")
    assert ("has the best score on the validation examples, 0.400" in verdict(made)) == (best == "score")
    tried[0].runs[0].keep_world(best_step=5)
    assert kept(tried[0].runs[0])["step"] == 5, "what the run itself says of it"
    assert cost(tried[0].runs[0], 5) == {"loss": 0.5, "last": 0.7, "score": -0.3}[best]


@pytest.mark.parametrize(
    ("recipes", "tokens", "said"),
    [
        (
            [{"objective": {"kind": "dpo", "beta": 0.1}}, {"objective": {"kind": "dpo", "beta": 0.5}}],
            (40, 40),
            "objective differs",
        ),
        ([{"ask": {"tokens": 3}}, {"ask": {"tokens": 4}}], (40, 40), "ask differs"),
        ([{}, {}], (40, 50), "other tokens"),
        ([{"objective": {"pooling": "mean"}}, {"objective": {"pooling": "last"}}], (1000, 1004), ""),
    ],
)
def test_losses_that_measure_different_things_choose_no_arm(tmp_path, recipes, tokens, said):
    tried = ranks(tmp_path, {2: [share(9)], 4: [share(30)]})
    for one, recipe, count in zip(tried, recipes, tokens, strict=True):
        one.runs[0].keep_recipe(recipe)
        (one.runs[0].folder / "validation.jsonl").unlink()
        one.runs[0].log({"step": 0, "loss": 1.0, "tokens": count}, "validation")
    made = study("s", tried, ["method.on"])
    assert (made.best is None) == bool(said) and said in " ".join(made.warnings)
    if said:
        assert verdict(made) == "rank 4 has the best exact match on the test examples, 0.750; every other arm is worse."
        assert (
            "The arm to take" not in page(made, tmp_path)
            and "lowest loss" not in page(made, tmp_path)
            and "plan.best: score" in markdown(made)
        )


def test_ranks_that_were_dropped_are_not_called_worse(tmp_path):
    """Halving asks only those that reach the end."""
    [small] = ranks(tmp_path / "a", {2: [share(40)]})
    [large] = ranks(tmp_path / "b", {4: [share(30)]})
    dropped = Tried(small.name, small.values, {0: run(tmp_path / "c", share(40), 2.0, answered=False)}, share=0.5)
    told = verdict(study("s", [dropped, large], ["method.rank"]))
    assert "of those that were asked; smaller ones did not come to the end" in told and "worse" not in told


def test_seeds_widen_an_interval(tmp_path):
    """The same mean, once of seeds that agree and once of seeds that do not."""
    agreed = study("s", ranks(tmp_path / "a", {2: [share(20)] * 3, 4: [share(30)] * 3}), ["method.rank"])
    apart = study("s", ranks(tmp_path / "b", {2: [share(20)] * 3, 4: [share(20), share(30), share(40)]}), ["method.rank"])
    assert not agreed.arm("rank 2").level
    assert apart.arm("rank 4").scores["exact_match"].value == pytest.approx(30 / EXAMPLES)
    wide, narrow = (made.arm("rank 4").scores["exact_match"] for made in (apart, agreed))
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_draws_over_seeds_are_means_of_drawn_seeds():
    resampled_SQ = np.array([[0.0] * 4000, [1.0] * 4000])
    drawn_Q = over_seeds(resampled_SQ, 0)
    assert set(drawn_Q) == {0.0, 0.5, 1.0}
    assert drawn_Q.mean() == pytest.approx(0.5, abs=0.03)
    assert (drawn_Q == over_seeds(resampled_SQ, 0)).all()
    assert (over_seeds(resampled_SQ[:1], 3) == 0).all()


def test_validation_is_the_mean_over_seeds_of_the_lowest(tmp_path):
    made = study("s", ranks(tmp_path, {2: [share(9), share(9)], 4: [share(9), share(9)]}, {2: 3.0, 4: 2.0}), ["method.rank"])
    four = made.arm("rank 4")
    assert (four.validation.value, four.validation.low, four.validation.high) == (2.5, 2.0, 3.0)
    assert made.best == "rank 4"
    assert four.seconds == 1.5


def test_how_the_scale_moved_is_said(tmp_path):
    worths = {2: [share(9)], 8: [share(9)]}
    for number, (scales, said, warned) in enumerate(
        (
            ({2: 2.0, 8: 2.0}, "alpha / rank is held at 2 for every rank", False),
            ({2: 4.0, 8: 2.0}, "Rank-stabilised: the sum is scaled by 5.65685 / sqrt(rank)", False),
            ({2: 8.0, 8: 2.0}, "", True),
            ({}, "", False),
        )
    ):
        made = study("s", ranks(tmp_path / str(number), worths, scales=scales), ["method.rank"])
        assert said in made.scaling
        assert any("8 at rank 2, 2 at rank 8" in text for text in made.warnings) == warned


def test_arms_of_two_settings_have_a_plateau_for_each_value_of_the_other(tmp_path):
    tried = []
    for rate, right in ((1, 40), (2, 20)):
        arms = ranks(tmp_path / str(rate), {2: [share(right - 15)], 4: [share(right)]})
        tried += [Tried(f"rate {rate}, {one.name}", {"plan.learning_rate": rate, **one.values}, one.runs) for one in arms]
    made = study("s", tried, ["plan.learning_rate", "method.rank"])
    assert [(plateau.where, plateau.arm) for plateau in made.plateaus] == [
        ("learning_rate 1", "rate 1, rank 4"),
        ("learning_rate 2", "rate 2, rank 4"),
    ]
    assert number_axes(made.arms, made.settings) == ["method.rank", "plan.learning_rate"]
    assert list(grouped(made.arms, "method.rank").values()) == [[0, 1], [2, 3]]
    assert verdict(made).startswith("rate 1, rank 2 has the lowest validation loss")


def test_arms_that_halving_dropped_are_not_held_against_those_that_went_on(tmp_path):
    low = run(tmp_path / "low", [], 0.5, answered=False)
    tried = [
        Tried("a", {"seeds": "x"}, {0: low}, share=0.25),
        Tried("b", {"seeds": "y"}, {0: run(tmp_path / "b", share(4), 2.0)}),
        Tried("c", {"seeds": "z"}, {}, failed=["training diverged at step 3"]),
    ]
    made = study("s", tried, ["seeds"])
    assert made.best == made.top == "b"
    assert [arm.name for arm in made.arms if arm.scores] == ["b"]
    assert made.arms[2].validation.value != made.arms[2].validation.value
    assert "training diverged at step 3" in made.warnings[-1]
    for text in (markdown(made), page(made, tmp_path)):
        assert "then dropped" in text
        assert "failed" in text
    json.dumps(plain(made), allow_nan=False)
    assert command(made, tmp_path) == f"tunesmith compare {tmp_path / 'b'}"
    assert command(study("s", tried[1:2], []), tmp_path) == f"tunesmith compare {tmp_path}"


def test_nothing_to_say_is_an_error(tmp_path):
    bare = Run(tmp_path / "bare")
    bare.keep_recipe({})
    with pytest.raises(UserError, match="no run of the study"):
        study("s", [Tried("a", {}, {0: bare})], [])


def test_what_is_written_escapes_names(tmp_path):
    from rich.console import Console

    tried = [Tried("<b>a</b>", {"x.y": "a"}, {0: run(tmp_path / "a", share(4), 2.0)})]
    tried.append(Tried("b | c", {"x.y": "b"}, {0: run(tmp_path / "b", share(8), nan)}))
    made = study("s", tried, ["x.y"])
    path = write_study(made, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "<b>a</b>" not in text
    assert "&lt;b&gt;a" in text
    assert "src=" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace('http-equiv="Content', "")
    assert "b \\| c" in (tmp_path / "report.md").read_text(encoding="utf-8")
    console = Console(width=120, record=True)
    console.print(terminal_table(made))
    assert "<b>a</b>" in console.export_text()


def test_lines_are_named_by_what_tells_them_apart():
    assert apart(["learning_rate 0.000253", "learning_rate 3.613e-05"]) == ["0.000253", "3.613e-05"]
    assert apart(["lora, rank 4, stack both", "dora, rank 8, stack both"]) == ["lora, 4", "dora, 8"]
    assert apart(["lora, rank 4", "base"]) == ["lora, rank 4", "base"]
    assert apart(["all seeds"]) == ["all seeds"]


def test_plots_stand_along_the_rank_or_arm_by_arm(tmp_path):
    made = study("s", ranks(tmp_path, {rank: [share(9), share(12)] for rank in (2, 4, 64)}), ["method.rank"])
    found = groups(made)
    assert [panel.title for panel in found["quality"]] == ["Validation loss", "exact match"]
    assert {path.name for path in write_plots(found, tmp_path / "plots")} >= {"quality.svg", "quality.png", "learning.png"}
    assert found["quality"][1].frame.x_name == "rank"
    named = study("s", ranks(tmp_path / "b", {"one": [share(9)], "two": [share(3)]}, setting="method.on"), ["method.on"])
    assert groups(named)["quality"][1].frame.row_names
