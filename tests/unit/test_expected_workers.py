"""How many workers there should be is what the table [deployment] says, role by role."""

from graphmill.expected_workers import expected_workers
from graphmill.roles import Role


def test_a_process_of_several_roles_counts_for_each() -> None:
    found = expected_workers({"cpu": 3, "llm": 0, "llm_store": 2, "store": 1, "api": 4})
    assert found == {Role.CPU: 3, Role.LLM: 2, Role.STORE: 3}


def test_of_what_the_table_does_not_name_nothing_is_said() -> None:
    assert expected_workers({}) == {}
    assert expected_workers({"api": 2, "commands": 2}) == {}
