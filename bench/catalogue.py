"""What timm has: models, image sizes, operations, and what is to be measured of them.

Read from Parquet that `python -m bench catalogue` wrote (see `bench.registry`), so that neither the
dashboard nor the command line needs torch. A folder without a catalogue of its own has the one that
ships with the project.
"""

import difflib
import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from bench import store
from bench.errors import InvalidRequest, UnreadableFile
from bench.families import is_test_model

# One model for each kind of choice people make, from the fastest to the most accurate, each at the
# size of its default weights: enough to see how a device behaves.
QUICK = (
    ("mobilenetv3_small_100", 224),
    ("levit_256", 224),
    ("mobilenetv4_conv_medium", 320),
    ("efficientnet_b0", 224),
    ("resnet18", 288),
    ("resnet50", 288),
    ("vit_small_patch16_224", 224),
    ("convnext_tiny", 288),
    ("swin_tiny_patch4_window7_224", 224),
    ("efficientnetv2_rw_s", 384),
    ("vit_base_patch16_224", 224),
    ("convnext_base", 288),
)
PRESETS = ("quick", "all")


def models(data: Path = store.SHIPPED) -> pd.DataFrame:
    """One row per weights, and one without a tag for each architecture that has none.

    Columns are those of MODELS_SCHEMA; an architecture's default weights come first.
    Raises UnreadableFile when the file is absent or damaged.
    """
    return _read("models.parquet", store.MODELS_SCHEMA, data)


def operations(data: Path = store.SHIPPED) -> pd.DataFrame:
    """One row per (architecture, image size) of the work list; columns of OPERATIONS_SCHEMA.

    Raises UnreadableFile when the file is absent or damaged.
    """
    return _read("operations.parquet", store.OPERATIONS_SCHEMA, data)


def renames(data: Path = store.SHIPPED) -> dict[str, str | None]:
    """Old names of models -> their present ones (`architecture.tag`), None for removed models.

    Raises UnreadableFile when the file is absent or damaged.
    """
    table = _read("renames.parquet", store.RENAMES_SCHEMA, data)
    return {
        old: None if pd.isna(new) else new
        for old, new in zip(table["old"], table["model"], strict=True)
    }


def estimate_errors(data: Path = store.SHIPPED) -> pd.DataFrame:
    """How good estimates are, per results set; columns of ESTIMATE_ERRORS_SCHEMA.

    Raises UnreadableFile when the file is absent or damaged.
    """
    return _read("estimate_errors.parquet", store.ESTIMATE_ERRORS_SCHEMA, data)


def refused(data: Path = store.SHIPPED) -> dict[str, str]:
    """Architectures that cannot be measured at a square size with three channels, and why."""
    table = models(data)
    table = table[table["message"].notna()]
    return dict(zip(table["architecture"], table["message"], strict=True))


def work_list(
    patterns: Iterable[str] = (),
    *,
    preset: str | None = None,
    architectures: Sequence[str] | None = None,
    data: Path = store.SHIPPED,
) -> list[tuple[str, int]]:
    """What to measure: each unique (architecture, image size) once, in the catalogue's order.

    A tag's image size is its test size where it has one, else its input size. `all` is every
    architecture: timm's `test_*` models come last, after what `refused` lists (at its longer side),
    which the worker answers with an `unsupported` row. Elsewhere test models count only when asked
    for by name, and what is refused is left out of patterns that match more than it, and is an
    error where it is all that was asked for.

    Args:
        patterns: names or shell patterns (`resnet50`, `convnext_*`), of architectures or, with a
            dot, of weights (`resnet50.a1_in1k`); those measure at their own image size only.
        preset: `quick` (QUICK, as it stands there) or `all`.
        architectures: exact names, as when another list decides (best of each family).
        data: the folder whose catalogue counts.

    Raises:
        InvalidRequest: nothing was asked for, a name or pattern matches nothing, or the preset is
            unknown.
        UnreadableFile: the catalogue is absent or damaged.
    """
    patterns = list(patterns)
    if not patterns and preset is None and architectures is None:
        raise InvalidRequest(f"say what to measure: a name, a pattern or {', '.join(PRESETS)}")
    if preset is not None and preset not in PRESETS:
        raise InvalidRequest(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    table = models(data)
    table["size"] = (
        table["test_size"].fillna(table["input_size"]).fillna(table["message"].map(_longer_side))
    )
    is_test = table["architecture"].map(is_test_model).astype(bool)
    wanted = pd.Series(data=False, index=table.index)
    for pattern in patterns:
        found = matching(table if is_test_model(pattern) else table[~is_test], pattern)
        wanted |= _measurable(table, found.reindex(table.index, fill_value=False))
    for name in architectures or ():
        found = _known(table, "architecture", table["architecture"] == name, name)
        wanted |= _measurable(table, found)
    chosen = table[wanted]
    if preset == "all":
        is_refused = table["message"].notna()
        chosen = pd.concat([table[~is_test & ~is_refused], table[is_refused], table[is_test]])
    pairs = [
        (name, int(size)) for name, size in zip(chosen["architecture"], chosen["size"], strict=True)
    ]
    if preset == "quick":
        pairs = [*QUICK, *pairs]
    return list(dict.fromkeys(pairs))


def matching(table: pd.DataFrame, pattern: str) -> pd.Series:
    """Which rows of `models` a name or shell pattern means; see `work_list`.

    Raises InvalidRequest when there is none.
    """
    column = "model" if "." in pattern else "architecture"
    expression = re.compile(fnmatch.translate(pattern))
    found = table[column].map(lambda name: expression.match(name) is not None).astype(bool)
    return _known(table, column, found, pattern)


def _measurable(table: pd.DataFrame, found: pd.Series) -> pd.Series:
    """The same selection without what is refused, unless that is all there was."""
    square = found & table["message"].isna()
    if not square.any():
        first = table[found].iloc[0]
        raise InvalidRequest(f"{first['architecture']} cannot be measured: {first['message']}")
    return square


def _longer_side(message: str | None) -> int | None:
    """Of `takes 3 x 1024 x 768 values, ...`, which is all that is kept of such an input."""
    return None if pd.isna(message) else max(int(side) for side in re.findall(r"\d+", message))


def _known(table: pd.DataFrame, column: str, found: pd.Series, asked: str) -> pd.Series:
    """The same selection, which must not be empty; the error offers names that look alike."""
    if found.any():
        return found
    close = difflib.get_close_matches(asked, table[column].unique(), n=3, cutoff=0.7)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise InvalidRequest(f"timm {table['timm'].iloc[0]} has no model {asked!r}{hint}")


def _read(name: str, schema: pa.Schema, data: Path) -> pd.DataFrame:
    own = store.published(data, name)
    path = own if own.is_file() else store.SHIPPED / "published" / name
    try:
        return store.to_frame(store.read(path, schema))
    except UnreadableFile as error:
        raise UnreadableFile(f"{path}: {error}") from error
