"""What each format gives, and in which words each other file is refused."""

import csv
import json
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphmill.errors import FailureReason, InvalidDocument, NoText
from graphmill.models import ParsedDocument
from graphmill.parsing import PARSER_VERSION, parse
from graphmill.settings import LimitSettings
from tests.unit.parsing_samples import (
    make_docx,
    make_pdf,
    make_pptx,
    make_xlsx,
    make_zip,
    ole,
    sparse_xlsx,
)

LIMITS = LimitSettings()
FORMATS = ("txt", "md", "html", "pdf", "docx", "pptx", "xlsx", "csv", "json", "jsonl")
OFFICE = ("docx", "pptx", "xlsx")

MANIFEST = Path(__file__).resolve().parents[3] / "shared" / "files" / "manifest.tsv"


def manifest_rows() -> list[dict[str, str]]:
    if not MANIFEST.exists():
        return []
    with MANIFEST.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def read(data: bytes, name: str, careful: bool = False) -> ParsedDocument:
    return parse(data, name, LIMITS, careful)


def refusal(data: bytes, name: str, careful: bool = False) -> InvalidDocument:
    with pytest.raises(InvalidDocument) as error:
        read(data, name, careful)
    return error.value


def words(text: str) -> str:
    """The text less markup, in which parsers differ: a placeholder's text is a list to one."""
    return " ".join(re.sub(r"[|*_#]+|^- ", " ", text, flags=re.MULTILINE).split())


@pytest.mark.parametrize("careful", [False, True], ids=["first", "careful"])
@pytest.mark.parametrize("row", manifest_rows() or [{}], ids=lambda row: row.get("name", "none"))
def test_each_shared_file_parses_or_says_why_not(
    shared: Path, row: dict[str, str], careful: bool
) -> None:
    assert row, "the manifest is gone"
    data = (shared / "files" / row["name"]).read_bytes()
    expected, format = row["expected"], row["format"]
    if expected == "parses" and format in FORMATS:
        parsed = read(data, row["name"], careful)
        assert parsed.format == format
        assert words(row["must_contain"]) in words(parsed.text)
        assert "\0" not in parsed.text
        return
    error = refusal(data, row["name"], careful)
    if expected in ("empty", "empty-text"):
        assert isinstance(error, NoText)
    elif expected == "parses":
        assert error.reason is FailureReason.UNSUPPORTED
        assert "pptx" in error.message  # says what is read
    elif expected == "parses-ocr-only":
        assert error.reason is FailureReason.NEEDS_OCR
    elif expected == "hostile":
        assert error.reason in (FailureReason.ARCHIVE, FailureReason.UNSUPPORTED)
    else:
        assert error.reason == expected


def sample(format: str, text: str = "Ada Lovelace wrote notes.") -> bytes:
    match format:
        case "txt":
            return text.encode()
        case "md":
            return f"# Notes on\n\n{text}\n".encode()
        case "html":
            return f"<html><title>Notes on</title><body><h1>H</h1><p>{text}</p></html>".encode()
        case "pdf":
            return make_pdf([text, "second page"], title="Notes on")
        case "docx":
            return make_docx([text], title="Notes on")
        case "pptx":
            return make_pptx([("Notes on", text), ("More", "second slide")])
        case "xlsx":
            return make_xlsx({"People": [["who", "what"], ["Ada", text]]})
        case "csv":
            return f"who,what\nAda,{text}\n".encode()
        case "json":
            return json.dumps({"title": "Notes on", "text": text}).encode()
        case _:
            return (json.dumps({"n": 1, "text": text}) + '\n{"n": 2}\n').encode()


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_on_the_list_is_read(format: str) -> None:
    parsed = read(sample(format), f"folder/a.{format}")
    assert parsed.format == format
    assert "Ada Lovelace wrote notes." in parsed.text
    assert read(sample(format), f"folder/a.{format}") == parsed


@pytest.mark.parametrize("format", [*OFFICE, "pdf", "html"])
def test_the_careful_parsers_read_the_same_words(format: str) -> None:
    data = sample(format)
    first, second = read(data, f"a.{format}"), read(data, f"a.{format}", careful=True)
    assert words(first.text) == words(second.text)
    assert [p.number for p in first.pages] == [p.number for p in second.pages]


@pytest.mark.parametrize("format", ["pdf", *OFFICE])
def test_binary_formats_are_known_by_their_content_whatever_the_name_says(format: str) -> None:
    for name in ("a.txt", "a", "a.bin", "a.csv"):
        data = sample(format)
        assert read(data, name).format == format


