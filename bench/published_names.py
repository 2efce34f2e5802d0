"""What the name of a published CSV file says: timm writes a benchmark's circumstances there.

    benchmark-{infer|train}-{precision}-{layout}-pt{torch}-cu{cuda}-{device}[-dynamo].csv
    benchmark-{infer|train}-{precision}-{layout}-pt{torch}-cpu-{model}[-dynamo].csv
    results-{test set}.csv

`amp` is autocast to float16. `dynamo` says that the model was compiled with torch.compile; which
backend and mode is not stated, so rows say `torch.compile` and no more.
"""

import re
from dataclasses import dataclass

from bench.errors import InvalidRequest

PRECISIONS = {
    "amp": "amp-fp16",
    "amp_fp16": "amp-fp16",
    "amp_bf16": "amp-bf16",
    "bf16": "bf16",
    "fp16": "fp16",
    "fp32": "fp32",
}

DATASETS = {
    "imagenet": "imagenet-1k",
    "imagenet-real": "imagenet-real",
    "imagenetv2-matched-frequency": "imagenet-v2",
    "sketch": "imagenet-sketch",
    "imagenet-a": "imagenet-a",
    "imagenet-r": "imagenet-r",
    "imagenet-a-clean": "imagenet-a-clean",
    "imagenet-r-clean": "imagenet-r-clean",
}

# Token in a file name -> (token in a run's id, the device's name). Newer files leave `rtx` out.
DEVICES = {
    "rtx3090": ("rtx3090", "NVIDIA GeForce RTX 3090"),
    "3090": ("rtx3090", "NVIDIA GeForce RTX 3090"),
    "rtx4090": ("rtx4090", "NVIDIA GeForce RTX 4090"),
    "4090": ("rtx4090", "NVIDIA GeForce RTX 4090"),
    "rtx5090": ("rtx5090", "NVIDIA GeForce RTX 5090"),
    "5090": ("rtx5090", "NVIDIA GeForce RTX 5090"),
    "pro6000maxq": (
        "pro6000maxq",
        "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    ),
    "i9_10940x": ("i9-10940x", "Intel Core i9-10940X"),
    "i7_12700h": ("i7-12700h", "Intel Core i7-12700H"),
}

COMPILED = "torch.compile"
# The last release of PyTorch 1; `pt1xx` has no digit for a patch release.
LAST_MINOR_OF_TORCH_1 = 13

_SPEED = re.compile(
    r"benchmark-(?P<bench>infer|train)-(?P<precision>\w+)-(?P<layout>nchw|nhwc)"
    r"-pt(?P<torch>\d{3,4})-(?:cu(?P<cuda>\d{3})|cpu)-(?P<device>\w+?)(?P<dynamo>-dynamo)?\.csv",
    re.ASCII,
)
_ACCURACY = re.compile(r"results-(?P<test_set>[\w-]+)\.csv", re.ASCII)
_SNAPSHOT = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Where and how the rows of one speed file were measured; bench is `infer` or `train`."""

    bench: str
    precision: str
    layout: str
    torch: str
    cuda: str | None
    device: str
    device_token: str
    device_kind: str
    compiled: str

    def run(self, snapshot: str) -> str:
        """Id of the results set: sorts by snapshot, the same for inference and training."""
        parts = [snapshot, "timm", self.device_token, self.precision, self.layout]
        parts.append(f"pt{self.torch}")
        if self.cuda:
            parts.append(f"cu{self.cuda}")
        if self.compiled != "eager":
            parts.append("compiled")
        return "-".join(parts)


def circumstances(file_name: str) -> Circumstances:
    """What the name of a speed file says.

    Raises InvalidRequest when it does not follow the rule at the head of this module.
    """
    match = _SPEED.fullmatch(file_name)
    if match is None:
        raise InvalidRequest(
            "its name is not benchmark-{infer|train}-{precision}-{nchw|nhwc}-pt{torch}-"
            "{cu..|cpu}-{device}[-dynamo].csv"
        )
    if match["precision"] not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise InvalidRequest(
            f"precision {match['precision']!r} in its name is unknown; known are {known}"
        )
    # A device that the table does not know keeps its token, for its id and for its name.
    token, device = DEVICES.get(
        match["device"], (match["device"].lower().replace("_", "-"), match["device"])
    )
    return Circumstances(
        bench=match["bench"],
        precision=PRECISIONS[match["precision"]],
        layout=match["layout"],
        torch=torch_version(match["torch"]),
        cuda=f"{match['cuda'][:-1]}.{match['cuda'][-1]}" if match["cuda"] else None,
        device=device,
        device_token=token,
        device_kind="cuda" if match["cuda"] else "cpu",
        compiled=COMPILED if match["dynamo"] else "eager",
    )


def torch_version(digits: str) -> str:
    """`111` -> 1.11, `113` -> 1.13, `291` -> 2.9.1, `2100` -> 2.10.0.

    PyTorch 1 is written without a patch release; from 2 on the last digit is the patch release.

    Raises InvalidRequest for digits that fit neither.
    """
    if digits[0] != "1":
        return f"{digits[0]}.{digits[1:-1]}.{digits[-1]}"
    minor = digits[1:]
    if minor.startswith("0") or int(minor) > LAST_MINOR_OF_TORCH_1:
        raise InvalidRequest(f"pt{digits} in its name is no version of PyTorch")
    return f"1.{minor}"


def bears_old_names(torch: str) -> bool:
    """Whether speeds of this PyTorch are to keep timm's old names.

    Those of 1.11 are joined with the accuracy of the same summer, which has the old names too.
    """
    major, minor = (int(part) for part in torch.split(".")[:2])
    return (major, minor) <= (1, 11)


def dataset(file_name: str) -> str | None:
    """The test set of an accuracy file; None for a file that is not named `results-*.csv`.

    Raises InvalidRequest when the test set is not one that this project knows.
    """
    match = _ACCURACY.fullmatch(file_name)
    if match is None:
        return None
    if match["test_set"] not in DATASETS:
        known = ", ".join(DATASETS)
        raise InvalidRequest(
            f"test set {match['test_set']!r} in its name is unknown; known are {known}"
        )
    return DATASETS[match["test_set"]]


def is_snapshot(name: str) -> bool:
    """Whether a name is a year and a month (`2026-08`)."""
    return _SNAPSHOT.fullmatch(name) is not None
