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


def test_bounds_on_tokens_are_read_in_the_words_of_several_servers() -> None:
    openai = "max_tokens is too large: 8192. This model supports at most 4096 completion tokens"
    assert Manners().after(openai, 8192) == Manners(answer_tokens=4096)
    anthropic = "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for"
    assert Manners().after(anthropic, 8192) == Manners(answer_tokens=4096)
    vllm = (
        "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context"
        " length is 8192 tokens and your request has 1308 input tokens"
    )
    assert Manners().after(vllm, 8192) == Manners(context_tokens=8192)
    # Refused once more, or with nothing to be answered: it is the question that is too long.
    assert Manners(context_tokens=8192).after(vllm, 8192) is None
    assert Manners().after("This model's maximum context length is 8192 tokens") is None


def test_an_answer_is_bound_by_what_is_left_of_the_context() -> None:
    assert Manners().bound(8192, lambda: 1000) == 8192
    assert Manners(answer_tokens=4096).bound(8192, lambda: 1000) == 4096
    assert Manners(context_tokens=8192).bound(8192, lambda: 1000) == 8192 - 1364
    assert Manners(context_tokens=8192).bound(600, lambda: 1000) == 600
    assert Manners(context_tokens=8192).bound(8192, lambda: 8000) == 256