@pytest.mark.parametrize(
    ("format", "title"),
    [
        ("txt", "report"),
        ("md", "Notes on"),
        ("html", "H"),
        ("pdf", "Notes on"),
        ("docx", "Notes on"),
        ("pptx", "Notes on"),
        ("xlsx", "People"),
        ("csv", "report"),
        ("json", "Notes on"),
        ("jsonl", "report"),
    ],
)
def test_titles_come_from_the_document_or_else_from_its_name(format: str, title: str) -> None:
    assert read(sample(format), f"x/report.{format}").title == title


def test_a_title_that_a_program_made_up_is_not_taken() -> None:
    for title in ("Microsoft Word - report.doc", "Untitled 1", "PowerPoint Presentation", " "):
        assert read(make_docx(title=title), "plan.docx").title == "plan"


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize(
    ("data", "name", "texts"),
    [
        (make_pdf(["one", "", "three"]), "a.pdf", ["one", "", "three"]),
        (
            make_pptx([("A", "one"), ("A", "two"), ("Slide 2", "three")]),
            "a.pptx",
            ["A one", "A two", "Slide 2 three"],
        ),
        (
            make_xlsx({"S": [["one"]], "empty": [], "## S": [["three"]]}),
            "a.xlsx",
            ["S one ---", "", "S three ---"],
        ),
        (b"one\fpage two\fthree\f", "a.txt", ["one", "page two", "three"]),
    ],
    ids=["pdf", "pptx", "xlsx", "txt"],
)
def test_pages_slides_and_sheets_can_be_cited(
    data: bytes, name: str, texts: list[str], careful: bool
) -> None:
    parsed = read(data, name, careful)
    assert [page.number for page in parsed.pages] == list(range(1, len(texts) + 1))
    found = [words(parsed.text[page.start : page.end]) for page in parsed.pages]
    assert found == texts
    ends = [offset for page in parsed.pages for offset in (page.start, page.end)]
    assert ends == sorted(ends)


def test_headings_and_tables_are_kept() -> None:
    rows = [["name", "age"], ["Ada", "36"]]
    table = "| name | age |\n| --- | --- |\n| Ada | 36 |"
    assert table in read(make_docx(["p"], heading="Who", rows=rows), "a.docx").text
    assert "# Who" in read(make_docx(["p"], heading="Who", rows=rows), "a.docx").text
    assert table in read(make_xlsx({"S": rows}), "a.xlsx").text
    assert table in read(b"name,age\nAda,36\n", "a.csv").text
    html = b"<h2>Who</h2><table><tr><th>name<th>age</tr><tr><td>Ada<td>36</tr></table>"
    assert "## Who" in read(html, "a.html").text
    assert "| Ada | 36 |" in read(html, "a.html").text


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_row_far_down_a_long_table_has_its_header_near(format: str) -> None:
    rows = [["name", "city"], *([f"name{i}", f"city{i}"] for i in range(2000))]
    lines = "\n".join(map(",".join, rows)).encode()
    data = lines if format == "csv" else make_xlsx({"S": rows})
    text = read(data, f"a.{format}").text
    at = text.index("| name1500 | city1500 |")
    assert "| name | city |" in text[at - 2000 : at]
    assert text.count("| name1500 |") == 1
    assert "\n\n| name | city |\n" in text[at - 2000 : at]  # a blank line: a good place to cut


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter: str) -> None:
    data = "\n".join(delimiter.join(r) for r in (["a", "b, c", "d"], ["1", "2; 3", "4"])).encode()
    if delimiter in ",;":
        data = data.replace(b"b, c", b"b").replace(b"2; 3", b"2")
    assert read(data, "a.csv").text.count("\n") == 2


def test_cells_keep_quotes_commas_lines_and_pipes() -> None:
    text = read(b'a,b\n"x, ""y""\nz",p|q\n', "a.csv").text
    assert '| x, "y" z | p\\|q |' in text


def test_a_list_in_a_csv_file_stays_a_list() -> None:
    assert read(b"one\ntwo words\n", "a.csv").text == "one\ntwo words"


