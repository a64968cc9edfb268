"""What a hostile or a broken template does: it is refused, or it ends; and nothing but a `UserError` comes out of it."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.data.jinja import compiled
from tunesmith.data.template import Template, find_template
from tunesmith.errors import UserError

ROW = {"a": "abc", "n": 3, "listed": ["x", "y"], "nested": {"text": ["p", "q"]}}
DOUBLED = "{{% set x = {first} %}}" + "{{% set x = {step} %}}" * 40 + "{{{{ x{end} }}}}"


def doubling(first: str, step: str, end: str = "") -> str:
    return DOUBLED.format(first=first, step=step, end=end)


ENDLESS = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in a %}x{% endfor %}{% endfor %}{% endfor %}",
    "silent loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}",
    "filters in loops": "{% for a in range(99999) %}{{ range(99999) | sum }}{% endfor %}",
    "text doubled": doubling("'xx'", "x + x"),
    "text joined": doubling("'xx'", "x ~ x"),
    "list doubled": doubling("['xx']", "[x, x]"),
    "mapping doubled": doubling("['xx']", "{1: x, 2: x}", " | string"),
    "call doubled": doubling("['xx']", "dict(a=x, b=x)", " | tojson"),
    "zip doubled": doubling("['xx']", "x | zip(x) | list"),
    "block doubled": "{% set x = 'xx' %}" + "{% set x %}{{x}}{{x}}{% endset %}" * 40 + "{{x}}",
    "namespace": "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
    "tree of calls": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
}
LARGE = {
    "product": "{{ 'x' * 10 ** 10 }}",
    "product of a list": "{{ listed * 10 ** 9 }}",
    "power": "{{ n ** (9 ** 9) }}",
    "squares": doubling("9", "x * x"),
    "format": "{{ '%1000000000d' % n }}",
    "format of a width": "{{ '%*d' % (1000000000, n) }}",
    "method format": "{{ '{:1000000000}'.format(n) }}",
    "method format of a width": "{{ '{:{}}'.format(n, 1000000000) }}",
    "center": "{{ a | center(1000000000) }}",
    "ljust": "{{ a.ljust(1000000000) }}",
    "batch": "{{ listed | batch(1000000000, 'x') | list }}",
    "digits": "{{ 12345.6 | round(100000000, 'floor') }}",
    "replace": "{% set x = 'x' * 1000000 %}{{ x | replace('x', x) }}",
    "method replace": "{% set x = 'x' * 1000000 %}{{ x.replace('x', x) }}",
    "join": "{% set x = 'x' * 1000000 %}{{ x | join(x) }}",
    "method join": "{% set x = 'x' * 1000000 %}{{ x.join(x) }}",
    "filter block": "{% filter center(10000000) %}x{% endfilter %}",
    "range": "{{ range(10 ** 9) | list }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "block that calls itself": "{% block a %}{{ self.a() }}{% endblock %}",
    "recursive loop": "{% for i in [1] recursive %}{{ loop([1, 2]) }}{% endfor %}",
}
REACHING = {
    "class": "{{ a.__class__.__mro__ }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('id') }}",
    "attr": "{{ a | attr('__class__') }}",
    "format": "{{ '{0.__class__}'.format(a) }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'x' as y %}",
    "extends": "{% extends 'x' %}",
    "changing a row": "{{ listed.append(1) }}",
    "chance": "{{ lipsum(3) }}",
}
BROKEN = {
    "brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "blocks": "{% if n %}" * 200 + "{% endif %}" * 200,
    "nested loops": "{% for x in a %}" * 30 + "{% endfor %}" * 30,
    "a long number": "{{ 1" + "0" * 5000 + " }}",
    "half a letter": "{{ \ud800 }}",
}


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in {**ENDLESS, **LARGE}.items()])
def test_work_without_an_end_is_an_error_soon(source: str) -> None:
    began = time.process_time()
    with pytest.raises(UserError, match=r"`t`|is not Jinja"):
        Template("t", source + " ||| x").apply(ROW)
    assert time.process_time() - began < 20  # a second or two; the longest have to touch fifty million letters


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in {**REACHING, **BROKEN}.items()])
def test_a_template_reaches_nothing_but_its_row(source: str) -> None:
    with pytest.raises(UserError):
        Template("t", source + " ||| x").apply(ROW)
    assert ROW["listed"] == ["x", "y"]


def test_long_rows_and_honest_loops_are_not_hindered() -> None:
    book = "A long book. " * 400_000
    assert len(find_template("{{text}} ||| {{text | length}}").apply({"text": book}).messages[0].content) == len(book) - 1
    turns = [f"turn {number}" for number in range(3000)]
    looped = Template(
        "t", "{% for turn in turns %}{{loop.index}}/{{loop.length}}. {{turn}}\n{% endfor %} ||| {{turns | length}}"
    )
    example = looped.apply({"turns": turns})
    assert example.messages[0].content.endswith("3000/3000. turn 2999") and example.target == "3000"
    assert (
        Template("t", "{{ a ~ '-' ~ n }} {{ '%.2f' % n }} {{ '=' * n }} ||| x").apply(ROW).messages[0].content
        == "abc-3 3.00 ==="
    )


def test_draws_shuffles_and_jinja_s_own_random_depend_on_the_row_alone() -> None:
    template = Template("t", "{{ listed | shuffle | join(' ') }} {{ listed | random }} ||| x")
    rows = [{"listed": list("abcde"), "n": n} for n in range(50)]
    said = [template.apply(row).messages[0].content for row in rows]
    assert said == [template.apply(row).messages[0].content for row in rows]
    assert len(set(said)) > 30 and all(sorted(one[:9:2]) == list("abcde") for one in said)


PIECES = st.sampled_from(
    (
        *(
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "|||",
            "|",
            "a",
            "n",
            "listed",
            "nested.text",
            "for x in listed",
            "endfor",
            "if n",
        ),
        *(
            "endif",
            "else",
            "set y = a",
            "(",
            ")",
            "[",
            "]",
            "~",
            "+",
            "*",
            "**",
            "%",
            "9",
            "'",
            '"',
            " ",
            "\n",
            "join",
            "choice",
        ),
        *(
            "macro f(x)",
            "endmacro",
            "call f()",
            "endcall",
            "raw",
            "endraw",
            "block b",
            "endblock",
            "self.b()",
            "-",
            ".",
            "loop",
        ),
        *(
            "answer_choices",
            "most_frequent",
            "highlight",
            "random",
            "shuffle",
            "tojson",
            "namespace()",
            "is",
            "not",
            "in",
            "none",
        ),
    )
)
SOURCES = st.one_of(
    st.text(max_size=60), st.lists(PIECES, max_size=25).map(" ".join), st.lists(PIECES, max_size=25).map("".join)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(SOURCES, SOURCES, VALUES)
def test_random_templates_end_in_an_example_or_a_user_error(source: str, choices: str, value: Any) -> None:
    template = Template("t", source, choices or None, references=source[:20] or "references")
    for row in (ROW, {"a": value, "n": value, "listed": value}):
        for use in (template.apply, template.ask):
            try:
                use(row)
            except UserError:
                continue
    with suppress(UserError):
        assert template.fits(["a"]) in (True, False)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(), st.text(), st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_whatever_rows_hold_is_printed_as_it_is(text: str, nested: str, listed: list[str]) -> None:
    template = Template("t", "{{text}}\n{{nested.x}}|||{{listed | join('/')}}", "{{listed | join('|||')}}", strip=False)
    example = template.apply({"text": text, "nested": {"x": nested}, "listed": listed})
    assert (example.messages[0].content if example.messages else f"{text}\n{nested}") == f"{text}\n{nested}"
    assert example.target == "/".join(listed)
    assert template.ask({"text": "t", "nested": {"x": ""}, "listed": listed}).choices == tuple(listed)


def test_simple_templates_run_without_charges() -> None:
    """Nine wordings of ten only look columns up; they are as fast as before."""
    assert compiled("{{a}} {% if n %}{{listed[0]}}{% endif %} ||| {{['x', 'y'][n]}}").environment.finalize is None
    assert compiled("{% for x in listed %}{{x}}{% endfor %}").environment.finalize is not None
