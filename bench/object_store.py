"""Objects in S3, or in a store that speaks like it: read, listed, and put once if absent.

obstore does the talking; this module says which answers are tried again and what the others mean.
Who may read and write comes from the environment alone (`AWS_ACCESS_KEY_ID` and the rest). What a
store answers is never passed on in words: a refusal repeats keys and what was signed with them.
"""

import functools
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from bench.errors import InvalidRequest, Unreachable

T = TypeVar("T")

_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[\w.+=-]+)*)/?")
_STATUS = re.compile(r"status code: (\d{3})")
# Answers that another attempt may better: too slow, too many, broken on its way.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_SETTINGS = "AWS_"
REQUEST_S = 20.0
CONNECT_S = 5.0
PROBE = ".bench-probe"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried, and until when; a silent supervisor is killed after 120 s."""

    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 8.0
    within_s: float = 60.0


PATIENCE = Patience()


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """An object, or the folder that keys make one think of; joined with `/`, as paths are."""

    bucket: str
    key: str = ""

    def __truediv__(self, name: str) -> "ObjectPath":
        return ObjectPath(self.bucket, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> "ObjectPath":
        """All but the last part of the key."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def is_file(self) -> bool:
        """Whether there is such an object. Raises Unreachable."""
        found: bool = _asked(self, lambda store: bool(obstore.head(store, self.key)), absent=False)
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """An object as a listing tells of it; another content has another version."""

    path: ObjectPath
    size: int
    version: str


def parse(url: str) -> ObjectPath:
    """The place that `s3://bucket/prefix` means.

    Raises InvalidRequest: it is none; the text is not repeated, for there may be a key in it.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise InvalidRequest(
            "results are kept in a folder or at s3://bucket/prefix: a bucket in small letters, "
            "a prefix without spaces, and credentials only in the environment"
        )
    return ObjectPath(match[1], match[2].strip("/"))


def endpoint() -> str:
    """Where the store is, without what might be a secret; empty for Amazon's own."""
    url = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return re.sub(r"//[^/@]*@", "//", url).partition("?")[0].rstrip("/")


def listed(under: ObjectPath) -> list[Found]:
    """Every object below a prefix, sorted. Raises Unreachable."""

    def ask(store: S3Store) -> list[Found]:
        chunks = obstore.list(store, prefix=under.key or None)
        return [
            Found(ObjectPath(under.bucket, one["path"]), one["size"], _version(one))
            for chunk in chunks
            for one in chunk
        ]

    return sorted(_asked(under, ask), key=lambda found: found.path)


def _version(one: Any) -> str:
    return str(one["e_tag"] or one["last_modified"].isoformat())


def get(path: ObjectPath, *, largest: int) -> bytes | None:
    """An object's content; None where there is none.

    Raises Unreachable, and ValueError when it has more than `largest` bytes.
    """

    def ask(store: S3Store) -> bytes:
        answer = obstore.get(store, path.key)
        if answer.meta["size"] > largest:
            raise ValueError(f"larger than {largest // 2**20} MiB")
        return bytes(answer.bytes())

    return _asked(path, ask, absent=None)


def put_new(path: ObjectPath, content: bytes, *, patience: Patience = PATIENCE) -> None:
    """Put an object that is not there yet: all of it at once, or nothing.

    An attempt whose answer was lost may have been heard. So an object that is there already and
    has this very content is ours. (Contents are compared: an ETag is a checksum only sometimes.)

    Raises:
        FileExistsError: something else is there.
        Unreachable: no success with so much patience, or a refusal.
    """

    def attempt() -> bool:
        try:
            _put(path, content, mode="create")
        except AlreadyExistsError:
            # 412: it is there. 409: somebody else writes or deletes it at this moment, which may
            # leave nothing. obstore tells both in the same way; what is there tells them apart.
            there = get(path, largest=2**40)
            if there is None:
                return False
            if there != content:
                raise FileExistsError(f"{path} is there already") from None
        return True

    _insist(path, attempt, patience)


def put(path: ObjectPath, content: bytes, *, patience: Patience = PATIENCE) -> None:
    """Put an object in the place of whatever is there. Raises Unreachable."""

    def attempt() -> bool:
        _put(path, content, mode="overwrite")
        return True

    _insist(path, attempt, patience)


