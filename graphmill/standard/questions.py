"""How a step asks: instructions that are the same for all calls first, the text apart and last."""

import re
from collections.abc import Mapping

from graphmill.errors import InvalidRequest
from graphmill.llm.calls import Message, Question, Schema
from graphmill.prompts.loading import Prompt, load_prompt
from graphmill.standard.cleaning import one_line, storable
from graphmill.standard.schemas import show_form

MAX_LANGUAGE = 60
_LANGUAGE_OF_THE_TEXT = (
    "the language that the text is written in (if in several, the one that most of it is in)"
)

# What could pass for the end of the text, however it is spaced, and what endpoints read as the
# beginning or end of a message: its "<" becomes "&lt;", which reads the same and closes nothing.
_CLOSING = re.compile(
    r"<(?=[^\w<>]{0,8}text\b"
    r"|[|｜]"
    r"|/?(?:s|think|start_of_turn|end_of_turn)>)",
    re.IGNORECASE,
)


def ask(
    prompt: Prompt,
    values: Mapping[str, str],
    schema: Schema,
    text: str,
    *,
    model: str,
    language: str,
    max_tokens: int,
) -> Question:
    """A question about a text: instructions as the system message, the text as the user's.

    Args:
        values: for the prompt's placeholders.
        language: of the answer, such as "German"; "" for the text's own.
        max_tokens: of the answer.

    Raises:
        InvalidRequest: `language` is no name of a language; a placeholder has no value.
    """
    if language != one_line(language, MAX_LANGUAGE):
        raise InvalidRequest(
            f"language is {language!r}; expected is a name such as German, of at most"
            f" {MAX_LANGUAGE} characters, or nothing for the language of the text"
        )
    rules = load_prompt("answer_rules").fill(
        {"language": language or _LANGUAGE_OF_THE_TEXT, "form": show_form(schema)}
    )
    system = f"# {schema.name}\n\n{prompt.fill(values)}\n\n{rules}"
    messages = (Message("system", system), Message("user", set_apart(text)))
    return Question(prompt.version, model, messages, schema, max_tokens)


def shows_marks(text: str) -> bool:
    """Whether it has what could pass for the fence around a document, or for the end of a message:
    instructions that show such marks could undo those that follow them."""
    return _CLOSING.search(text) is not None


def set_apart(text: str) -> str:
    """The text between a line <text> and a line </text>, of which it cannot show another."""
    return f"<text>\n{_CLOSING.sub('&lt;', storable(text))}\n</text>"
