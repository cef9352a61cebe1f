"""The Batch API of one endpoint, through the openai library, which never retries here."""

import contextlib
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import IO

import httpx2
import openai
from openai.types import Batch as OpenAIBatch

from graphmill.errors import NotFound
from graphmill.llm.addresses import Address
from graphmill.llm.batch_lines import URL, read_line, write_line
from graphmill.llm.batches import Batch, BatchedQuestion, LineAnswer, RemoteBatch
from graphmill.llm.faults import BrokenAnswer, CallRefused, QuestionRefused, Unreachable
from graphmill.llm.manners import Manners
from graphmill.llm.refusals import fault_of, plain_code, read_refusal, timed_out

# Under this name the digest stands in a batch's metadata.
_DIGEST = "graphmill_batch"
# Between a chunk of a file and the next; files are large, but not slow.
_SILENCE_SECONDS = 120.0
_CONNECT_SECONDS = 10.0
_LISTED = 100
_MOST_LISTED = 20_000
# How far the endpoint's clock may be behind ours.
_CLOCKS = timedelta(hours=1)
# Without a Batch API: no such route, no such method, or a gateway that says so.
_NO_BATCHES = frozenset({404, 405, 501})
# An answer that is read has 2,000,000 characters at most, of 6 bytes each in JSON.
_MOST_LINE = 16_000_000
_MOST_FILE = 4_000_000_000