def check_conditions(under: ObjectPath, *, patience: Patience = PATIENCE) -> None:
    """Find out whether the store keeps an object when told to; once in a process.

    Leaves one small object, which the next one who asks finds: nothing has to be deleted.

    Raises Unreachable: it cannot be written, or overwrites what it was told to keep.
    """
    asked = (endpoint(), under)
    if asked in _trusted:
        return
    path = under / PROBE

    def attempt() -> bool:
        for _ in range(2):
            try:
                _put(path, b"asks whether this store keeps an object when told to\n", mode="create")
            except AlreadyExistsError:
                return True
        raise Unreachable(
            f"{under} overwrites an object that it was told to keep (it ignores If-None-Match), so "
            "results could be lost there: use a store that has conditional writes"
        )

    _insist(path, attempt, patience)
    _trusted.add(asked)


_trusted: set[tuple[str, ObjectPath]] = set()


def _put(path: ObjectPath, content: bytes, *, mode: Any) -> None:
    store = _store(path.bucket, _settings(), retries=0)
    # One request: the parts of a multipart upload would be many chances to stop half-way.
    obstore.put(store, path.key, content, mode=mode, use_multipart=False)


def _insist(path: ObjectPath, attempt: Callable[[], bool], patience: Patience) -> None:
    """Try until it is done, as often and as long as patience says. Raises Unreachable."""
    give_up = time.monotonic() + patience.within_s
    wait_s, said = patience.first_wait_s, "others are writing it"
    for number in range(1, patience.attempts + 1):
        try:
            if attempt():
                return
        except Unreachable:
            raise
        except (BaseError, FileNotFoundError) as error:
            said, passing = _meaning(error)
            if not passing:
                raise Unreachable(f"{path}: {said}") from None
        if number == patience.attempts or time.monotonic() + wait_s > give_up:
            break
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, patience.longest_wait_s)
    raise Unreachable(f"{path}: {said}, tried {number} times")


_ABSENT: Any = object()


def _asked(path: ObjectPath, ask: Callable[[S3Store], T], *, absent: Any = _ABSENT) -> T:
    """Read; obstore itself tries again, which is safe.

    Args:
        path: what is asked about.
        ask: what.
        absent: the answer where there is no such object; without it that is an error.

    Raises Unreachable.
    """
    try:
        return ask(_store(path.bucket, _settings(), retries=4))
    except (BaseError, FileNotFoundError) as error:
        if absent is not _ABSENT and isinstance(error, FileNotFoundError):
            answer: T = absent
            return answer
        raise Unreachable(f"{path}: {_meaning(error)[0]}") from None


def _meaning(error: Exception) -> tuple[str, bool]:
    """What went wrong, in words of ours, and whether it may pass."""
    match = _STATUS.search(str(error))
    status = int(match[1]) if match else None
    if status in (401, 403):
        said = (
            f"access denied (HTTP {status}); who asks is told by AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and the like in the environment"
        )
    elif status == 404:
        said = "there is no such bucket"
    elif status is not None:
        said = f"the store answers HTTP {status}"
    elif endpoint().startswith("http://") and "AWS_ALLOW_HTTP" not in os.environ:
        return "its address begins with http://, which AWS_ALLOW_HTTP=true would allow", False
    else:
        said = "the store cannot be reached, or breaks the connection off"
    return said, status is None or status in _PASSING


def _settings() -> frozenset[tuple[str, str]]:
    return frozenset((k, v) for k, v in os.environ.items() if k.startswith(_SETTINGS))


@functools.lru_cache(maxsize=8)
def _store(
    bucket: str,
    settings: frozenset[tuple[str, str]],
    *,
    retries: int,
) -> S3Store:
    allow_http = dict(settings).get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return S3Store(
        bucket,
        client_options={
            "timeout": timedelta(seconds=REQUEST_S),
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "allow_http": allow_http,
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=REQUEST_S),
            "backoff": {
                "init_backoff": timedelta(seconds=0.2),
                "max_backoff": timedelta(seconds=4),
            },
        },
    )
