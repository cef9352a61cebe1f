"""Nothing that stands on a page of a PDF is lost, whichever way it runs."""

import io

import pypdf
import pytest
from pypdf.annotations import FreeText, Text
from pypdf.generic import DictionaryObject

from graphmill.errors import NoText
from graphmill.models import ParsedDocument
from graphmill.parsing import parse
from graphmill.settings import LimitSettings
from tests.unit.parsing_samples import make_pdf


def read(data: bytes, careful: bool = False) -> ParsedDocument:
    return parse(data, "a.pdf", LimitSettings(), careful)


def pages_of(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[page.start : page.end] for page in parsed.pages]


def lines_pdf(pages: list[list[tuple[int, str]]]) -> bytes:
    """Pages of lines at heights over the foot of the page."""
    # Out of the string that the sample writes, and into it again.
    drawings = [
        ") Tj ET BT /F1 12 Tf ".join(f"1 0 0 1 72 {y} Tm ({text}" for y, text in lines)
        for lines in pages
    ]
    writer = pypdf.PdfWriter(io.BytesIO(make_pdf(["x"] * len(pages))))
    for page, drawing in zip(writer.pages, drawings, strict=True):
        contents = page.get_contents()
        assert contents is not None
        contents.set_data(f"BT /F1 12 Tf {drawing}) Tj ET".encode("latin-1"))
        page.replace_contents(contents)
    return saved(writer)


def saved(writer: pypdf.PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def annotated(data: bytes, *notes: DictionaryObject) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(data))
    for note in notes:
        writer.add_annotation(0, note)
    return saved(writer)


def rotated(data: bytes, index: int) -> bytes:
    """With the text of one page running upwards, as a landscape table in a report does."""
    writer = pypdf.PdfWriter(io.BytesIO(data))
    writer.pages[index].add_transformation((0, 1, -1, 0, 800, 0))
    return saved(writer)


def test_the_top_and_the_bottom_of_a_page_are_text_too() -> None:
    lines = [(820, "29 June 2023"), (800, "Dear Ms Lovelace,"), (500, "Thank you."), (20, "Yours")]
    text = read(lines_pdf([lines])).text
    for _, line in lines:
        assert line in text


def test_running_heads_stay_where_they_come_first_and_numbered_ones_everywhere() -> None:
    pages = [
        [(820, "Annual Report"), (500, f"Body {n} of it."), (20, f"Invoice {n}")]
        for n in range(1, 7)
    ]
    found = pages_of(read(lines_pdf(pages)))
    assert [page.count("Annual Report") for page in found] == [1, 0, 0, 0, 0, 0]
    for number, page in enumerate(found, start=1):
        assert f"Body {number} of it." in page
        assert f"Invoice {number}" in page


def test_lines_that_come_back_in_a_short_document_stay() -> None:
    pages = [[(820, "Annual Report"), (500, f"Body {n} of it.")] for n in range(1, 5)]
    assert read(lines_pdf(pages)).text.count("Annual Report") == 4


def test_text_that_runs_upwards_is_read_on_its_own_page() -> None:
    lines = ["First page of text.", "Ada Lovelace wrote long notes.", "Third page of text."]
    found = pages_of(read(rotated(make_pdf(lines), 1)))
    assert [" ".join(page.split()) for page in found] == lines


def test_a_document_of_only_such_pages_is_read() -> None:
    assert "Ada Lovelace" in read(rotated(make_pdf(["Ada Lovelace wrote notes."]), 0)).text


def test_notes_that_readers_wrote_come_after_the_text_of_their_page() -> None:
    note = Text(rect=(50, 550, 70, 570), text="Check this with Charles.")
    free = FreeText(text="A remark\non two lines.", rect=(50, 450, 200, 500))
    data = annotated(make_pdf(["Ada Lovelace wrote.", "Next page."]), note, free)
    assert pages_of(read(data)) == [
        "Ada Lovelace wrote.\n\nCheck this with Charles.\n\nA remark\non two lines.",
        "Next page.",
    ]


def test_a_note_that_says_what_the_page_says_is_not_said_twice() -> None:
    note = Text(rect=(50, 550, 70, 570), text="Ada  Lovelace\nwrote.")
    assert read(annotated(make_pdf(["Ada Lovelace wrote."]), note)).text == "Ada Lovelace wrote."


def test_a_page_with_nothing_but_a_note_is_read() -> None:
    note = Text(rect=(50, 550, 70, 570), text="this is the note")
    assert read(annotated(make_pdf([""]), note)).text == "this is the note"
    with pytest.raises(NoText):
        read(make_pdf([""]))


@pytest.mark.parametrize("careful", [False, True])
def test_characters_that_look_like_markdown_stay_as_they_are(careful: bool) -> None:
    for text in ("2 * 3 * 4 a*b*c", "see [x](y) and **z**", "C:\\dir\\*.txt", "x <br> y"):
        assert read(make_pdf([text]), careful).text == text
