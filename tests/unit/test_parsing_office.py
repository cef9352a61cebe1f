"""What the converter for Office files gets wrong, put right: empty cells, ruby, shapes, titles."""

import io
from collections.abc import Callable
from typing import Any

import docx
import openpyxl
import pptx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from pptx.util import Inches

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.models import ParsedDocument
from graphmill.parsing import parse
from graphmill.parsing.paragraphs import Paragraph, paragraphs
from graphmill.parsing.tables import repeat_headers
from graphmill.settings import LimitSettings
from tests.unit.parsing_samples import make_docx, make_pptx, make_xlsx, make_zip, with_member

LIMITS = LimitSettings()
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
SMART_ART = f"<m {A}><t><a:p><a:r><a:t>Acme &amp; Sons</a:t></a:r></a:p></t></m>".encode()
# A picture of one pixel.
GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def read(data: bytes, name: str, careful: bool = False) -> ParsedDocument:
    return parse(data, name, LIMITS, careful)


def saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def docx_of(body: str) -> bytes:
    xml = f"<w:document {W}><w:body>{body}</w:body></w:document>"
    return with_member(make_docx(), "word/document.xml", xml.encode())


@pytest.mark.parametrize("careful", [False, True], ids=["first", "careful"])
def test_empty_rows_and_columns_of_a_sheet_are_left_out(careful: bool) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for place, value in {"B2": "City", "D2": "Size", "B4": "Bonn", "D4": 5, "ZZ900": " "}.items():
        sheet[place] = value
    text = read(saved(workbook), "a.xlsx", careful).text
    assert "| City | Size |\n| --- | --- |\n| Bonn | 5 |" in " ".join(text.split(" "))
    assert len(text) < 100


def test_a_pipe_in_a_cell_is_no_column() -> None:
    trimmed = repeat_headers(r"| a\|b |  | c |" + "\n| --- | --- | --- |\n|  |  | d |", trim=True)
    assert trimmed == r"| a\|b | c |" + "\n| --- | --- |\n|  | d |"
    assert repeat_headers("|  |\n| --- |\n|  |", trim=True) == ""


def test_tables_are_trimmed_only_where_asked() -> None:
    table = "| a |  |\n| --- | --- |\n|  |  |"
    assert repeat_headers(table) == table


def test_a_line_break_in_a_cell_is_a_space() -> None:
    text = read(make_docx(rows=[["head", "b"], ["Ada\nLovelace", "d"]]), "a.docx").text
    assert "Ada Lovelace" in text
    text = read(make_xlsx({"S": [["Ada\nLovelace", "x"]]}), "a.xlsx").text
    assert "Ada Lovelace" in text


def test_ruby_gives_the_characters_and_not_their_reading() -> None:
    ruby = (
        "<w:p><w:r><w:ruby><w:rt><w:r><w:t>とうきょう</w:t></w:r></w:rt>"
        "<w:rubyBase><w:r><w:t>東京</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>"
    )
    assert read(docx_of(ruby), "a.docx").text == "東京"


def test_paragraphs_skip_what_is_said_twice_and_survive_broken_nesting() -> None:
    xml = (
        "<w:p><w:pPr><w:pStyle w:val='T'/></w:pPr><w:t>one</w:t><w:br/><w:t>two</w:t>"
        "<mc:Fallback><w:p><w:t>again</w:t></w:p></mc:Fallback><w:moveFrom/></w:p>"
        "<w:p/></w:rt></w:p><w:p><w:tab/><w:t xml:space='preserve'> &lt;a </w:t><w:t>b"
    )
    assert list(paragraphs(xml.encode())) == [Paragraph("T", "one two"), Paragraph("", "<a b")]


@pytest.mark.parametrize(
    ("data", "name", "part"),
    [
        (make_xlsx({"S": []}), "a.xlsx", "xl/diagrams/data1.xml"),
        (make_xlsx({"S": []}), "a.xlsx", "xl/drawings/drawing1.xml"),
        (make_docx([]), "a.docx", "word/diagrams/data1.xml"),
        (make_pptx([("", "")]), "a.pptx", "ppt/diagrams/data1.xml"),
    ],
)
def test_a_file_that_is_empty_but_for_shapes_gives_their_text(
    data: bytes, name: str, part: str
) -> None:
    assert "Acme & Sons" in read(with_member(data, part, SMART_ART), name).text


def test_shapes_are_bounded_too() -> None:
    data = with_member(make_xlsx({"S": []}), "xl/diagrams/data1.xml", SMART_ART * 10)
    with pytest.raises(InvalidDocument) as error:
        parse(data, "a.xlsx", LimitSettings(document_characters=50))
    assert error.value.reason is FailureReason.TOO_LARGE


def test_words_of_a_shape_in_a_sheet_stay_apart() -> None:
    drawing = (
        f'<xdr:wsDr {A} xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/'
        'spreadsheetDrawing"><xdr:twoCellAnchor><xdr:sp><xdr:txBody><a:p><a:r><a:t>See the</a:t>'
        "</a:r><a:r><a:t> text</a:t></a:r></a:p><a:p><a:r><a:t>box</a:t></a:r></a:p></xdr:txBody>"
        "</xdr:sp></xdr:twoCellAnchor></xdr:wsDr>"
    )
    rels = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/drawing" Target="../drawings/drawing1.xml"/></Relationships>'
    )
    data = with_member(make_xlsx({"S": [["cell"]]}), "xl/drawings/drawing1.xml", drawing.encode())
    data = with_member(data, "xl/worksheets/_rels/sheet1.xml.rels", rels.encode())
    text = read(data, "a.xlsx").text
    assert "See the text\nbox" in text
    assert "cell" in text


