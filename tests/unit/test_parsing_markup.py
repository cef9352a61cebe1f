"""Which marks of a converter's markdown go, and that the document's own characters stay."""

import time

import pytest

from graphmill.parsing.markup import plain_emphasis, plain_inline, unescape


def plain(markdown: str) -> str:
    return unescape(plain_inline(markdown))


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Estimator** Ellis *Turner*", "Estimator Ellis Turner"),
        ("F**oob**a**r** j*um****ped***", "Foobar jumped"),
        ("共**144**处", "共144处"),
        ("*A cartoon duck\n\nmade by AI*", "A cartoon duck\n\nmade by AI"),
        ("**two  \nlines  \n**\nnext", "two  \nlines  \n\nnext"),
        ("| **a** | x\\*y |", "| a | x*y |"),
        ("~~old~~ new", "old new"),
        ("x<sup>2</sup> and H<sub>2</sub>O", "x2 and H2O"),
        ("| a<br>b | c<br/>d |", "| a b | c d |"),
        ("see [the [1] report](a)", "see [the [1] report](a)"),
        ("see [the \\[1\\] report](a) ![chart](b.png)", "see the [1] report chart"),
    ],
)
def test_marks_of_the_converter_go_also_within_words(markdown: str, text: str) -> None:
    assert plain(markdown) == text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("\\[x\\](y)", "[x](y)"),
        ("!\\[im\\](x.png)", "![im](x.png)"),
        ("2 \\* 3 and \\*\\*not bold\\*\\*", "2 * 3 and **not bold**"),
        ("**C:\\\\dir\\\\**", "C:\\dir\\"),
        ("\\<sup\\> \\~\\~t\\~\\~ a\\<br\\>b", "<sup> ~~t~~ a<br>b"),
        ("1\\. x \\- \\`q\\`", "1. x - `q`"),
        ("a \\| b\n\n| c \\| d |", "a | b\n\n| c \\| d |"),
    ],
)
def test_what_the_document_itself_says_in_marks_is_given_back(markdown: str, text: str) -> None:
    assert plain(markdown) == text


@pytest.mark.parametrize(
    "markdown",
    [
        "* item\n  * deeper",
        "***\n\n* * *\n\n---",
        "```\nf(*args, **kw); on[i](event); a<br>b \\[x\\]\n```",
        "run `f(*a, **b)` and `on[i](event)`",
    ],
)
def test_bullets_rules_and_code_are_left(markdown: str) -> None:
    assert plain(markdown) == markdown


def test_without_escapes_only_whole_words_lose_their_stars() -> None:
    assert plain_emphasis("**Ada** wrote *notes on\nit*.") == "Ada wrote notes on\nit."
    for text in ("2*3*4", "| * left out |", "a ** b ** c", "\\*x\\*"):
        assert plain_emphasis(text) == text


@pytest.mark.parametrize(
    "piece", ["*", "\\", "`", "```\n", "[", "![", "[](", "~~", "* ", "**a ", "|"]
)
def test_hostile_marks_take_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.perf_counter()
    plain(text)
    plain_emphasis(text)
    assert time.perf_counter() - started < 5