def test_json_keeps_keys_numbers_and_records_as_they_are_written() -> None:
    data = b"""{"name": "Acme", "n": 1.50, "big": %s, "x": NaN, "x": 2, "ok": true, "no": null,
        "place": {"city": "Bonn", "at": [1, 2]}, "people": [{"name": "Ada"}, {"name": "Bob"}]}"""
    text = read(data % (b"9" * 5000), "a.json").text
    assert text.split("\n") == [
        "name: Acme",
        "n: 1.50",
        "big: " + "9" * 5000,
        "x: NaN",
        "x: 2",
        "ok: true",
        "place.city: Bonn",
        "place.at: 1, 2",
        "",
        "## people",
        "",
        "name: Ada",
        "",
        "name: Bob",
    ]


def test_json_lines_are_one_block_a_record_under_either_name() -> None:
    data = b'{"title": "A", "text": "x"}\n\n{"title": "B"}\n'
    for name in ("a.jsonl", "a.ndjson", "a.json"):
        assert read(data, name).text == "title: A\ntext: x\n\ntitle: B"


def test_json_that_is_broken_names_the_place() -> None:
    assert "line 2, column 3" in refusal(b'{"a": 1,\n  b}', "a.json").message
    assert "line 2, column" in refusal(b'{"a": 1}\n{"a": \n', "a.jsonl").message
    assert "secret" not in refusal(b'{"secret word": }', "a.json").message


def test_html_loses_scripts_styles_links_and_inline_pictures_but_no_text() -> None:
    data = b"""<style>p {color: red}</style><script>var secret = 1;</script>
        <p>See <a href="https://example.org/x?y=1">the <b>report</b></a> <img src="data:image/png;
        base64,AAAA" alt="chart"> now.</p>"""
    for careful in (False, True):
        text = read(data, "a.html", careful).text
        assert "See the report" in text
        assert not re.search("secret|color|example|AAAA", text)


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.log", "txt"), ("a.py", "txt"), ("a.yaml", "txt"), ("README", "txt"), ("a.rst", "txt")],
)
def test_unknown_endings_that_are_clearly_text_are_read_as_text(name: str, format: str) -> None:
    assert read(b"# a comment\nkey: value\n", name).format == format


def test_text_without_an_ending_is_sniffed() -> None:
    assert read(b"<!DOCTYPE html><html><body><p>Hi</p></body></html>", "page").format == "html"
    assert refusal(b"<?xml version='1.0'?><a>b</a>", "a").reason is FailureReason.UNSUPPORTED
    assert refusal(b"From: a@b.c\nTo: d@e.f\n\nHi", "mail.eml").reason is FailureReason.UNSUPPORTED


PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


