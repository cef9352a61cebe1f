"""`graphmill query`: an answer with numbered citations."""

from rich.padding import Padding
from rich.text import Text

from graphmill.application.documents import collection_key
from graphmill.application.search import answer_to_json
from graphmill.cli.console import emit_json, out, plain
from graphmill.cli.session import open_basics, settings_for
from graphmill.embedded.stack import Parts
from graphmill.models import Answer

_QUOTED_CHARACTERS = 300


async def query(
    question: str, collection: str, mode: str, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_basics(settings, temporal=False, start=Parts.POSTGRES) as session:
        answer = await session.app.search.query(key, question, mode)
    if as_json:
        emit_json(answer_to_json(answer))
    else:
        show_answer(answer)
    return 0


def show_answer(answer: Answer) -> None:
    """The answer, then what its numbers point to."""
    # Beside a terminal, lines end where the answer's do.
    out.print(Text(plain(answer.answer)), soft_wrap=not out.is_terminal)
    for citation in answer.citations:
        page = "" if citation.page is None else f", page {citation.page}"
        out.print()
        out.print(Text(plain(f"[{citation.number}] {citation.title}{page}"), style="bold"))
        quoted = " ".join(citation.text.split())
        if len(quoted) > _QUOTED_CHARACTERS:
            quoted = quoted[:_QUOTED_CHARACTERS] + " …"
        out.print(Padding(Text(plain(quoted)), (0, 0, 0, 4)))
    if answer.entities:
        names = ", ".join(entity.title for entity in answer.entities)
        out.print()
        out.print(Text(plain(f"Entities: {names}"), style="dim"))
