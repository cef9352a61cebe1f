"""Files that were uploaded, or that a batch wrote. They live as long as the process."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.support.model_endpoint.refusals import not_found


@dataclass(frozen=True, slots=True)
class StoredFile:
    id: str
    name: str
    purpose: str
    content: bytes
    created_at: int

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


class FileStore:
    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}

    def add(self, name: str, purpose: str, content: bytes) -> StoredFile:
        file = StoredFile(f"file-{uuid4().hex}", name, purpose, content, int(time.time()))
        self._files[file.id] = file
        return file

    def get(self, id: str) -> StoredFile:
        """
        Raises:
            Refusal: there is none.
        """
        file = self._files.get(id)
        if file is None:
            raise not_found(f"No such File object: {id}")
        return file

    def delete(self, id: str) -> None:
        """
        Raises:
            Refusal: there is none.
        """
        del self._files[self.get(id).id]
