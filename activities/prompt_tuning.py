"""The activity that drafts a collection's prompts from a sample of its text."""

from typing import Protocol
from uuid import UUID

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.errors import InvalidRequest
from graphmill.llm.budgets import OverBudget
from graphmill.llm.caller import ModelCaller
from graphmill.llm.calls import InvalidAnswer, Payer
from graphmill.llm.faults import ContextTooLong
from graphmill.model_settings import ExtractionSettings
from graphmill.models import CollectionKey
from graphmill.prompt_tuning import DraftedPrompts, DraftPrompts
from graphmill.standard.collection_prompts import CollectionPrompts
from graphmill.standard.prompt_tuning import draft_prompts, draft_question, read_description
from graphmill.tokens import count_tokens

PROMPTS_TUNE = "prompts_tune"
"""The step under which its calls are accounted."""


class TuningStore(Protocol):
    async def load_prompts(self, key: CollectionKey) -> CollectionPrompts:
        """Those in force. Raises NotFound where the collection is gone."""
        ...

    async def save_prompts(self, key: CollectionKey, prompts: CollectionPrompts) -> None: ...

    async def open_tuning(self, key: CollectionKey, id: UUID, budget_usd: float | None) -> None:
        """Write down what a tuning may cost. Done again, it changes nothing."""
        ...

    async def sample(self, key: CollectionKey, most: int) -> tuple[str, ...]:
        """Texts of so many live text units, of all where there are fewer; the same each time."""
        ...


class PromptTuningActivities:
    """Queue: llm."""

    def __init__(
        self,
        store: TuningStore,
        caller: ModelCaller,
        model: str | None,
        extraction: ExtractionSettings,
        *,
        priced: bool = True,
    ) -> None:
        """`model` for extraction; None: there is none. `extraction`: where a collection has no
        settings of its own. `priced` as of RunActivities."""
        self._store = store
        self._caller = caller
        self._model = model
        self._extraction = extraction
        self._priced = priced

    @activity.defn
    async def draft_prompts(self, asked: DraftPrompts) -> DraftedPrompts:
        """Draft prompts and types, and store them; they are not in force by that.

        Done again, with the same sample, it pays nothing again.
        """
        if self._model is None:
            raise InvalidRequest(
                "a draft is made by a model, and no endpoint is set; set OPENAI_BASE_URL and"
                " OPENAI_MODEL where the workers start"
            )
        if asked.budget_usd and not self._priced:
            raise InvalidRequest(
                "there is a budget, and what the models cost is not known; set prompt_price and"
                " completion_price of every one of [[endpoints]] in graphmill.toml, or tune"
                " without a budget"
            )
        async with heartbeating():
            return await self._draft(asked, self._model)

    async def _draft(self, asked: DraftPrompts, model: str) -> DraftedPrompts:
        key = asked.key
        in_force = await self._store.load_prompts(key)
        texts = await self._store.sample(key, asked.sample)
        if not texts:
            raise InvalidRequest(
                f"no document of {key.name!r} has been read yet, so there is no text to tune by;"
                f" read some first, without a model: graphmill index PATH --collection {key.name}"
                " --method fast --wait"
            )
        await self._store.open_tuning(key, asked.tuning_id, asked.budget_usd)
        question = draft_question(texts, model, count_tokens)
        payer = Payer(key, asked.tuning_id, PROMPTS_TUNE)
        try:
            described, _ = await self._caller.ask(payer, question, read_description)
        except OverBudget:
            raise OverBudget(
                "the question about the sample costs more than the budget allows; allow more with"
                " --budget, or take fewer text units with --sample"
            ) from None
        except InvalidAnswer as error:
            raise InvalidAnswer(
                f"the model gave no usable answer about the sample: {error}; tune again, or set"
                " another model for extraction"
            ) from None
        except ContextTooLong:
            raise ContextTooLong(
                "the sample is longer than the model takes; take fewer text units with --sample"
            ) from None
        prompts = draft_prompts(described, in_force.extraction or self._extraction)
        await self._store.save_prompts(key, prompts)
        return DraftedPrompts(prompts.version, len(texts), described.left_out)
