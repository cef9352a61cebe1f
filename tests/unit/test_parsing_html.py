"""What a reader of the page sees is in its text, and what only the browser reads is not."""

import pytest

from graphmill.models import ParsedDocument
from graphmill.parsing import parse
from graphmill.settings import LimitSettings


def read(source: str, careful: bool = False) -> ParsedDocument:
    return parse(source.encode(), "a.html", LimitSettings(), careful)


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("element", ["header", "nav", "form", "aside", "footer", "button", "label"])
def test_text_in_any_part_of_the_page_is_kept(element: str, careful: bool) -> None:
    source = f"<body><{element}><p>Ada Lovelace</p></{element}><p>wrote notes.</p></body>"
    assert read(source, careful).text.split() == ["Ada", "Lovelace", "wrote", "notes."]


def test_a_page_that_is_one_form_is_read() -> None:
    source = '<form id="aspnetForm"><h1>Title</h1><p>Body text.</p><input value="x"></form>'
    assert read(source).text == "# Title\n\nBody text."


@pytest.mark.parametrize("careful", [False, True])
def test_scripts_and_the_like_stay_out_also_where_navigation_is_kept(careful: bool) -> None:
    noise = "".join(f"<{e}>secret</{e}>" for e in ("script", "style", "template", "noscript"))
    text = read(f"<nav>Home {noise}</nav><form>Name {noise}</form>", careful).text
    assert text.split() == ["Home", "Name"]


@pytest.mark.parametrize("careful", [False, True])
def test_words_for_pictures_are_kept_and_their_addresses_are_not(careful: bool) -> None:
    source = """<p>See <img src="data:image/png;base64,SECRET" alt="sales &amp; costs (2020)">,
        <img alt='a "cat"' src=SECRET><img alt=dog/><img src="SECRET.png" alt=""> and
        <a href="SECRET"><IMG data-alt="SECRET" ALT="a map"></a>.</p>"""
    text = " ".join(read(source, careful).text.split())
    assert text == 'See sales & costs (2020) , a "cat" dog and a map .'


def test_a_page_of_pictures_is_read_by_their_words() -> None:
    assert read('<body><img src="a.png" alt="New York logo"></body>').text == "New York logo"


def test_characters_that_look_like_markdown_stay_as_they_are() -> None:
    for text in ("2 * 3 * 4", "**not bold** [x](y)", "C:\\dir\\*.txt", "# 5", "1. x", "- x | y"):
        assert read(f"<p>{text}</p>").text == text


def test_marks_within_words_and_cells_go() -> None:
    assert read("<p>Sin<b>ht</b>gunt <s>old</s> x<sup>2</sup> <mark>m</mark></p>").text == (
        "Sinhtgunt old x2 m"
    )
    source = (
        "<table><tr><th>a<br>b<th>c</tr><tr><td>x*y<td>p|q</tr></table><ul><li>i<ul><li>j</ul></ul>"
    )
    assert read(source).text == "| a b | c |\n| --- | --- |\n| x*y | p\\|q |\n\n- i\n  - j"


def test_code_is_left_as_it_is() -> None:
    assert "f(*a, **b) \\[x\\]" in read("<pre>f(*a, **b) \\[x\\]</pre>").text
