"""Children before those that are rolled up from them, whatever is oversize and whoever is late."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from activities.report_order import ReportOrder
from graphmill.ports import PlacedCommunity


@st.composite
def hierarchies(draw: st.DrawFn) -> list[PlacedCommunity]:
    """Each community's parent is one of those before it, or none."""
    placed: list[PlacedCommunity] = []
    for number in range(draw(st.integers(0, 15))):
        parent = draw(st.integers(-1, number - 1))
        level = placed[parent].level + 1 if parent >= 0 else 0
        size = draw(st.integers(1, 20))
        placed.append(PlacedCommunity(number, level, parent, (), size, draw(st.booleans())))
    return [
        replace(one, children=tuple(other.community for other in placed if other.parent == number))
        for number, one in enumerate(placed)
    ]


@given(
    hierarchies(),
    st.sets(st.integers(0, 14)),
    st.integers(1, 5),
    st.integers(1, 40),
    st.integers(0, 1000),
)
def test_all_without_a_report_come_and_those_put_off_again_after_their_children(
    communities: list[PlacedCommunity], oversize: set[int], most: int, entities: int, seed: int
) -> None:
    order = ReportOrder(communities)
    reported = {one.community for one in communities if one.reported}
    expected = set(range(len(communities)))
    asked: list[int] = []
    late = random.Random(seed)
    while order.left or asked:
        taken = order.take(most, entities)
        assert len(taken) <= most
        assert len(taken) <= 1 or sum(one.size for one in taken) <= entities
        assert taken or asked, "nobody could ever go on"
        for one in taken:
            assert one.community not in reported
            assert one.community not in asked
            if order.is_put_off(one.community):
                assert reported.issuperset(one.children)
            elif one.community in oversize and one.children:
                order.put_off(one.community)
                continue
            asked.append(one.community)
        if asked and (not taken or late.random() < 0.5):
            answered = asked.pop(late.randrange(len(asked)))
            reported.add(answered)
            order.note_report(answered)
    assert reported == expected


def test_the_deepest_come_first() -> None:
    order = ReportOrder(
        [
            PlacedCommunity(0, 0, -1, (2,), 3, reported=False),
            PlacedCommunity(1, 0, -1, (), 1, reported=False),
            PlacedCommunity(2, 1, 0, (3,), 3, reported=False),
            PlacedCommunity(3, 2, 2, (), 3, reported=False),
        ]
    )
    assert [one.community for one in order.take(9, 99)] == [3, 2, 0, 1]


def test_children_whose_reports_are_loaded_count_and_a_large_one_comes_alone() -> None:
    order = ReportOrder(
        [
            PlacedCommunity(0, 0, -1, (2, 3), 10, reported=False),
            PlacedCommunity(1, 0, -1, (), 1, reported=False),
            PlacedCommunity(2, 1, 0, (), 5, reported=True),
            PlacedCommunity(3, 1, 0, (), 5, reported=True),
        ]
    )
    assert [one.community for one in order.take(1, 99)] == [0]
    order.put_off(0)
    assert [one.community for one in order.take(3, 15)] == [0]
    order.put_off(0)
    assert [one.community for one in order.take(4, 21)] == [0, 1]
