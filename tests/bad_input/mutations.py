# ruff: noqa: E501 (a table has a case a line)
"""Valid files of rows and valid templates, and what is done to them: a mutant of a valid one goes deeper than any bytes."""

import csv
import gzip
import io
import json
from typing import Any

import pyarrow as arrow
from hypothesis import strategies as st
from pyarrow import feather, parquet

ROWS = [
    {"id": str(n), "prompt": f"What is {n} and é?", "completion": f"It is {n}, \"said\" he.", "n": n, "tags": ["a", str(n)]}
    for n in range(6)
]  # fmt: skip
CHATS = [
    {"messages": [{"role": "user", "content": f"u{n}"}, {"role": "assistant", "content": f"a{n} \ud83d\ude00"}]}
    for n in range(4)
]
PAIRS = [{"prompt": f"p{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(4)]
CHOICES = [{"question": f"q{n}", "A": "x", "B": "y", "answer": "AB"[n % 2]} for n in range(4)]
LABELS = [{"text": f"t{n}", "label": n % 2} for n in range(4)]
TABLES = (ROWS, PAIRS, CHOICES, LABELS)
PIECES = [
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r", b"\r\n", b"\0", b"\t", b";", b" "),
    *(b"null", b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"true", b"[[[[[[[[", b"[" * 100_000, b'{"a":' * 5000, b'""'),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"\xe9", b"\xed\xa0\x80", b"\\ud800", b"\\udc00", b"\\u0000", b"\x1f\x8b\x08"),
    *(b"PK\x03\x04", b"PAR1\x15", b"ARROW1", b"\x80\x04", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0\0\0\0\0"),
    *(b"prompt", b"completion", b"messages", b"role", b"content", b"assistant", b"tools", b'"answer": ["a"]', b'"label": -1'),
]  # fmt: skip


def as_csv(rows: list[dict[str, Any]], delimiter: str) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_arrow(rows: list[dict[str, Any]], write: Any) -> bytes:
    sink = arrow.BufferOutputStream()
    write(arrow.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


def stream(table: arrow.Table, sink: Any) -> None:
    with arrow.ipc.new_stream(sink, table.schema) as file:
        file.write_table(table)


def seeds() -> list[tuple[str, bytes]]:
    """(suffix, content) of valid files in every layout, each once packed too."""
    found = []
    for rows in (*TABLES, CHATS):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        found += [("jsonl", lines.encode()), ("json", json.dumps(rows, indent=1).encode())]
        found += [("jsonl", lines.encode("utf-16")), ("json", json.dumps({"data": rows}).encode())]
        clean = [{k: str(v).encode("utf-8", "replace").decode() for k, v in row.items()} for row in rows]
        found += [("csv", as_csv(clean, ",")), ("csv", as_csv(clean, ";")), ("tsv", as_csv(clean, "\t"))]
        found += [("txt", lines.encode())]
        found += [("parquet", as_arrow(clean, parquet.write_table))]
        found += [("arrow", as_arrow(clean, stream)), ("feather", as_arrow(clean, feather.write_feather))]
    nested = as_arrow([{"a": [{"b": 1, "c": "x"}], "d": None}], parquet.write_table)
    found += [("parquet", nested)]
    return found + [(f"{suffix}.gz", gzip.compress(content, mtime=0)) for suffix, content in found]


@st.composite
def mutants(draw: Any) -> tuple[str, bytes]:
    """(suffix, content): a valid file with a few changes, seldom under another suffix; or bytes of any kind."""
    suffix, content = draw(st.sampled_from(SEEDS))
    packed = suffix.endswith(".gz") and draw(st.booleans())
    content = gzip.decompress(content) if packed else content
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted((draw(st.integers(0, len(content))), draw(st.integers(0, len(content)))))
        what = draw(st.integers(0, 6))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=8))
        short = min(at + draw(st.integers(1, 4)), len(content))
        content = [
            content[:at] + piece + content[at:],
            content[:at] + piece + content[at + len(piece) :],
            content[:at] + content[end:],
            content[:at],
            content[:end] + content[at:end] + content[end:],
            content[:at] + bytes(byte ^ draw(st.integers(1, 255)) for byte in content[at:short]) + content[short:],
            draw(st.binary(max_size=200)),
        ][what]
    if draw(st.integers(0, 19)) == 0:
        suffix = draw(st.sampled_from(SEEDS))[0]
    return suffix, gzip.compress(content, mtime=0) if packed else content


SEEDS = seeds()

WORDINGS = (
    "{{prompt}} ||| {{completion}}",
    "{% if tags %}{{tags | join(', ')}}{% endif %} {{prompt}} ||| {{ completion | upper }}",
    "{% for tag in tags %}{{loop.index}}. {{tag}}\n{% endfor %}||| {{ tags[0] }}",
    "{% set ns = namespace(x='') %}{% for tag in tags %}{% set ns.x = ns.x ~ tag %}{% endfor %}{{ns.x}} ||| {{n}}",
    "{% macro put(a, b=2) %}{{a * b}}{% endmacro %}{{ put('x') }} {{ put(n, b=n) }} ||| {{prompt}}",
    "{{ '%s-%5d' | format(prompt, n) }} {{ '{:>8}'.format(prompt) }} ||| {{ prompt.replace('a', 'b') }}",
    "{{ tags | zip(tags) | list | tojson }} {{ tags | choice }} {{ prompt | truncate(9) | wordwrap(3) }} ||| {{ n ** 2 % 7 }}",
    "{% filter center(20) %}{{prompt}}{% endfilter %}{% call(x) none() %}{% endcall %} ||| {{ dict(a=n) }}",
    "{{ prompt.split() | map('upper') | join('-') }} {{ tags | batch(2) | list }} ||| {{ range(n) | sum }}",
    "{% block a %}{{ prompt }}{% endblock %} {% raw %}{{ x }}{% endraw %} {{ cycler('a', 'b').next() }} ||| {{ joiner(',') () }}",
)
PARTS = [
    *("{{", "}}", "{%", "%}", "{#", "#}", "|||", "|", "(", ")", "[", "]", "{", "}", ".", ",", ":", "~", "+", "-", "*", "**", "//"),
    *("%", "==", "<", "'", '"', "\\", "\n", "prompt", "completion", "tags", "n", "loop", "self", "caller", "varargs", "kwargs"),
    *("for x in range(99999)", "endfor", "recursive", "if n", "endif", "set x = x ~ x", "set x = [x, x]", "set x = x * 99999"),
    *("macro f()", "endmacro", "f()", "call f()", "endcall", "block b", "endblock", "self.b()", "filter upper", "endfilter"),
    *("__class__", "__globals__", "__init__", "__mro__", "|attr('__class__')", ".format_map", ".__format__", "%999999999d", "{:>99999999}"),
    *("|tojson", "|pprint", "|groupby('x')", "|map('list')", "|slice(99999)", "|batch(99999)", "|center(99999999)", "|indent(99999)"),
    *("|replace('', prompt*9999)", "|join(prompt*9999)", "|urlize", "|xmlattr", "|dictsort", "|format(1)", "|string*99999", "|sort"),
    *(".join(range(99999)|map('string'))", ".ljust(9**9)", ".zfill(9**9)", ".encode()", ".translate({})", "|sum(start='')", "|round(99999)"),
    *("range(99999)", "dict(x=x)", "namespace(x=1)", "cycler(1)", "joiner()", "zip(range(99999),range(99999))", "lipsum()", "9**9**9"),
    *("[9]*9**9", "'x'*9**9", "range(99999)|list", "|list|list", "|length", "is defined", "is divisibleby(0)", "not", "and", "in", "else"),
]  # fmt: skip


@st.composite
def wordings(draw: Any) -> str:
    """A valid template with a few changes, or parts of templates in any order."""
    if draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(["", " "])).join(draw(st.lists(st.sampled_from(PARTS), max_size=20)))
    text: str = draw(st.sampled_from(WORDINGS))
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.sampled_from(PARTS) | st.text(max_size=3))
        text = [
            text[:at] + piece + text[at:],
            text[:at] + piece + text[min(at + len(piece), len(text)) :],
            text[:at] + text[end:],
            text[:end] + text[at:end] + text[end:],
            text[:at] + f"{{{{ {piece} }}}}" + text[at:],
            text[:at] + f"{{% {piece} %}}" + text[at:],
        ][draw(st.integers(0, 5))]
    return text


NAMES = [
    *("prompt", "completion", "messages", "role", "content", "from", "value", "tool_calls", "function", "arguments", "name", "tools"),
    *("text", "label", "question", "answer", "answers", "choices", "options", "A", "B", "chosen", "rejected", "margin", "share", "id"),
    *("response_0", "response_1", "better_response_id", "response_a", "response_b", "winner", "instruction", "input", "output"),
    *("history", "system", "context", "meta", "references", "instances", "mc1_targets", "labels", "premise", "hypothesis", "stem"),
    *("conversations", "definition", "positive", "categories", "score_0", "score_1", "dialogue", "summary", "answerKey"),
]  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1", "A", "user", "[{", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
ODD_ROWS = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=5), min_size=1, max_size=3)
