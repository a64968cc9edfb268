"""`tunesmith data check` as a person gives it: what is read, said, written, and refused."""

import json
import subprocess
import sys

import pytest

import tunesmith
from tunesmith import cli
from tunesmith.errors import UserError

LONG = "The ferry leaves the small harbour at seven in the morning and comes back when the lamps are lit"
ROWS = [
    {"id": "a", "question": "When does the ferry leave?", "answer": "At seven", "source": {"page": 1}},
    {"id": "b", "question": "When does  the FERRY leave?", "answer": "at seven", "source": {"page": 2}},
    {"id": "c", "question": "Whom do I ask?", "answer": "Write to ann.lee@mail.org", "source": None},
    {"id": "d", "question": "What is lit?", "answer": "", "source": 4},
    {"id": "e", "question": f"{LONG}. Is that so?", "answer": "Yes", "source": 5},
    {"id": "f", "question": "How far is the island?", "answer": "Three miles", "source": 6},
]


def write(path, rows, between=""):
    path.write_text("".join(f"{json.dumps(row)}\n{between}" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.jsonl", ROWS)
    write(
        tmp_path / "judged.jsonl", [{"question": f"{LONG}! Is that so?", "answer": "No"}, {"question": "Other?", "answer": "x"}]
    )
    return tmp_path


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_command_reports_and_changes_nothing(here, capsys):
    cli.main(["data", "check", "rows.jsonl", "--against", "judged.jsonl", "--no-open"])
    out, err = capsys.readouterr()
    assert "contamination" in out and "`rows.jsonl` line 5" in out and "`judged.jsonl` line 1" in out
    assert "ann.lee" not in out and "[e-mail address]" in out
    assert "reading rows" in err
    assert sorted(path.name for path in here.iterdir()) == ["checks", "judged.jsonl", "rows.jsonl"]
    page = (here / "checks" / "rows" / "check.html").read_text(encoding="utf-8")
    assert "ann.lee" not in page and "http" not in page.replace("http-equiv", "")
    made = json.loads((here / "checks" / "rows" / "check.json").read_text(encoding="utf-8"))
    found = {one["name"]: one for one in made["findings"]}
    assert made["dropped"] == 3 and made["evaluations"] == [{"name": "judged", "rows": 2}]
    assert found["exact_duplicates"]["hits"][0]["why"] == "the same question and answer as `rows.jsonl` line 1"
    assert found["contamination"]["hits"][0]["id"] == "e"


def test_a_cleaned_file_keeps_columns_and_says_what_went(here):
    checked = tunesmith.check_data("rows.jsonl", against=["judged.jsonl"], clean="clean.jsonl")
    assert lines(here / "clean.jsonl") == [ROWS[0], ROWS[2], ROWS[5]]
    gone = lines(here / "clean.dropped.jsonl")
    assert [one["row"] for one in gone] == [ROWS[1], ROWS[3], ROWS[4]]
    assert [one["place"] for one in gone] == [f"`rows.jsonl` line {line}" for line in (2, 4, 5)]
    assert [[reason["finding"] for reason in one["reasons"]] for one in gone] == [
        ["exact_duplicates"],
        ["empty"],
        ["contamination"],
    ]
    assert checked.clean is not None and checked.clean.name == "clean.jsonl"
    assert not tunesmith.check_data("clean.jsonl", against=["judged.jsonl"]).dropped
    with pytest.raises(UserError, match="there already"):
        tunesmith.check_data("rows.jsonl", clean="clean.jsonl")


def test_what_goes_and_what_is_looked_for_is_a_setting(here):
    names = [found.name for found in tunesmith.check_data("rows.jsonl", only=["empty", "lengths"]).found]
    assert names == ["empty", "lengths"]
    assert "languages" not in [found.name for found in tunesmith.check_data("rows.jsonl", skip=["languages"]).found]
    checked = tunesmith.check_data("rows.jsonl", drop=["personal_data"])
    assert [checked.records[number].id for number in checked.dropped] == ["c"]
    assert not tunesmith.check_data("rows.jsonl", drop=[]).dropped
    with pytest.raises(UserError, match=r"0\.1"):
        tunesmith.check_data("rows.jsonl", overrides=["near_duplicates.threshold=0.1"])


def test_lines_are_those_of_the_file(here):
    write(here / "gaps.jsonl", ROWS, between="\n")
    found = tunesmith.check_data("gaps.jsonl", only=["empty"])
    assert str(found.place(found.found[0].hits[0].number)) == "`gaps.jsonl` line 7"
    (here / "rows.csv").write_text('question,answer\n"a\nb",yes\nc,\n', encoding="utf-8")
    found = tunesmith.check_data("rows.csv", only=["empty"])
    assert str(found.place(found.found[0].hits[0].number)) == "`rows.csv` line 4"


def test_its_own_splits_are_held_against_the_training_rows(here):
    folder = here / "own"
    folder.mkdir()
    write(folder / "train.jsonl", ROWS)
    write(folder / "test.jsonl", [ROWS[5], ROWS[0]])
    checked = tunesmith.check_data("own", only=["contamination"])
    assert [checked.records[hit.number].id for hit in checked.found[0].hits] == ["a", "b", "f"]
    assert checked.found[0].table.rows[0][:5] == ("own test", 2, 0, 0, 2)


def test_a_task_of_the_town_and_a_benchmark(here, rows):
    checked = tunesmith.check_data("town/question", skip=["languages"])
    assert [one.name for one in checked.evaluations] == ["town/question validation", "town/question test"]
    judged = tunesmith.check_data("rows.jsonl", against=["glue/cola"], only=["contamination"])
    assert judged.evaluations[0].name.startswith("glue/cola")


def test_a_recipe_is_held_against_all_that_judges_it(here):
    write(here / "forgot.jsonl", [ROWS[5]])
    (here / "recipe.yaml").write_text(
        "tasks: {rows.jsonl: {splits: {train: rows.jsonl, test: judged.jsonl}}}\n"
        "forgetting: [{data: forgot.jsonl, splits: {test: forgot.jsonl}}]\n"
    )
    checked = tunesmith.check_data("recipe.yaml", only=["contamination"])
    assert {one.name for one in checked.evaluations} >= {"rows test", "forgot test"}
    assert {checked.records[hit.number].id for hit in checked.found[0].hits} == {"e", "f"}
    assert str(checked.place(checked.found[0].hits[0].number)).startswith("`rows.jsonl` line ")
    with pytest.raises(UserError, match="several tasks"):
        tunesmith.check_data("recipe.yaml", clean="clean.jsonl")


def test_a_row_that_does_not_fit_is_named(here):
    rows = [*ROWS, {"question": "Where?"}] + [{"question": f"What is {number}?", "answer": "x"} for number in range(453)]
    rows[6], rows[451] = rows[451], rows[6]  # none of the rows by which the task is known
    write(here / "odd.jsonl", rows)
    with pytest.raises(UserError, match=r"`odd\.jsonl` line 452.*answer"):
        tunesmith.check_data("odd.jsonl", template="{{question}} ||| {{answer}}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data check", "required"),
        ("data chek rows.jsonl", "chek"),
        ("data check nowhere.jsonl", "nowhere.jsonl"),
        ("data check rows.jsonl judged.jsonl", "give one"),
        ("data check rows.jsonl --against rows.jsonl", "against itself"),
        ("data check rows.jsonl --only empti", "did you mean `empty`"),
        ("data check rows.jsonl --drop langages", "did you mean `languages`"),
        ("data check rows.jsonl empty.lenght=3", "lenght"),
        ("data check rows.jsonl near_duplicate.threshold=0.9", "did you mean `near_duplicates`"),
        ("data check rows.jsonl --clean rows.csv", "JSON lines"),
        ("data check rows.jsonl --clean rows.jsonl", "there already"),
        ("data check rows.jsonl --skip empty --drop empty", "leave it out"),
    ],
)
def test_mistakes_are_told_in_words(here, capsys, words, said):
    with pytest.raises(SystemExit):
        cli.main(words.split())
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told


def test_json_is_all_that_stands_on_standard_output(here, capsys):
    cli.main(["data", "check", "rows.jsonl", "--json"])
    assert json.loads(capsys.readouterr().out)["rows"] == 6


def test_rows_are_checked_without_torch(here):
    code = (
        "import sys\nsys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import tunesmith\nprint(len(tunesmith.check_data('rows.jsonl', against=['judged.jsonl']).dropped))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "3", found.stderr


def test_real_rows(shared, here):
    """What is known of published data: three dialogues of DialogSum's validation set are questions of its test set."""
    folder = shared("data/dialogsum")
    judged = folder / "dialogsum_test.csv"
    checked = tunesmith.check_data(folder / "dialogsum_validation.csv", against=[str(judged)], only=["contamination"])
    assert checked.found[0].rows > 0
