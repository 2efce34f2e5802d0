"""Why a run cannot be started, found before it starts and said in one sentence."""

import shutil
import tempfile
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from bench import catalogue, locks, permission, store, waiting
from bench.devices import Device, busy, timm_names
from bench.errors import InvalidRequest
from bench.permission import Asker
from bench.run_folder import Request

# Every architecture and image size of timm in three measures is 4,400.
LARGEST_SWEEP = 10_000
LARGEST_IMAGE = 4096
LARGEST_BATCH = 65_536
FREE_BYTES = 64 * 2**20
FREE_BYTES_PER_ROW = 32 * 2**10


def why_not(device: Device, data: Path, *, by: Asker) -> str | None:
    """Why nothing can be started on this device now, in one sentence; None: it can.

    For a button that says why it is off. `submit` checks the same and what is asked besides.
    """
    if reason := permission.why_not(by):
        return reason
    if device.reason:
        return f"{device.name} cannot be used: {device.reason}."
    if reason := why_no_room(data, rows=1):
        return reason
    if (holder := locks.holder(device.lock)) is not None:
        return busy(device, holder)
    return None


def queue_is_full(device: Device) -> str:
    """The sentence for a device that has as many runs waiting as may wait."""
    return (
        f"{device.name} is busy and {waiting.PLACES} runs wait for it, which is as many as may: "
        "wait until one is over, or cancel one."
    )


def why_no_room(data: Path, *, rows: int) -> str | None:
    """Why a run of so many rows cannot be kept below this data folder; None: it can.

    Tries to write, because permissions, quotas and read-only mounts each say so elsewhere.
    """
    runs = data.resolve() / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs) as file:
            file.write(b"\0" * 4096)
            file.flush()
        free = shutil.disk_usage(runs).free
    except OSError as error:
        return f"{runs} cannot be written: {error.strerror}."
    if reason := store.why_not_writable(data):
        return reason
    needed = FREE_BYTES + rows * FREE_BYTES_PER_ROW
    if free < needed:
        return f"{runs} has {free // 2**20} MiB free, and this run may need {needed // 2**20} MiB."
    return None


def check(request: Request, data: Path) -> None:
    """Whether a request makes sense, wherever it is carried out.

    Raises InvalidRequest: nothing asked, too much, an unknown model, no room.
    """
    count = len(request.workloads)
    if not 1 <= count <= LARGEST_SWEEP:
        raise InvalidRequest(f"a run measures 1 to {LARGEST_SWEEP:,} things, got {count:,}")
    for workload in request.workloads:
        if workload.image_size > LARGEST_IMAGE:
            raise InvalidRequest(
                f"image size must be at most {LARGEST_IMAGE}, got {workload.image_size}"
            )
        if workload.batch_size is not None and workload.batch_size > LARGEST_BATCH:
            raise InvalidRequest(
                f"batch size must be at most {LARGEST_BATCH}, got {workload.batch_size}"
            )
    check_names({workload.architecture for workload in request.workloads})
    if reason := why_no_room(data, rows=count):
        raise InvalidRequest(reason)


def check_names(names: Iterable[str]) -> None:
    """Raises InvalidRequest unless every name is exactly one of timm's architectures.

    `hf-hub:` and `local-dir:` names would load remote or local content, and a path is no name.
    """
    known = set(catalogue.models()["architecture"])
    for name in sorted(names):
        if ":" in name or "/" in name:
            raise InvalidRequest(f"{name!r} is not a name of timm's registry: no ':' and no '/'")
        # The installed timm may be newer than the catalogue; asking it takes seconds.
        if name not in known and name not in timm_names():
            near = get_close_matches(name, known, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise InvalidRequest(f"timm has no model {name!r}{hint}")
