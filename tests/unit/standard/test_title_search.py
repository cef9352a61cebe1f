"""What comes back of a search among all titles is what somebody goes on with."""

from graphmill.standard.same_entities import SeenTitle, find_pairs
from graphmill.standard.title_search import SeenTitles, search_titles

ENTITIES = (
    ("KIM JONG UN", "person", 2),
    ("KIM JONG-UN", "person", 5),
    ("PYONGYANG", "geo", 3),
    ("SEOUL", "geo", 1),
    ("WILLIAM PENN", "person", 1),
    ("WILLIAM PENNE", "person", 1),
)


def test_titles_of_pairs_and_named_ones_come_back_and_no_others() -> None:
    seen = SeenTitles()
    seen.extend(ENTITIES[:4])
    seen.extend(ENTITIES[4:])
    assert len(seen) == 6
    found = search_titles(seen, ("SEOUL", "NOWHERE"))
    entities = [SeenTitle(*one) for one in ENTITIES]
    assert found.pairs == find_pairs(entities)
    assert (len(found.pairs.decided), len(found.pairs.near)) == (1, 1)
    assert found.seen == tuple(one for one in entities if one.title != "PYONGYANG")
