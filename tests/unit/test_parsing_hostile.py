"""Files made to harm: none may hang, fill memory or disk, read another file, or end unexplained.

What may abort a C library runs in the pool's processes, as it does in the service.
"""

import asyncio
import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.models import ParsedDocument
from graphmill.parsing import parse
from graphmill.process_pool import ProcessDied, ProcessPool, TaskTooLarge
from graphmill.settings import LimitSettings
from tests.unit.parsing_samples import (
    bomb_pdf,
    make_docx,
    make_pdf,
    make_pptx,
    make_xlsx,
    with_member,
    without_member,
)

LIMITS = LimitSettings()
WORD = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    "<w:body>{}</w:body></w:document>"
)
PARAGRAPH = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>{}</sheetData></worksheet>"
)
LAUGHS = "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "lol">' for n in range(10)
)


def outcome(data: bytes, name: str, careful: bool = False) -> ParsedDocument | InvalidDocument:
    try:
        return parse(data, name, LIMITS, careful)
    except InvalidDocument as error:
        return error


def reason(data: bytes, name: str, careful: bool = False) -> FailureReason:
    result = outcome(data, name, careful)
    assert isinstance(result, InvalidDocument), result
    return result.reason


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize(
    "definitions",
    [f"<!DOCTYPE x [{LAUGHS}]>", '<!DOCTYPE x [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>'],
    ids=["laughs", "file"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_inside_office_files_are_refused(
    definitions: str, encoding: str, careful: bool
) -> None:
    xml = f'<?xml version="1.0" encoding="{encoding}"?>{definitions}'
    xml += WORD.format(PARAGRAPH.format("&l9;"))
    data = with_member(make_docx(), "word/document.xml", xml.encode(encoding))
    assert reason(data, "a.docx", careful) is FailureReason.CORRUPT


def test_xml_with_an_external_entity_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish")
    xml = f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]><a>&e;</a>'.encode()
    for name in ("a.xml", "a.html", "a.txt", "a"):
        result = outcome(xml, name)
        assert "swordfish" not in str(result)
    svg = f'<img src="file://{tmp_path}/secret"><iframe src="file://{tmp_path}/secret">x'.encode()
    assert "swordfish" not in str(outcome(svg, "a.html"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (with_member(make_docx(), "word/media/x.bin", bytes(100_000_000)), "a.docx"),
        (
            with_member(
                make_docx(),
                "word/document.xml",
                WORD.format(PARAGRAPH.format("hello") * 400_000).encode(),
            ),
            "a.docx",
        ),
        (
            with_member(
                make_xlsx({"S": [["a"]]}),
                "xl/worksheets/sheet1.xml",
                SHEET.format("<row><c><v>1</v></c></row>" * 800_000).encode(),
            ),
            "a.xlsx",
        ),
        (bomb_pdf(200_000_000), "a.pdf"),
    ],
    ids=["media", "docx", "xlsx", "pdf"],
)
def test_bombs_are_refused_before_they_unpack(data: bytes, name: str) -> None:
    assert len(data) < 1_000_000
    assert reason(data, name) is FailureReason.TOO_LARGE
    assert reason(data, name, careful=True) is FailureReason.TOO_LARGE


def test_too_many_members_are_refused() -> None:
    data = make_docx()
    small = LimitSettings(unpacked_files=5)
    with pytest.raises(InvalidDocument, match="GRAPHMILL_LIMIT_UNPACKED_FILES") as error:
        parse(data, "a.docx", small)
    assert error.value.reason is FailureReason.TOO_LARGE


def test_a_zip_that_lies_about_its_sizes_is_corrupt() -> None:
    large = WORD.format(PARAGRAPH.format("hello") * 10_000).encode()
    data = bytearray(with_member(make_docx(), "word/document.xml", large))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.find(signature)
        while at >= 0:
            if struct.unpack_from("<I", data, at + offset)[0] == len(large):
                struct.pack_into("<I", data, at + offset, 100)
            at = data.find(signature, at + 1)
    assert reason(bytes(data), "a.docx") is FailureReason.CORRUPT


@pytest.mark.parametrize("careful", [False, True])
def test_deep_nesting_ends_everywhere(careful: bool) -> None:
    for tag in ("div", "b", "table><tr><td", "ul><li", "blockquote", "span"):
        result = outcome(f"<{tag}>".encode() * 30_000 + b"deep word", "a.html", careful)
        assert isinstance(result, ParsedDocument)
        assert "deep word" in result.text
    for json in (b"[" * 200_000, b"[" * 900 + b"1" + b"]" * 900, b'{"a":' * 5000 + b"1"):
        assert reason(json, "a.json", careful) is FailureReason.TOO_LARGE
    shallow = b"[" * 90 + b'"here"' + b"]" * 90
    assert "here" in str(outcome(shallow, "a.json", careful))


@pytest.mark.parametrize(
    "part", ["<", "<!--", "<a ", "&", "<a x='", "*a ", "![", "|", "](", "<script>"]
)
@pytest.mark.timeout(60)
def test_repeated_markup_takes_linear_time(part: str) -> None:
    outcome(part.encode() * 100_000, "a.html")
    outcome(part.encode() * 100_000, "a.md")
    outcome(make_docx([part * 50_000]), "a.docx")


def test_odd_tables_end() -> None:
    assert isinstance(outcome(b'a,b\n"' + b"x" * 2_000_000 + b'",2\n', "a.csv"), ParsedDocument)
    assert isinstance(outcome(b'a,b\n"' + b"x,y\n" * 200_000, "a.csv"), ParsedDocument)
    assert reason(b"," * 2_000_000 + b"x\n", "a.csv") is FailureReason.TOO_LARGE
    wide = b"," * 9000 + b"x\n" + b"1\n" * 100_000
    assert reason(wide, "a.csv") is FailureReason.TOO_LARGE
    claimed = SHEET.replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>one</t></is></c></row>'
    merged = claimed.replace(
        "</worksheet>", '<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells></worksheet>'
    )
    data = with_member(
        make_xlsx({"S": [["a"]]}), "xl/worksheets/sheet1.xml", merged.format(row).encode()
    )
    for careful in (False, True):
        result = outcome(data, "a.xlsx", careful)
        assert isinstance(result, ParsedDocument)
        assert "one" in result.text


def test_text_that_postgresql_refuses_is_cleaned() -> None:
    result = outcome(b'{"a": "x\\ud800y\\u0000z"}', "a.json")
    assert isinstance(result, ParsedDocument)
    assert result.text == "a: xyz"
    result.text.encode()


def test_east_asian_and_right_to_left_text_passes_through_every_text_format() -> None:
    for text in ("東京都の人口は1400万人。", "مرحبا بالعالم", "שלום עולם", "Ünï ⁉️ 👩‍👩‍👧"):
        for name, data in (
            ("a.txt", text.encode()),
            ("a.md", text.encode("utf-16")),
            ("a.html", f"<p>{text}</p>".encode()),
            ("a.docx", make_docx([text])),
            ("a.pptx", make_pptx([("T", text)])),
            ("a.xlsx", make_xlsx({"S": [[text]]})),
            ("a.csv", f"a,b\n{text},1\n".encode()),
        ):
            result = outcome(data, name)
            assert isinstance(result, ParsedDocument)
            assert text in result.text


SAMPLES = {
    "pdf": make_pdf(["Hello page one", "and two"], title="T"),
    "docx": make_docx(["Hello", "world"], heading="H", rows=[["a", "b"], ["c", "d"]]),
    "pptx": make_pptx([("T", "body")], notes="n"),
    "xlsx": make_xlsx({"S": [["a", "b"], [1, 2.5]]}),
}


@pytest.mark.parametrize("format", SAMPLES)
@pytest.mark.parametrize("careful", [False, True])
def test_truncated_files_are_corrupt_or_read_in_part(format: str, careful: bool) -> None:
    data = SAMPLES[format]
    for tenth in range(1, 10):
        result = outcome(data[: len(data) * tenth // 10], f"a.{format}", careful)
        if isinstance(result, InvalidDocument):
            assert result.reason in (FailureReason.CORRUPT, FailureReason.NO_TEXT)
        else:
            assert format == "pdf"  # PDFium finds the pages that are whole


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("format", ["docx", "pptx", "xlsx"])
def test_an_office_file_without_one_of_its_parts_does_not_crash(format: str, careful: bool) -> None:
    data = SAMPLES[format]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    for name in names:
        result = outcome(without_member(data, name), f"a.{format}", careful)
        if isinstance(result, InvalidDocument):
            assert result.reason in (FailureReason.CORRUPT, FailureReason.NO_TEXT)


async def parse_in_pool(pool: ProcessPool, data: bytes, name: str) -> object:
    """As the service does: once, and if the process dies, once more with care."""
    last: object = None
    for careful in (False, True):
        try:
            return await pool.run(parse, data, name, LIMITS, careful, timeout_seconds=60)
        except InvalidDocument as error:
            return error
        except (ProcessDied, TaskTooLarge) as error:
            last = error
    return last


def mutated(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for position, value in changes:
        changed[position % len(data)] = value
    return bytes(changed)


_changes = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=20
)
_bounded = settings(
    max_examples=110,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


MAIN_PARTS = {
    "docx": "word/document.xml",
    "pptx": "ppt/slides/slide1.xml",
    "xlsx": "xl/worksheets/sheet1.xml",
}


def mutant(format: str, changes: list[tuple[int, int]], inside: bool) -> bytes:
    """Changed bytes of the file or, since a zip's checksums betray those, of the XML inside it."""
    data = SAMPLES[format]
    if not inside or format not in MAIN_PARTS:
        return mutated(data, changes)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = archive.read(MAIN_PARTS[format])
    return with_member(data, MAIN_PARTS[format], mutated(part, changes))


@pytest.mark.parametrize("format", SAMPLES)
def test_mutants_end_with_text_or_a_reason(format: str) -> None:
    run = asyncio.Runner()
    pool = run.run(_new_pool())

    @_bounded
    @given(_changes, st.booleans())
    def check(changes: list[tuple[int, int]], inside: bool) -> None:
        task = parse_in_pool(pool, mutant(format, changes, inside), f"a.{format}")
        result = run.run(task)
        assert isinstance(result, ParsedDocument | InvalidDocument)

    try:
        check()
    finally:
        run.run(pool.terminate())
        run.close()


async def _new_pool() -> ProcessPool:
    return ProcessPool(1, 1000, 3_000_000_000)


@_bounded
@given(st.binary(max_size=300), st.sampled_from(["txt", "md", "html", "csv", "json", "jsonl", "x"]))
def test_any_bytes_end_with_text_or_a_reason_and_twice_the_same(data: bytes, format: str) -> None:
    first, second = outcome(data, f"a.{format}"), outcome(data, f"a.{format}")
    assert str(first) == str(second)


@_bounded
@given(st.text(min_size=1, max_size=200))
def test_plain_text_comes_out_as_it_went_in_but_for_white_space(text: str) -> None:
    result = outcome(text.encode("utf-8", "replace"), "a.txt")
    if isinstance(result, ParsedDocument):
        letters = [c for c in text if c.isascii() and c.isalnum()]
        assert [c for c in result.text if c.isascii() and c.isalnum()] == letters
