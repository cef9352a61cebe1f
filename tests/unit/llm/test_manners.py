"""What an endpoint refuses tells how it wants to be asked."""

import pytest

from graphmill.llm.manners import AnswerForm, Manners

SCHEMA, OBJECT, TEXT = AnswerForm


@pytest.mark.parametrize(
    ("words", "better"),
    [
        ("Invalid parameter: 'response_format' of type 'json_schema' is not supported", OBJECT),
        ("unknown field response_format", OBJECT),
    ],
)
def test_forms_get_weaker_one_by_one(words: str, better: AnswerForm) -> None:
    manners = Manners().after(words)
    assert manners is not None
    assert manners == Manners(form=better)
    assert manners.after(words) == Manners(form=TEXT)
    assert Manners(form=TEXT).after(words) is None


def test_newer_models_name_the_bound_otherwise_and_take_no_temperature() -> None:
    manners = Manners().after(
        "Unsupported parameter: 'max_tokens' is not supported with this model."
        " Use 'max_completion_tokens' instead. max_tokens"
    )
    assert manners is not None
    assert manners == Manners(completion_bound=True)
    manners = manners.after("'temperature' does not support 0 with this model. temperature")
    assert manners is not None
    assert manners == Manners(completion_bound=True, temperature=False)
    assert manners.after("max_completion_tokens is too large") is None


def test_what_is_not_about_manners_is_none_of_theirs() -> None:
    assert Manners().after("This model's maximum context length is 8192 tokens") is None