class BatchClient:
    """What fails raises EndpointFault (not now) or CallRefused (never; what to do)."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        )
        self._openai = openai.AsyncOpenAI(
            base_url=address.base_url,
            api_key=address.api_key or "none",
            max_retries=0,
            http_client=self._http,
        )

    @property
    def base_url(self) -> str:
        return self._address.base_url

    def model(self, model: str) -> str:
        """The endpoint's name for it."""
        return self._address.models.get(model, model)

    async def find(self, batch: Batch) -> RemoteBatch | None:
        """The batch at the endpoint that has this digest, or is of this file (metadata may be lost
        on the way); None where there is none, or the list does not show it yet. Where there are
        several (which nobody should have made), the oldest."""
        oldest = (batch.formed_at - _CLOCKS).timestamp()
        found: OpenAIBatch | None = None
        with self._telling(self._no_batches("batches")):
            # The newest come first.
            seen = 0
            async for listed in await self._openai.batches.list(limit=_LISTED):
                seen += 1
                if listed.created_at < oldest or seen > _MOST_LISTED:
                    break
                known = (listed.metadata or {}).get(_DIGEST)
                if known == batch.digest or listed.input_file_id == batch.input_file != "":
                    found = listed
        return None if found is None else _remote(found)

    async def upload(
        self, batch: Batch, questions: AsyncIterator[BatchedQuestion], manners: Manners
    ) -> str:
        """The id of the file, which goes from disk: it may be large."""
        model = self.model(batch.model)
        with tempfile.TemporaryFile() as file:
            async for asked in questions:
                file.write(write_line(asked, model, manners))
            file.seek(0)
            with self._telling(self._no_batches("files")):
                uploaded = await self._openai.files.create(
                    file=(f"graphmill-{batch.digest[:16]}.jsonl", file), purpose="batch"
                )
        return uploaded.id

    async def create(self, batch: Batch) -> RemoteBatch:
        """Of the file that the batch names; raises NotFound where the endpoint has that no more, or
        has a place for files only: `find` knows which."""
        with self._telling(self._gone, self._no_batches("batches")):
            created = await self._openai.batches.create(
                completion_window="24h",
                endpoint=URL,
                input_file_id=batch.input_file,
                metadata={_DIGEST: batch.digest},
            )
        return _remote(created)

    async def show(self, remote_id: str) -> RemoteBatch:
        """Raises NotFound where the endpoint has no such batch any more."""
        with self._telling(self._gone):
            return _remote(await self._openai.batches.retrieve(remote_id))

    async def cancel(self, remote_id: str) -> None:
        """Nothing where it has ended."""
        with (
            contextlib.suppress(NotFound, QuestionRefused),  # gone; refused, since it has ended
            self._telling(self._gone),
        ):
            await self._openai.batches.cancel(remote_id)

    async def answers(self, file_id: str) -> AsyncGenerator[LineAnswer]:
        """What the lines of a file say that say anything. Raises NotFound where the endpoint has no
        such file."""
        async with aclosing(self.lines(file_id)) as lines:
            async for line in lines:
                answer = read_line(line)
                if answer is not None:
                    yield answer

    async def lines(self, file_id: str) -> AsyncGenerator[bytes]:
        """Of a file, which is on disk before the first line is given: who reads it may take long. A
        line that is too long for an answer is left out."""
        with tempfile.TemporaryFile() as file:
            await self._download(file_id, file)
            file.seek(0)
            while line := file.readline(_MOST_LINE):
                if line.endswith(b"\n") or len(line) < _MOST_LINE:
                    yield line
                    continue
                while line and not line.endswith(b"\n"):
                    line = file.readline(_MOST_LINE)

    async def _download(self, file_id: str, file: IO[bytes]) -> None:
        size = 0
        with self._telling(self._gone):
            async with self._openai.files.with_streaming_response.content(file_id) as response:
                async for chunk in response.iter_bytes():
                    size += len(chunk)
                    if size > _MOST_FILE:
                        raise CallRefused(
                            f"endpoint {self._address.name!r} sends a file of over {_MOST_FILE:,}"
                            " bytes for a batch; index without --batch"
                        )
                    file.write(chunk)

    async def delete_file(self, file_id: str) -> None:
        """As far as that can be: it holds text of documents, and nobody needs it any more."""
        with contextlib.suppress(openai.OpenAIError, httpx2.TransportError, ValueError):
            await self._openai.files.delete(file_id)

    async def close(self) -> None:
        with contextlib.suppress(httpx2.TransportError):
            await self._http.aclose()

    @contextmanager
    def _telling(self, absent: Exception, unable: Exception | None = None) -> Generator[None]:
        """Errors of the client library in our words; `absent` where there is no such thing, and
        `unable`, if it is not the same, where nobody does such a thing there."""
        name = self._address.name
        try:
            yield
        except openai.APIStatusError as error:
            if error.status_code in _NO_BATCHES:
                raise (absent if error.status_code == 404 else unable or absent) from None
            said = error.body if isinstance(error.body, str) else json.dumps(error.body)
            refusal = read_refusal(error.status_code, error.response.headers, said.encode())
            raise fault_of(refusal, name) from None
        except openai.APITimeoutError:
            raise timed_out(name) from None
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            raise Unreachable(
                f"endpoint {name!r} cannot be reached, or cut the connection"
                f" ({type(error.__cause__ or error).__name__})"
            ) from None
        except (openai.OpenAIError, ValueError):
            raise BrokenAnswer(f"endpoint {name!r} sent what is no answer") from None

    @property
    def _gone(self) -> NotFound:
        return NotFound(f"endpoint {self._address.name!r} has no such batch or file any more")

    def _no_batches(self, what: str) -> CallRefused:
        return CallRefused(
            f"endpoint {self._address.name!r} has no Batch API (nothing at /{what}); index without"
            " --batch, or set batch = false for this endpoint in graphmill.toml where another one"
            " serves its models"
        )


@asynccontextmanager
async def open_batch_client(address: Address) -> AsyncGenerator[BatchClient]:
    client = BatchClient(address)
    try:
        yield client
    finally:
        await client.close()


def _remote(batch: OpenAIBatch) -> RemoteBatch:
    counts = batch.request_counts
    errors = batch.errors.data if batch.errors and batch.errors.data else []
    return RemoteBatch(
        batch.id,
        batch.status,
        counts.total if counts else 0,
        counts.completed + counts.failed if counts else 0,
        tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
        plain_code(errors[0].code) if errors else "",
    )
