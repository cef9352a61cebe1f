"""/v1/limits."""

from fastapi import APIRouter

from api.openapi import KEYED
from api.requests import ApiSettings, Reader
from graphmill.http_api.schemas import Limits

router = APIRouter(prefix="/v1/limits", tags=["documents"], responses=KEYED)


@router.get("")
async def show_limits(settings: ApiSettings, tenant: Reader) -> Limits:
    """What an upload may hold: whoever knows leaves out a file that would have all that is sent
    with it refused."""
    limits = settings.limits
    return Limits(
        document_bytes=limits.document_bytes,
        upload_bytes=limits.upload_bytes,
        upload_files=limits.upload_files,
    )
