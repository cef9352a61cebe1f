"""What a file is taken for when its parts lie in an unusual order or its name says little."""

import pytest

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.models import ParsedDocument
from graphmill.parsing import parse
from graphmill.settings import LimitSettings
from tests.unit.parsing_samples import make_zip, ole

LIMITS = LimitSettings()


def read(data: bytes, name: str) -> ParsedDocument:
    return parse(data, name, LIMITS)


def refusal(data: bytes, name: str) -> InvalidDocument:
    with pytest.raises(InvalidDocument) as error:
        read(data, name)
    return error.value


def test_names_of_streams_are_known_in_capitals_too() -> None:
    locked = ole("ENCRYPTIONINFO", "ENCRYPTEDPACKAGE")
    assert refusal(locked, "a.docx").reason is FailureReason.NEEDS_PASSWORD
    assert "docx" in refusal(ole("WORDDOCUMENT"), "a.doc").message


def test_an_old_office_file_with_another_inside_is_what_its_name_says() -> None:
    both = ole("WordDocument", "Workbook")
    assert "Excel" in refusal(both, "a.xls").message
    assert "Word" in refusal(both, "a.doc").message
    assert "Word" in refusal(ole("WordDocument"), "a.xls").message


def test_words_within_an_ole_file_are_no_names_of_streams() -> None:
    words = ole("Contents") + b"\0" * 64 + "a Book, a WordDocument".encode("utf-16-le")
    assert "OLE compound file" in refusal(words, "a.pub").message


@pytest.mark.parametrize(
    ("name", "members", "kind"),
    [
        ("a.epub", ("META-INF/container.xml", "mimetype"), "EPUB"),
        ("a.pages", ("QuickLook/Thumbnail.jpg", "index.xml"), "iWork"),
        ("a.key", ("index.apxl",), "iWork"),
        ("a.numbers", ("index.xml",), "iWork"),
        ("a.odt", ("content.xml",), "OpenDocument text"),
    ],
)
def test_documents_that_are_zips_are_no_archives_in_whatever_order(
    name: str, members: tuple[str, ...], kind: str
) -> None:
    error = refusal(make_zip(dict.fromkeys(members, b"x")), name)
    assert error.reason is FailureReason.UNSUPPORTED
    assert kind in error.message


def test_what_is_text_only_at_its_beginning_is_not_said_to_have_a_name_that_it_has_not() -> None:
    data = b"<a>plain words</a>\n" * 600 + bytes(range(256)) * 40
    message = refusal(data, "a.xml.p7m").message
    assert "name says" not in message
    assert "begins like text" in message


@pytest.mark.parametrize(
    "head",
    [
        "From: a@b.c\nTo: d@e.f\n",
        "From: =?ISO-8859-1?Q?J=F8rn?= <a@b.c>\r\nTo: nobody\r\n",
        "Date: Thu, 7 Jun 2001\nX-Folder: a\n b\nMessage-ID: <1@c>\n",
        "Return-Path: <a@b.c>\n",
    ],
)
def test_an_email_without_an_ending_is_one_by_its_head(head: str) -> None:
    assert "e-mail" in refusal(f"{head}\nHello\n".encode(), "letter").message


@pytest.mark.parametrize(
    "text", ["From: the office\n\nTo: all\n", "Date: today\nWe met.\n", "Subject: fees\n"]
)
def test_a_note_is_no_email(text: str) -> None:
    assert read(text.encode(), "note").format == "txt"


def test_a_part_of_a_split_archive_is_said_to_be_perhaps_one() -> None:
    assert "split" in refusal(bytes(range(256)) * 8, "a.zip").message


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_a_delimiter_that_a_table_names_is_taken_and_is_no_row(line: str) -> None:
    table = read(f"{line}Name;City, land\nAda;London, UK\n".encode(), "a.csv").text
    assert table.split("\n")[0] == "| Name | City, land |"
    assert "sep" not in table.lower()


def test_json_values_one_after_another_are_records_however_they_are_laid_out() -> None:
    data = b'{\n "a": "Ada"\n}\n{\n "a": "Bob"\n}{"a": "Cy"}'
    assert read(data, "a.json").text == "a: Ada\n\na: Bob\n\na: Cy"
    assert "line 3, column 2" in refusal(b'{"a": 1}\n{\n b}', "a.json").message
