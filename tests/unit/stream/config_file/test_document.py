"""YAML as people mean it, with lines."""

from pathlib import Path

import pytest

from stream.config_file.document import Document, read_document


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str | bytes) -> Document:
        path = tmp_path / "c.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_document(path)

    return read


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("0123", "0123"),
        ("2026-01-01", "2026-01-01"),
        ("1_0", "1_0"),
        ("0x10", "0x10"),
        (".inf", ".inf"),
        ("truely", "truely"),
        ("1.2.3", "1.2.3"),
        ("-5", -5),
        ("+4", 4),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("True", True),
        ("false", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("' '", " "),
        ("'1'", "1"),
    ],
)
def test_a_plain_word_is_what_yaml_1_2_says(read, written: str, meant: object):
    document = read(f"key: {written}\n")

    assert document.errors == []
    assert document.data == {"key": meant}
    assert type(document.data["key"]) is type(meant)


def test_lines_are_those_of_keys_and_of_list_items(read):
    document = read("a:\n  b: 1\n  c:\n    - x\n    - y\n")

    assert document.line(("a", "b")) == 2
    assert document.line(("a", "c", 1)) == 5
    assert document.line(("a", "missing", "deep")) == 1
    assert document.line(("missing",)) is None


def test_a_repeated_key_is_an_error_that_names_both_lines(read):
    document = read("a: 1\nb: 2\na: 3\n")

    (error,) = document.errors
    assert (error.path, error.line) == (("a",), 3)
    assert "line 1" in error.message
    assert document.data == {"a": 1, "b": 2}


def test_a_merged_mapping_gives_way_to_its_users_own_keys(read):
    document = read("x: &d {q: 1, r: 2}\ny:\n  <<: *d\n  q: 3\n")

    assert document.errors == []
    assert document.data["y"] == {"q": 3, "r": 2}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: [1\n", 2, "not YAML"),
        ("a: 1\nb:\n\t- c\n", 3, "indent with spaces"),
        ("a: !!python/object:os.system x\n", 1, "constructor"),
        ("a: &x [*x]\n", 1, "nested too deeply"),
        ("a: 1\n? [1, 2]\n: 3\n", 2, "a key must be a word"),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        ("a: \x00\n", None, "not YAML"),
        (b"a: \xff\n", None, "UTF-8"),
    ],
)
def test_what_is_no_yaml_is_one_error_with_its_line(read, text, line: int | None, says: str):
    (error,) = read(text).errors

    assert error.line == line
    assert says in error.message


def test_aliases_that_multiply_are_cut_short(read):
    names = "abcdefghi"
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [
        f"{name}: &{name} [{', '.join(['*' + names[at]] * 10)}]"
        for at, name in enumerate(names[1:])
    ]

    (error,) = read("\n".join(lines)).errors

    assert "too long" in error.message


def test_an_empty_file_is_an_empty_configuration(read):
    assert read("").data == {}
    assert read("# nothing\n").data == {}
