"""What runs of method standard ask, by the settings of the process that opens them."""

from graphmill.model_settings import ModelRole
from graphmill.settings import Settings
from graphmill.standard.options import StandardOptions


def standard_options(settings: Settings) -> StandardOptions | None:
    """None where there is no model."""
    if not settings.answers_text:
        return None
    models = StandardOptions(
        settings.model_for(ModelRole.EXTRACTION),
        settings.model_for(ModelRole.SUMMARIES),
        settings.model_for(ModelRole.REPORTS),
    )
    return models.with_extraction(settings.extraction)
