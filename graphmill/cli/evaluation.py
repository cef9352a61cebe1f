"""`graphmill eval`: how well a collection answers questions whose answers are known."""

import time
from pathlib import Path

from graphmill.application.documents import collection_key
from graphmill.application.search import Search
from graphmill.cli.console import emit_json, err, out
from graphmill.cli.session import open_session, settings_for
from graphmill.embedded.stack import Parts
from graphmill.evaluation import Evaluation, GoldQuestion, Outcome, evaluate, read_questions
from graphmill.models import CollectionKey


async def evaluation(
    collection: str, questions: Path, mode: str, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    gold = read_questions(questions)
    async with open_session(settings, temporal=False, start=Parts.POSTGRES) as session:
        outcomes: list[Outcome] = []
        for number, question in enumerate(gold, start=1):
            outcomes.append(await _ask(session.app.search, key, question, mode))
            if number % 10 == 0:
                err.print(f"{number} of {len(gold)} questions")
    found = evaluate(outcomes)
    if as_json:
        emit_json(_to_json(found))
    else:
        _show(found)
    return 0


async def _ask(search: Search, key: CollectionKey, gold: GoldQuestion, mode: str) -> Outcome:
    began = time.monotonic()
    answer = await search.query(key, gold.question, mode)
    seconds = time.monotonic() - began
    passages = await search.rank(key, gold.question, mode)
    documents = tuple(dict.fromkeys(passage.document_name for passage in passages))
    return Outcome(gold, documents, answer.answer, seconds)


def _to_json(found: Evaluation) -> dict[str, object]:
    return {
        "questions": found.questions,
        "recall": {str(k): round(share, 4) for k, share in found.recall.items()},
        "all_gold_at_5": round(found.all_gold_at_5, 4),
        "em": round(found.exact_match, 4),
        "f1": round(found.f1, 4),
        "seconds_per_question": round(found.seconds_per_question, 4),
    }


def _show(found: Evaluation) -> None:
    out.print(f"{found.questions} questions, {found.seconds_per_question:.2f} s each")
    for k, share in found.recall.items():
        out.print(f"recall@{k:<3} {share:6.1%}")
    out.print(f"all gold documents among the best 5: {found.all_gold_at_5:.1%}")
    out.print(f"exact match {found.exact_match:.1%}, F1 {found.f1:.1%}")
