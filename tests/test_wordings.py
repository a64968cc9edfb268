"""`tunesmith list templates`."""

import json

import pytest

from tunesmith.cli import main
from tunesmith.data.template import families
from tunesmith.wordings import begins, listed_templates


def test_all_that_come_along_and_those_of_a_task() -> None:
    assert list(listed_templates()) == families()
    found = listed_templates("town/question")["town/question"]
    assert [one.name for one in found][-1] == "ask" and found[-1].marks == ("inverted",)
    assert found[0].columns == ("answer", "passage", "question")
    assert found[0].begins == "{{passage}} / Question: {{question}} / Answer: ||| {{answer}}"
    assert begins("{% if x %}\n  a\n\n b ||| c{% endif %}") == "a / b ||| c"


def test_the_command_prints_lines_and_json(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text('templates: {one: {jinja: "[bold]{{a}} ||| {{b}}", metadata: {original_task: false, languages: [de]}}}')
    main(["list", "templates", str(path)])
    said = capsys.readouterr().out
    assert "one   a, b · not the original task · de" in said and "[bold]{{a}}" in said
    main(["list", "templates", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)[str(path)][0]["columns"] == ["a", "b"]


def test_a_file_belongs_to_templates_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "methods", "mine.yaml"])
    assert "belongs to `list templates`" in capsys.readouterr().err
