"""A TOML or JSON text is read strictly, and every fault has its line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.document import Document, DocumentError
from rooms.source_lines import SourceLines

TOML = '''# a comment with [brackets] and = signs
title = "a # no comment"
"odd key" = 1
deep.er.still = 2

[one]
list = [
  "a",  # why
  { x = 1, y = [2,
    3] },
]
long = """
[not.a.table]
no = 1
"""
at = 12:30:00
after = 'C:\\no'

[[many]]
name = "first"
[many.inner]
x = 1
[[many]]
name = "second"
[many.inner]
y = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("odd key",), 3),
        (("deep", "er", "still"), 4),
        (("one",), 6),
        (("one", "list"), 7),
        (("one", "list", 0), 8),
        (("one", "list", 1), 9),
        (("one", "list", 1, "y"), 9),
        (("one", "list", 1, "y", 1), 10),
        (("one", "long"), 12),
        (("one", "at"), 16),
        (("one", "after"), 17),
        (("many", 0), 19),
        (("many", 0, "inner", "x"), 22),
        (("many", 1, "name"), 24),
        (("many", 1, "inner", "y"), 26),
        (("many", 1, "inner", "z"), 25),
        (("nothing",), 1),
    ],
)
def test_every_key_of_toml_has_its_line(path: tuple[str | int, ...], line: int) -> None:
    Document(TOML, "t")
    assert SourceLines(TOML, is_json=False).line(path) == line


def test_every_key_of_json_has_its_line_and_doubled_ones_are_found() -> None:
    text = '{\n "a": {"b": [1,\n  {"c": "x:y,{"}]},\n "d": true,\n "d": 2\n}'
    lines = SourceLines(text, is_json=True)
    assert [lines.line(path) for path in (("a",), ("a", "b", 0), ("a", "b", 1, "c"), ("d",))] == [2, 2, 3, 4]
    assert lines.doubled == [(("d",), 5)]
    with pytest.raises(DocumentError, match="t, line 5: 'd' stands here for the second time"):
        Document(text, "t").finish()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=5), st.booleans())
def test_whatever_json_says_each_key_is_found_on_the_line_where_it_is(data: dict[str, object], ascii_only: bool) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=ascii_only)
    lines, document = SourceLines(text, is_json=True), Document(text, "t")
    assert lines.doubled == [] and all("nobody can read" in fault.message for fault in document.faults)
    split = text.split("\n")
    for key in data:
        assert split[lines.line((key,)) - 1].startswith(f" {json.dumps(key, ensure_ascii=ascii_only)}:")


@given(st.text(alphabet="[]{}=\"'\n\\#.,: a1", max_size=60))
def test_a_text_that_is_no_document_is_refused_and_never_breaks_the_reader(text: str) -> None:
    try:
        document = Document(text, "t")
    except DocumentError as error:
        assert len(error.faults) == 1 and 1 <= error.faults[0].line <= text.count("\n") + 1
    else:
        before = len(document.faults)
        document.root.close()
        assert before == 0 and len({fault.line for fault in document.faults}) <= len(document.root.values)


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    document = Document('size = 12\nnamee = "x"\nlist = ["a", "a", 7]\nflag = 1\nkind = "round"\n[more]\nx = true\n', "t")
    root = document.root
    root.text("name"), root.whole("size", most=10), root.texts("list"), root.flag("flag", False), root.one_of("kind", ("flat",))
    root.table("more").number("x"), root.close()
    with pytest.raises(DocumentError) as told:
        document.finish()
    assert [str(fault) for fault in told.value.faults] == [
        "t, line 1: 'name' is missing: give a text.",
        "t, line 1: 'size' is 12: a whole number from 0 to 10.",
        "t, line 2: 'namee' has no meaning here; did you mean 'name'?",
        "t, line 3: 'a' stands in 'list' twice: keep one.",
        "t, line 3: 7 is no entry of 'list': write a text.",
        "t, line 4: 'flag' is 1: give true or false.",
        "t, line 5: 'round' is no value for 'kind': one of flat.",
        "t, line 7: 'x' is True: give a number.",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nb = = 2", "t, line 2: This is no TOML: Invalid value."),
        ("a = 1\n[x]\n[x]", "t, line 3: This is no TOML: Cannot declare ('x',) twice."),
        ('{"a": 1,\n "b" 2}', "t, line 2: This is no JSON: Expecting ':' delimiter."),
        ('{"a": ' + "[" * 100_000, "t, line 1: The text is nested too deeply: a few levels are enough."),
        ("#" * 1_000_001, "t, line 1: The text has 1000001 characters; 1000000 are read: divide it."),
    ],
)
def test_a_broken_text_is_refused_with_the_line_where_it_breaks(text: str, told: str) -> None:
    with pytest.raises(DocumentError) as error:
        Document(text, "t")
    assert str(error.value) == told


@pytest.mark.parametrize("text", ['a = 1\nb = ["x\\u0000"]', '{"a": 1,\n"b": "\\ud83d"}', '{"a": "\\ud83d\\ude00",\n"b\\u001b": 1}'])
def test_what_nobody_can_read_is_refused(text: str) -> None:
    assert [(fault.line, fault.message.partition(" has ")[2]) for fault in Document(text, "t").faults] == [
        (2, "a character in it that nobody can read: remove it.")
    ]


def test_numbers_that_are_none_are_refused() -> None:
    document = Document("a = nan\nb = inf\nc = -1.5", "t")
    document.root.number("a"), document.root.number("b"), document.root.number("c")
    assert [fault.line for fault in document.faults] == [1, 2, 3]