def test_a_docx_that_embeds_its_text_as_a_file_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidDocument, match="save it again") as error:
        read(docx_of('<w:altChunk r:id="a" xmlns:r="r"/>'), "a.docx")
    assert error.value.reason is FailureReason.UNSUPPORTED


@pytest.mark.parametrize("id", ["Title", "Titel"])
def test_a_paragraph_in_the_style_title_is_the_title_and_a_heading(id: str) -> None:
    document = docx.Document()
    document.core_properties.title = "Template"
    document.styles["Title"].element.styleId = id
    document.add_paragraph("Draft of May")
    document.add_paragraph("", style="Title")
    document.add_paragraph("Notes  on\n(a) *new* Engine", style="Title")
    document.add_heading("Abstract", level=1)
    document.add_paragraph("Text.")
    parsed = read(saved(document), "a.docx")
    assert parsed.title == "Notes on (a) *new* Engine".replace("*", "")
    assert "\n\n# Notes on (a) " in parsed.text


def test_a_style_of_another_kind_named_like_a_title_is_none() -> None:
    document = docx.Document()
    styles: Any = document.styles
    styles.add_style("Title Page", WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("Cover", style="Title Page")
    assert read(saved(document), "a.docx").text == "Cover"


def deck_with_master_text() -> Any:
    deck = pptx.Presentation()
    box = Inches(1)
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    shape: Any = slide.shapes.add_textbox(box, box, box, box)
    shape.text_frame.text = "on every slide"
    tree: Any = deck.slide_master.shapes._spTree  # pyright: ignore[reportPrivateUsage]
    tree.append(shape._element)
    return deck


def test_the_master_is_no_slide() -> None:
    parsed = read(saved(deck_with_master_text()), "a.pptx")
    assert "on every slide" in parsed.text
    assert len(parsed.pages) == 1


@pytest.mark.parametrize("title", ["One\vtwo", "One\ntwo", "\vtwo"])
def test_a_title_of_several_lines_keeps_the_pages(title: str) -> None:
    parsed = read(make_pptx([(title, "first"), ("Next", "second")]), "a.pptx")
    assert [parsed.text[page.start : page.end].split()[-1] for page in parsed.pages] == [
        "first",
        "second",
    ]


def picture_docx(name: str) -> bytes:
    document = docx.Document()
    paragraph = document.add_paragraph("This is a ")
    shape: Any = paragraph.add_run().add_picture(io.BytesIO(GIF))
    shape._inline.docPr.set("descr", name)
    paragraph.add_run("paragraph, see ")
    paragraph.add_run("plan.png").italic = True
    return saved(document)


def picture_pptx(name: str) -> bytes:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    assert slide.shapes.title is not None
    slide.shapes.title.text = "This is a paragraph, see plan.png"
    shape: Any = slide.shapes.add_picture(io.BytesIO(GIF), Inches(1), Inches(1))
    shape._element.nvPicPr.cNvPr.set("descr", name)
    return saved(deck)


@pytest.mark.parametrize("make", [picture_docx, picture_pptx])
@pytest.mark.parametrize("name", ["C:\\Users\\ada\\body_pic.jpg", "logo 2.PNG"])
def test_names_of_picture_files_are_not_text(make: Callable[[str], bytes], name: str) -> None:
    text = read(make(name), f"a.{make.__name__[-4:]}").text
    assert "This is a paragraph, see plan.png" in text
    assert name[-7:] not in text


def test_what_a_picture_shows_is_text() -> None:
    assert "An aerial view of Bonn" in read(picture_docx("An aerial view of Bonn"), "a.docx").text


def test_a_table_that_begins_in_a_line_of_text_is_a_table() -> None:
    cells = "<w:tr>" + "<w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>" * 2 + "</w:tr>"
    body = (
        "<w:p><w:r><w:t>before</w:t></w:r><w:r><w:drawing><wp:anchor"
        ' xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing">'
        f'<a:graphic {A}><a:graphicData uri="http://schemas.microsoft.com/office/word/2010/'
        'wordprocessingShape"><wps:wsp xmlns:wps="http://schemas.microsoft.com/office/word/2010/'
        f'wordprocessingShape"><wps:txbx><w:txbxContent><w:tbl>{cells * 2}</w:tbl><w:p/>'
        "</w:txbxContent></wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:anchor></w:drawing>"
        "</w:r></w:p>"
    )
    text = read(docx_of(body), "a.docx").text
    assert text == "before\n\n| x | x |\n| --- | --- |\n| x | x |"


def test_a_zip_with_only_shapes_is_no_office_file() -> None:
    with pytest.raises(InvalidDocument):
        read(make_zip({"xl/diagrams/data1.xml": SMART_ART}), "a.xlsx")
