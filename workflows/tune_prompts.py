"""TunePrompts: prompts of a collection's own, drafted from a sample of its text."""

from typing import Any
from uuid import UUID

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.prompt_tuning import PromptTuningActivities
    from graphmill.prompt_tuning import (
        TUNE_PROMPTS,
        DraftedPrompts,
        DraftPrompts,
        TuneRequest,
        tune_workflow_id,
    )
    from workflows.own_id import check_own_id
    from workflows.policies import DRAFT_PROMPTS
    from workflows.written_by_hand import read_request


@workflow.defn(name=TUNE_PROMPTS)
class TunePrompts:
    @workflow.run
    async def run(self, *inputs: Any) -> DraftedPrompts:
        """One input: the JSON of a TuneRequest, for the reasons of IndexCollection."""
        request = read_request(inputs, lambda given: TuneRequest.from_json(_renamed(given)))
        check_own_id(
            tune_workflow_id(request.key), "prompts are drafted for the collection that it names"
        )
        tuning_id = UUID(workflow.info().first_execution_run_id)
        drafted = await workflow.execute_activity_method(
            PromptTuningActivities.draft_prompts,
            DraftPrompts(request.key, tuning_id, request.sample, request.budget_usd),
            summary=f"{request.sample} text units at most",
            **DRAFT_PROMPTS,
        )
        workflow.set_current_details(
            f"drafted {drafted.version} from {drafted.text_units} text units"
        )
        return drafted


def _renamed(given: Any) -> object:
    """What began before people could start it has its key in one field: it goes on."""
    match given:
        case {"key": {"tenant": tenant, "name": name}}:
            rest: dict[str, object] = {field: given[field] for field in given if field != "key"}
            return {"collection": name, "tenant": tenant} | rest
        case _:
            return given
