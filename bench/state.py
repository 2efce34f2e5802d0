"""The data folder behind `--data` and `$BENCH_DATA`, and what of it is on this machine's disk.

Results may lie in an object store; a journal, a log, a lock and what else changes by the second
cannot. So `s3://bucket/prefix` has a folder of its own on this machine, in which runs live as in
any other, with a note in it of where their results go. Only `bench.store` reads that note.
"""

import hashlib
import json
import os
from pathlib import Path

from bench import atomic, object_store
from bench.errors import BenchError, InvalidRequest
from bench.object_store import ObjectPath

NOTE = "store.json"


def home() -> Path:
    """`$BENCH_STATE`, else the user's folder for such things (`~/.local/state`)."""
    if own := os.environ.get("BENCH_STATE"):
        return Path(own).resolve()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "best-image-models"


def data_folder(text: str) -> Path:
    """The local data folder that is meant by a folder's name or by `s3://bucket/prefix`.

    Raises InvalidRequest: neither; BenchError: its folder on this machine cannot be made.
    """
    if "://" not in text:
        return Path(text)
    place = object_store.parse(text)
    note = {"url": str(place), "endpoint": object_store.endpoint()}
    digest = hashlib.sha256(json.dumps(note).encode()).hexdigest()[:12]
    folder = home() / f"s3-{place.bucket}-{digest}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / NOTE).exists():
            with atomic.new_file(folder / NOTE, replace=True) as file:
                file.write(json.dumps(note).encode() + b"\n")
    except OSError as error:
        raise BenchError(
            f"{folder}, where runs live until they are done, cannot be made: {error.strerror}; "
            "BENCH_STATE names another folder"
        ) from error
    return folder


def remote(data: Path) -> ObjectPath | None:
    """Where a data folder's results are, when not in itself.

    Raises InvalidRequest: its note cannot be read, or belongs to another server than the one that
    the environment names.
    """
    try:
        text = (data / NOTE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidRequest(f"{data / NOTE} cannot be read: {error.strerror}") from error
    try:
        note = json.loads(text)
        place, server = object_store.parse(note["url"]), note["endpoint"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(f"{data / NOTE} does not say where results are") from error
    if server != object_store.endpoint():
        raise InvalidRequest(
            f"the results of {data} are at {server or 'Amazon S3'}, which AWS_ENDPOINT_URL does "
            "not name"
        )
    return place
