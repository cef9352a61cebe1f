"""Who of all that wait is next."""

from hypothesis import given
from hypothesis import strategies as st

from graphmill.turns.line import Line
from graphmill.turns.turn import Turn


def line_of(*callers: tuple[str, Turn]) -> Line[str]:
    line = Line[str]()
    for caller, turn in callers:
        line.add(caller, turn)
    return line


def served(line: Line[str]) -> str:
    return " ".join(line.next() for _ in range(len(line)))


def test_who_comes_alone_is_served_as_it_came() -> None:
    line = line_of(*((name, Turn(key="a")) for name in "xyz"))
    assert list(line) == ["x", "y", "z"]
    assert served(line) == "x y z"


def test_one_with_many_callers_keeps_another_waiting_for_one_of_them() -> None:
    line = line_of(*((f"a{number}", Turn(key="a")) for number in range(100)))
    assert [line.next() for _ in range(3)] == ["a0", "a1", "a2"]
    for name in ("b0", "b1", "b2"):
        line.add(name, Turn(key="b"))
    assert [line.next() for _ in range(6)] == ["b0", "a3", "b1", "a4", "b2", "a5"]


def test_who_comes_late_has_saved_nothing_up() -> None:
    line = line_of(*((f"a{number}", Turn(key="a")) for number in range(50)), ("b0", Turn(key="b")))
    assert [line.next() for _ in range(20)].count("b0") == 1
    for number in range(1, 20):
        line.add(f"b{number}", Turn(key="b"))
    assert sum(caller.startswith("b") for caller in (line.next() for _ in range(20))) == 10


def test_a_weight_is_a_share() -> None:
    line = line_of(
        *((f"a{number}", Turn(key="a", weight=3.0)) for number in range(40)),
        *((f"b{number}", Turn(key="b")) for number in range(40)),
    )
    first = [line.next() for _ in range(40)]
    assert sum(caller.startswith("a") for caller in first) == 30


def test_a_level_goes_before_all_behind_it() -> None:
    line = line_of(
        ("late", Turn(5, "a")), ("a", Turn(3, "a")), ("b", Turn(3, "b")), ("first", Turn(1, "a"))
    )
    assert served(line) == "first a b late"


def test_a_newcomer_does_not_wait_for_what_another_level_was_served() -> None:
    line = line_of(*((f"b{number}", Turn(3, "b")) for number in range(100)))
    for number in range(100):
        line.add(f"a{number}", Turn(2, "a"))
        assert line.next() == f"a{number}"
    line.add("c0", Turn(3, "c"))
    line.add("c1", Turn(3, "c"))
    assert [line.next() for _ in range(4)] == ["b0", "c0", "b1", "c1"]


def test_a_key_is_no_further_behind_for_what_it_got_at_another_level() -> None:
    line = line_of(*((f"a{number}", Turn(2, "a")) for number in range(100)))
    line.add("a", Turn(3, "a"))
    line.add("b0", Turn(3, "b"))
    line.add("b1", Turn(3, "b"))
    assert served(line).endswith("a99 a b0 b1")


def test_who_leaves_is_not_served_and_costs_its_key_nothing() -> None:
    line = line_of(("a0", Turn(key="a")), ("a1", Turn(key="a")), ("b0", Turn(key="b")))
    line.leave("a0")
    assert "a0" not in line
    assert served(line) == "a1 b0"


def test_one_that_is_served_out_of_turn_counts() -> None:
    line = line_of(("a0", Turn(key="a")), ("b0", Turn(key="b")), ("a1", Turn(key="a")))
    line.serve("a1")
    assert served(line) == "b0 a0"


callers = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from("abc"), st.sampled_from([0.5, 1.0, 4.0])),
    max_size=30,
)


@given(callers, st.integers(0, 30))
def test_what_is_foretold_is_how_they_are_served(
    waiting: list[tuple[int, str, float]], before: int
) -> None:
    line = Line[int]()
    for number, turn in enumerate(waiting):
        line.add(number, Turn(*turn))
    for _ in range(min(before, len(line))):
        line.next()
    foretold = list(line.in_turn())
    assert sorted(foretold) == sorted(line)
    assert [line.next() for _ in range(len(line))] == foretold
