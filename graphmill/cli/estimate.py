"""`graphmill index --estimate`: what a run would cost, without one."""

from rich.table import Table

from graphmill.application.estimates import estimate_files
from graphmill.application.folder import FoundFiles
from graphmill.cli.console import emit_json, say, show_table
from graphmill.cli.progress import duration, file_progress, usd
from graphmill.cli.prompts import prompts_if_known
from graphmill.errors import InvalidRequest
from graphmill.estimates import EMBED, EXTRACT_CLAIMS, Estimate
from graphmill.model_settings import ModelRole
from graphmill.models import CollectionKey, Method
from graphmill.settings import Settings
from graphmill.standard_settings import standard_options


async def show_estimate(
    found: FoundFiles,
    key: CollectionKey,
    method: Method | None,
    settings: Settings,
    *,
    batch: bool,
    as_json: bool,
) -> int:
    """By this machine's settings, which are those of the workers or not, and by what the collection
    has of its own where that can be read.

    Raises:
        InvalidRequest: method standard was asked for, and there is no model.
    """
    options = standard_options(settings)
    if options is None and method is Method.STANDARD:
        raise InvalidRequest("method standard asks a model, and no endpoint is set here")
    if options is None and batch:
        raise InvalidRequest("--batch asks a model, and no endpoint is set here")
    decided = Method.FAST if options is None else method or Method.STANDARD
    if decided is Method.FAST:
        options = None
    if options is None and not settings.model_for(ModelRole.EMBEDDINGS):
        say(f"method fast asks no model: {len(found.files):,} files cost nothing but time")
        if as_json:
            emit_json({"method": str(Method.FAST), "documents": len(found.files), "calls": 0})
        return 0
    if options is not None:
        options = options.for_collection(await prompts_if_known(settings, key))
    with file_progress() as progress:
        reading = progress.add_task("reading", total=len(found.files))
        foretold = await estimate_files(
            found.files, options, settings, lambda: progress.advance(reading), batch=batch
        )
    if as_json:
        emit_json({"method": str(decided)} | foretold.to_json())
    else:
        _show(foretold, decided)
    return 0


def _show(foretold: Estimate, method: Method) -> None:
    unreadable = f", {foretold.unreadable:,} without text" if foretold.unreadable else ""
    say(
        f"an estimate for {foretold.documents:,} documents{unreadable},"
        f" {foretold.text_units:,} different text units, as if none had been read before:"
    )
    table = Table("step", "calls", "tokens in", "out", "cost", "time", box=None)
    for step in foretold.steps:
        _add_row(
            table,
            f"{step.name} ({step.model})",
            (step.calls, step.prompt_tokens, step.completion_tokens),
            step.usd,
            _time(step.seconds, batch=foretold.batch),
        )
    _add_row(
        table,
        "in all",
        (foretold.calls, foretold.prompt_tokens, foretold.completion_tokens),
        foretold.usd,
        _time(foretold.seconds, batch=foretold.batch),
    )
    show_table(table)
    assumed = foretold.assumptions
    if method is Method.STANDARD:
        with_claims = any(step.name == EXTRACT_CLAIMS for step in foretold.steps)
        claims = f", {assumed.claims_answer_tokens} about claims" if with_claims else ""
        say(
            "Counted: the first questions about each text unit. Assumed:"
            f" {assumed.answer_tokens} tokens an answer ({assumed.gleaning_answer_tokens} to the"
            f" questions for what was missed{claims}), {assumed.pairs_share:g} doubtful pairs of"
            f" entities, {assumed.summaries_share:g} summaries and"
            f" {assumed.reports_share:g} reports for each text unit, and"
            f" {assumed.answer_tokens_a_second:g} tokens a second and call."
        )
    if any(step.name == EMBED for step in foretold.steps):
        say(
            f"Assumed of embeddings: {assumed.entities_share:g} entities of"
            f" {assumed.entity_tokens} tokens and {assumed.reports_share:g} reports of"
            f" {assumed.report_answer_tokens} for each text unit."
        )
    if foretold.batch:
        say(
            "In batches: half the price, and up to 24 h for each; a question that follows from an"
            " answer waits for the next batch. What batches leave open, and doubtful pairs of"
            " entities, are asked directly."
        )
    say("The real figures may well be half or twice as much; --budget sets an end to them.")
    if foretold.usd is None:
        say(
            "What it costs is not known: set prompt_price and completion_price of [[endpoints]] in"
            " graphmill.toml, or prices of single models there."
        )


def _add_row(
    table: Table, name: str, figures: tuple[int, int, int], cost: float | None, time: str
) -> None:
    shown = "?" if cost is None else usd(cost)
    table.add_row(name, *(f"{figure:,}" for figure in figures), shown, time)


def _time(seconds: float, *, batch: bool) -> str:
    """What is asked directly beside batches takes no hours."""
    return f"up to {seconds / 3600:,.0f} h" if batch and seconds >= 3600 else duration(seconds)
