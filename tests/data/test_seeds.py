"""Seeds from every layout of rows; what is none is told with its line."""

import json

import pytest

from tunesmith.data.seeds import Instance, Seed, hash_of, read_seeds
from tunesmith.errors import UserError


def written(tmp_path, *rows):
    file = tmp_path / "seeds.jsonl"
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def test_seeds_of_alpaca(shared):
    seeds = read_seeds(str(shared("data/alpaca_seed/seed_tasks.jsonl")))
    assert len(seeds) == 175 and sum(bool(seed.classification) for seed in seeds) == 26
    assert seeds[1] == Seed(
        "seed_task_1",
        "What is the relation between the given pairs?",
        (Instance("Night : Day :: Right : Left", "The relation between the given pairs is that they are opposites."),),
        False,
    )


@pytest.mark.parametrize(
    ("row", "instruction", "instance"),
    [
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, "Add.", Instance("1 2", "3")),
        ({"instruction": "Add.", "context": "1 2", "response": "3"}, "Add.", Instance("1 2", "3")),
        ({"prompt": "Add 1 and 2.", "completion": "3"}, "Add 1 and 2.", Instance("", "3")),
        (
            {
                "messages": [
                    {"role": role, "content": text} for role, text in (("system", "S"), ("user", "Add."), ("assistant", "3"))
                ]
            },
            "Add.",
            Instance("", "3"),
        ),
        (
            {"conversations": [{"from": who, "value": text} for who, text in zip(["human", "gpt"] * 2, "ABCD", strict=True)]},
            "A",
            Instance("", "B"),
        ),
    ],
)
def test_layouts(tmp_path, row, instruction, instance):
    [seed] = read_seeds(written(tmp_path, row))
    assert (seed.id, seed.instruction, seed.instances, seed.classification) == ("seed-0", instruction, (instance,), None)


def test_a_wording_puts_other_columns(tmp_path):
    [seed] = read_seeds(written(tmp_path, {"q": "Why?", "a": "So."}), "{{q}} ||| {{a}}")
    assert seed.instruction == "Why?" and seed.instances == (Instance("", "So."),)


def test_rows_of_one_instruction_are_one_seed(tmp_path):
    rows = [{"instruction": "Add.", "input": one, "output": two} for one, two in (("1 2", "3"), ("2 2", "4"), ("1 2", "3"))]
    [seed] = read_seeds(written(tmp_path, *rows))
    assert seed.instances == (Instance("1 2", "3"), Instance("2 2", "4"))


def test_ids_are_unique_and_the_hash_is_of_all(tmp_path):
    rows = [{"id": "x", "instruction": text, "output": "o"} for text in ("Sing.", "Add.")]
    seeds = read_seeds(written(tmp_path, *rows))
    assert [seed.id for seed in seeds] == ["x", "x-1"]
    rows[1]["output"] = "other"
    assert hash_of(seeds) != hash_of(read_seeds(written(tmp_path, *rows)))


GOOD = {"instruction": "Add.", "output": "3"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"instruction": "", "output": "x"}, "`instruction` is empty"),
        ({"instruction": "Add.", "output": ""}, "`output` is empty"),
        ({"instruction": "Add.", "instances": []}, "`instances` is no list"),
        ({"instruction": "Add.", "instances": [{"input": "1"}]}, r"`instances\[0\]` lacks an `output`"),
        ({"instances": [{"output": "1"}]}, "`instruction` is"),
        ({"text": "a story"}, "no prompt"),
        ({"prompt": "x", "completion": " "}, "the output is empty"),
        ({"colour": "red"}, "no wording fits"),
    ],
)
def test_rows_that_are_no_seeds(tmp_path, row, told):
    with pytest.raises(UserError, match=rf"seeds.jsonl` line 4: .*{told}"):
        read_seeds(written(tmp_path, GOOD, "", "", row))


def test_an_empty_file(tmp_path):
    with pytest.raises(UserError, match="no seeds"):
        read_seeds(written(tmp_path, ""))
