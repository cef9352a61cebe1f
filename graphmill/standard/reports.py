"""create_community_reports with a model: what it writes is bounded, and refers to what it was
shown."""

from dataclasses import dataclass, field
from functools import partial

from graphmill.llm.calls import Question
from graphmill.models import Community, CommunityReport, Finding
from graphmill.prompts.loading import Prompt, load_prompt
from graphmill.references import KnownIds, rewrite_references
from graphmill.reports import MAX_CHARACTERS, content_addressed_report
from graphmill.standard.answers import InvalidAnswer, read_answer
from graphmill.standard.cleaning import one_line, paragraphs
from graphmill.standard.community_context import CommunityContext
from graphmill.standard.questions import ask
from graphmill.standard.schemas import COMMUNITY_REPORT, ReportAnswer

READER_VERSION = "1"
"""For cache keys: changes whenever the same answer may be read otherwise."""

MAX_TITLE = 300
MAX_SUMMARY = 5_000
MAX_EXPLANATION = 8_000
MAX_FINDINGS = 30
MAX_RANK = 10.0


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """`max_words` of the report are asked for, `max_tokens` bound the answer; `max_input_tokens`
    are for `community_context`."""

    max_words: int = 2_000
    max_input_tokens: int = 8_000
    language: str = ""
    prompt: Prompt = field(default_factory=partial(load_prompt, "community_report"))
    max_tokens: int = 8192


@dataclass(frozen=True, slots=True)
class ModelReport:
    """`rank` is 0 to 10. Texts refer to records by human_readable_id; `removed_ids` counts
    references to records that the model was not shown."""

    title: str
    summary: str
    findings: tuple[Finding, ...]
    rank: float
    rating_explanation: str
    removed_ids: int = 0


def report_question(context: CommunityContext, model: str, options: ReportOptions) -> Question:
    """A report on a community.

    Raises:
        InvalidRequest: the language is no name of a language.
    """
    return ask(
        options.prompt,
        {"max_words": str(options.max_words)},
        COMMUNITY_REPORT,
        context.text,
        model=model,
        language=options.language,
        max_tokens=options.max_tokens,
    )


def read_report(text: str, known: KnownIds) -> ModelReport:
    """The report, in which references to what the model was not shown are taken out.

    As markdown it has at most 14,000 characters, so that it can be embedded whole: findings that
    do not fit are left out, from the end.

    Raises:
        InvalidAnswer: it is no answer to the question, or has no title or no summary.
    """
    answer = read_answer(text, ReportAnswer)
    checked = _References(known)
    title = one_line(checked.check(answer.title), MAX_TITLE)
    summary = paragraphs(checked.check(answer.summary), MAX_SUMMARY)
    if not title or not summary:
        raise InvalidAnswer(f"its {'summary' if title else 'title'} is empty")
    findings: list[Finding] = []
    left = MAX_CHARACTERS - len(_markdown(title, summary, ()))
    for one in answer.findings[:MAX_FINDINGS]:
        finding = Finding(
            one_line(checked.check(one.summary), MAX_TITLE),
            paragraphs(checked.check(one.explanation), MAX_EXPLANATION),
        )
        if not finding.summary and not finding.explanation:
            continue
        left -= len(_markdown_of(finding))
        if left < 0:
            break
        findings.append(finding)
    return ModelReport(
        title,
        summary,
        tuple(findings),
        round(min(max(answer.rating, 0.0), MAX_RANK), 1),
        paragraphs(checked.check(answer.rating_explanation), MAX_SUMMARY),
        checked.removed,
    )


def to_community_report(community: Community, report: ModelReport) -> CommunityReport:
    """As it is stored and exported; its id is that of its content."""
    return content_addressed_report(
        community,
        report.title,
        report.summary,
        _markdown(report.title, report.summary, report.findings),
        report.rank,
        report.rating_explanation,
        report.findings,
    )


class _References:
    """From numbers of the context to human_readable_ids; counts those that it does not have."""

    def __init__(self, known: KnownIds) -> None:
        self._known = known
        self.removed = 0

    def check(self, text: str) -> str:
        return rewrite_references(text, self._rename)

    def _rename(self, table: str, number: int) -> int | None:
        id = self._known.of(table, number)
        self.removed += id is None
        return id


def _markdown(title: str, summary: str, findings: tuple[Finding, ...]) -> str:
    return f"# {title}\n\n{summary}" + "".join(map(_markdown_of, findings))


def _markdown_of(finding: Finding) -> str:
    return f"\n\n## {finding.summary}\n\n{finding.explanation}"
