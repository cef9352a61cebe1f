"""What comes from documents cannot steer a terminal."""

import pytest

from graphmill.cli.console import cell, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", " [31mred [0m"),
        ("bell\x07 and \x9b2J", "bell  and  2J"),
        ("abc\u202edcba", "abc dcba"),
        ("line\nnext\tcolumn", "line\nnext\tcolumn"),
        ("[bold]no markup[/bold] 名前 ü", "[bold]no markup[/bold] 名前 ü"),
    ],
)
def test_control_characters_do_not_reach_the_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert cell(text).plain == shown
