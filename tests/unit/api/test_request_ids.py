"""Every answer has an id by which the log knows the request."""

import httpx
import pytest

from api import search


async def test_an_id_that_was_sent_comes_back(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health/live", headers={"X-Request-ID": "abc-1.2_3"})
    assert answer.headers["x-request-id"] == "abc-1.2_3"
    problem = await http.get("/nowhere", headers={"X-Request-ID": "mine"})
    assert (problem.headers["x-request-id"], problem.json()["request_id"]) == ("mine", "mine")
    refused = await http.get("/", headers={"X-Request-ID": "mine", "Host": "evil.example"})
    assert (refused.status_code, refused.json()["request_id"]) == (403, "mine")


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "a\tb", "ü", "<script>"])
async def test_one_that_is_not_safe_to_repeat_is_replaced(
    http: httpx.AsyncClient, sent: str
) -> None:
    ids = [
        (await http.get("/health/live", headers=[(b"X-Request-ID", sent.encode())])).headers[
            "x-request-id"
        ]
        for _ in range(2)
    ]
    assert sent not in ids
    assert len(set(ids)) == 2


async def test_what_went_wrong_unexpectedly_has_one_too(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(answer: object) -> dict[str, object]:
        raise ValueError("secret")

    await http.post("/v1/collections", json={"name": "files"})
    monkeypatch.setattr(search, "answer_to_json", fail)
    answer = await http.post(
        "/v1/collections/files/query", json={"question": "Who?"}, headers={"X-Request-ID": "mine"}
    )
    assert answer.status_code == 500
    assert (answer.headers["x-request-id"], answer.json()["request_id"]) == ("mine", "mine")
    assert "(request mine)" in caplog.text