@pytest.mark.parametrize(
    ("data", "name", "reason", "word"),
    [
        (make_zip({"a.txt": b"x"}), "a.zip", "archive", "unpack"),
        (b"\x1f\x8b\x08" + bytes(20), "a.gz", "archive", "gzip"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(20), "a.7z", "archive", "7-Zip"),
        (b"Rar!\x1a\x07\x01\0" + bytes(20), "a.rar", "archive", "RAR"),
        (bytes(257) + b"ustar\x0000" + bytes(300), "a.tar", "archive", "tar"),
        (make_zip({"a.txt": b"x"}, encrypted=True), "a.zip", "needs-password", "password"),
        (PNG, "a.png", "needs-ocr", "PNG"),
        (PNG, "a.docx", "needs-ocr", "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "a.jpg", "needs-ocr", "JPEG"),
        (b"II*\0" + bytes(50), "scan.tiff", "needs-ocr", "TIFF"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(9), "a.webp", "needs-ocr", "WebP"),
        (make_pdf(["", ""], picture=True), "scan.pdf", "needs-ocr", "OCR"),
        (b"{\\rtf1 Hello}", "a.rtf", "unsupported", "RTF"),
        (b"{\\rtf1 Hello}", "a.doc", "unsupported", "RTF"),
        (b"= Title\n\nHi", "a.adoc", "unsupported", "AsciiDoc"),
        (b"<?xml version='1.0'?><a/>", "a.xml", "unsupported", "XML"),
        (b'{"cells": [], "nbformat": 4}', "a.ipynb", "unsupported", "notebook"),
        (ole("WordDocument"), "a.doc", "unsupported", "docx"),
        (ole("Workbook"), "a.xls", "unsupported", "xlsx"),
        (ole("PowerPoint Document"), "a.ppt", "unsupported", "pptx"),
        (ole("__substg1.0_1000001F"), "a.msg", "unsupported", "Outlook"),
        (ole("EncryptionInfo", "EncryptedPackage"), "a.xlsx", "needs-password", "password"),
        (make_zip({"mimetype": b"application/epub+zip"}), "a.epub", "unsupported", "EPUB"),
        (bytes(range(256)) * 8, "a.bin", "unsupported", "binary"),
        (b"SQLite format 3\0" + bytes(100), "a.db", "unsupported", "SQLite"),
        (b"just words", "a.docx", "corrupt", "plain text"),
        (b"just words", "a.pdf", "corrupt", "plain text"),
        (b"just words", "a.png", "corrupt", "plain text"),
        (bytes(range(256)) * 8, "a.txt", "corrupt", "whole copy"),
        (bytes(range(256)) * 8, "a.docx", "corrupt", "whole copy"),
        (b"plain words", "a.json", "corrupt", "line 1"),
        (make_zip({"a.txt": b"x"}), "a.docx", "corrupt", "Office"),
        (make_zip({"a.txt": b"x"}, encrypted=True), "a.docx", "needs-password", "password"),
        (make_pdf(["secret"], password="x"), "a.pdf", "needs-password", "password"),
        (make_pdf([]), "a.pdf", "corrupt", "PDF"),
        (b"%PDF-1.7\n%%EOF", "a.pdf", "corrupt", "PDF"),
        (b"", "a.docx", "no text", "empty"),
        (b" \r\n\t \n", "a.txt", "no text", "white space"),
        (b"\xef\xbb\xbf \n", "a.md", "no text", "white space"),
        ("\ufeff \n".encode("utf-16-le"), "a.txt", "no text", ""),
        (b"[]", "a.json", "no text", ""),
        (b"---\n\n***\n", "a.md", "no text", ""),
        (b"<html><body><script>x()</script></body></html>", "a.html", "no text", ""),
        (make_pdf(["", ""]), "a.pdf", "no text", "neither text nor pictures"),
        (make_docx(()), "a.docx", "no text", ""),
        (make_pptx([]), "a.pptx", "no text", ""),
        (make_xlsx({"S": []}), "a.xlsx", "no text", ""),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_own_reason(
    data: bytes, name: str, reason: str, word: str
) -> None:
    error = refusal(data, name)
    assert error.reason == reason
    assert word in error.message
    assert isinstance(error, NoText) == (reason == "no text")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_an_encrypted_opendocument_needs_its_password() -> None:
    manifest = b"<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    members = {
        "mimetype": b"application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": manifest,
    }
    assert refusal(make_zip(members), "a.odt").reason is FailureReason.NEEDS_PASSWORD
    del members["META-INF/manifest.xml"]
    assert refusal(make_zip(members), "a.odt").reason is FailureReason.UNSUPPORTED


def test_limits_on_bytes_and_characters_are_named() -> None:
    small = LimitSettings(document_bytes=10, document_characters=20)
    with pytest.raises(InvalidDocument, match="GRAPHMILL_LIMIT_DOCUMENT_BYTES"):
        parse(b"x" * 11, "a.txt", small)
    small = LimitSettings(document_characters=20)
    for format in FORMATS:
        with pytest.raises(InvalidDocument, match="GRAPHMILL_LIMIT_DOCUMENT_CHARACTERS") as error:
            parse(sample(format, "word " * 50), f"a.{format}", small)
        assert error.value.reason is FailureReason.TOO_LARGE


def test_a_sheet_with_two_far_cells_is_not_filled_in_between() -> None:
    for careful in (False, True):
        text = read(sparse_xlsx(), "a.xlsx", careful).text
        assert "first" in text
        assert "last" in text
        assert len(text) < 1_000_000


def test_plain_text_of_25000_characters_takes_under_2_ms() -> None:
    data = ("The quick brown fox jumps over the lazy dog near Größe.\n" * 450).encode()
    read(data, "a.txt")
    times: list[float] = []
    for _ in range(30):
        started = time.perf_counter()
        read(data, "a.txt")
        times.append(time.perf_counter() - started)
    assert min(times) < 0.002


def test_a_process_that_sees_only_plain_text_loads_no_document_library() -> None:
    heavy = (
        "liteparse pypdfium2 office_oxide html_to_markdown docx pptx openpyxl charset_normalizer"
    )
    code = (
        "import sys; from graphmill.parsing import parse; from graphmill.settings import *;"
        "parse('Grüße'.encode(), 'a.txt', LimitSettings());"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_of_the_parser_is_a_word() -> None:
    assert PARSER_VERSION
