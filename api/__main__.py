"""`python -m api`: serve HTTP until SIGTERM or Ctrl-C."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import uvicorn

from api.serving import ImpatientProtocol
from graphmill.errors import SettingsError
from graphmill.open_files import allow_many_open_files
from graphmill.settings import Settings, load_settings
from graphmill.telemetry.logs import configure_logs
from graphmill.telemetry.tracing import traces_url


def main() -> int:
    try:
        settings = load_settings()
        check_addresses(settings)
        traces_url()  # or each process of uvicorn's would say that it is wrong
    except SettingsError as error:
        sys.stderr.write(f"graphmill api: {error}\n")
        return 2
    configure_logs(settings.log_format, settings.log_level)
    # uvicorn raises the signal that ended it once more when all is done: that is no failure.
    signal.signal(signal.SIGTERM, _end)
    allow_many_open_files()
    uvicorn.run(
        "api.app:from_environment",
        factory=True,
        http=ImpatientProtocol,
        host=settings.api_host,
        port=settings.api_port,
        workers=settings.uvicorn_workers,
        timeout_keep_alive=settings.uvicorn_keep_alive,
        timeout_graceful_shutdown=settings.api_grace_seconds,
        proxy_headers=False,
        server_header=False,
        # Lines of requests tell names of collections and little else that health does not.
        access_log=False,
        log_config=None,
    )
    return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def check_addresses(settings: Settings) -> None:
    """
    Raises:
        SettingsError: the address of a server is not set.
    """
    if not settings.database_url or not settings.temporal_address:
        raise SettingsError(
            "the API needs TEMPORAL_ADDRESS and DATABASE_URL (`graphmill up` runs one itself;"
            " `graphmill api` finds what `graphmill up` runs)"
        )


if __name__ == "__main__":
    sys.exit(main())
