"""P3's public renderings (Sanh et al., 2022) are an oracle: made by other people's code from the same templates.

The rows of a data set are read back out of the renderings of one of its templates, and put into every other template; that must
give the other template's file, byte for byte. P3 cut columns at 2,048 letters before rendering, and the files end a prompt with
a line feed and an answer with `<|endoftext|>`; nothing else differs.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.schemas import Row
from tunesmith.data.jinja import BAR, ENVIRONMENT
from tunesmith.data.template import Template, load_templates
from tunesmith.data.usable import is_empty

END = "<|endoftext|>"
SETS = {"ag_news": "classify", "glue/mrpc": "want to know", "glue/qqp": "meaning", "xsum": "article_DOC_summary"}
# the template out of whose renderings the rows are read; the files of each set, and their renderings
FILES = {"ag_news": (7, 1400), "glue/mrpc": (7, 1284), "glue/qqp": (6, 1200), "xsum": (10, 2000)}


def renderings(folder: Path, name: str, template: Template) -> list[list[str]]:
    """(prompt, answer) of each line of P3's file of a template."""
    path = folder / f"{name}_{template.name}".replace("/", "_").replace(" ", "_")
    lines = path.with_name(path.name + ".jsonl").read_text(encoding="utf-8").splitlines()
    return [[row["prompt"].removesuffix("\n"), row["completion"].removesuffix(END)] for row in map(json.loads, lines)]


def pattern(source: str) -> re.Pattern[str]:
    """What a template of plain columns and constants renders, with its columns as groups."""
    parts, names = [], set()
    for _, kind, value in ENVIRONMENT.lex(source):
        if kind == "data":
            parts.append(re.escape(value))
        elif kind == "string":
            parts.append(re.escape(value[1:-1]))
        elif kind == "name":
            assert value not in names
            names.add(value)
            parts.append(f"(?P<{value}>.*)")
    return re.compile("".join(parts), re.DOTALL)


def row_of(template: Template, prompt: str, answer: str) -> Row:
    """The row out of which a rendering was made."""
    found = pattern(template.jinja.split(BAR)[0].strip()).fullmatch(prompt)
    assert found is not None, prompt
    choices = [one.strip() for one in (template.choices or "").split(BAR)]
    return {**found.groupdict(), **({"label": choices.index(answer)} if template.choices else {"summary": answer})}


@pytest.mark.parametrize("name", SETS)
def test_rows_read_out_of_one_rendering_give_all_the_others(name: str, shared: Callable[[str], Path]) -> None:
    folder, path = shared("data/p3_t0_rendered"), shared(f"data/promptsource_templates/{name}/templates.yaml")
    templates = {template.name: template for template in load_templates(path)}
    base = templates[SETS[name]]
    rows = [row_of(base, *rendering) for rendering in renderings(folder, name, base)]
    assert len(rows) == 200
    equal = 0
    for template in templates.values():
        examples = [example for row in rows if not is_empty(example := template.apply(row))]
        ours = [[example.messages[0].content, example.target] for example in examples]
        theirs = renderings(folder, name, template)
        assert ours == theirs, template.name
        equal += len(theirs)
    assert (len(templates), equal) == FILES[name]


def test_mrpc_s_raw_rows_are_those_of_the_renderings(shared: Callable[[str], Path]) -> None:
    """P3 has GLUE's tokenised text, the raw file people's own: equal but for white space, and for how quotes are written."""
    folder, path = shared("data/p3_t0_rendered"), shared("data/promptsource_templates/glue/mrpc/templates.yaml")
    raw = shared("data/glue/MRPC/msr_paraphrase_train.txt").read_text(encoding="utf-8-sig").splitlines()[1:]
    known = {}
    for line in raw:
        label, _, _, first, second = line.split("\t")
        row = {"sentence1": first, "sentence2": second, "label": int(label)}
        known[bare(first), bare(second)] = row
    templates = {template.name: template for template in load_templates(path)}
    matched = same = 0
    for template in templates.values():
        if "generate" in template.name:
            continue
        for prompt, answer in renderings(folder, "glue/mrpc", template):
            read = row_of(template, prompt, answer)
            row = known.get((bare(read["sentence1"]), bare(read["sentence2"])))
            if row is not None:
                example = template.apply(row)
                matched += 1
                same += bare(example.messages[0].content) == bare(prompt) and example.target == answer
    assert (matched, same) == (1000, 1000)


def bare(text: str) -> str:
    """Without white space, and with one kind of quotes."""
    return re.sub(r"[\s\"'`]", "", text)
