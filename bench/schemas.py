"""What the columns of each Parquet file are; schemas grow by adding columns."""

from typing import Any

import pandas as pd
import pyarrow as pa

SCHEMA_VERSION = "1"

SPEED_SCHEMA = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("image_size", pa.int32(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("batch_size", pa.int32()),
        pa.field("images_per_s", pa.float64()),
        pa.field("step_s", pa.float64()),
        pa.field("step_low_s", pa.float64()),
        pa.field("step_high_s", pa.float64()),
        pa.field("samples_s", pa.list_(pa.float64())),
        pa.field("peak_memory_bytes", pa.int64()),
        pa.field("forward_s", pa.float64()),
        pa.field("backward_s", pa.float64()),
        pa.field("optimiser_s", pa.float64()),
        pa.field("parameters", pa.int64()),
        pa.field("multiply_adds", pa.int64()),
        pa.field("activations", pa.int64()),
        pa.field("compile_s", pa.float64()),
        pa.field("energy_per_image_j", pa.float64()),
        pa.field("host_device_ratio", pa.float64()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("message", pa.string()),
        pa.field("flags", pa.list_(pa.string())),
        pa.field("device", pa.string(), nullable=False),
        pa.field("device_kind", pa.string(), nullable=False),
        pa.field("precision", pa.string(), nullable=False),
        pa.field("layout", pa.string(), nullable=False),
        pa.field("compiled", pa.string(), nullable=False),
        pa.field("torch", pa.string()),
        pa.field("cuda", pa.string()),
        pa.field("cudnn", pa.string()),
        pa.field("driver", pa.string()),
        pa.field("timm", pa.string()),
        pa.field("measured_at", pa.timestamp("us", tz="UTC")),
        pa.field("environment", pa.string()),
        pa.field("details", pa.string()),  # JSON: how a row was measured, what was seen meanwhile
    ]
)

# A results set in few words, as results.results_sets has it; see bench.summaries.
SETS_SCHEMA = pa.schema(
    [
        pa.field("run", pa.string()),
        *(
            SPEED_SCHEMA.field(name).with_nullable(nullable=True)
            for name in (
                "device",
                "device_kind",
                "precision",
                "layout",
                "compiled",
                "torch",
                "cuda",
                "timm",
                "measured_at",
                "source",
            )
        ),
        pa.field("failures", pa.int32()),
        pa.field("throughput", pa.int32()),
        pa.field("latency", pa.int32()),
        pa.field("training", pa.int32()),
    ]
)

# What is known of each version of each file: its sets, or why it is left out. See bench.index.
INDEX_SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("problem", pa.string()),
        *SETS_SCHEMA,
    ]
)

ACCURACY_SCHEMA = pa.schema(
    [
        pa.field("snapshot", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("tag", pa.string()),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("image_size", pa.int32(), nullable=False),
        pa.field("top1_percent", pa.float64(), nullable=False),
        pa.field("top5_percent", pa.float64()),
        pa.field("crop_fraction", pa.float64()),
        pa.field("interpolation", pa.string()),
        pa.field("parameters", pa.int64()),
        pa.field("source", pa.string(), nullable=False),
    ]
)

# timm's registry: a row per weights, and a row per (architecture, image size).
MODELS_SCHEMA = pa.schema(
    [
        pa.field("timm", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("tag", pa.string()),
        pa.field("module", pa.string(), nullable=False),
        pa.field("licence", pa.string()),
        pa.field("hub_id", pa.string()),
        pa.field("input_size", pa.int32()),
        pa.field("test_size", pa.int32()),
        pa.field("fixed_input_size", pa.bool_()),
        pa.field("mean", pa.list_(pa.float64())),
        pa.field("standard_deviation", pa.list_(pa.float64())),
        pa.field("crop_fraction", pa.float64()),
        pa.field("crop_mode", pa.string()),
        pa.field("interpolation", pa.string()),
        pa.field("classes", pa.int32()),
        pa.field("origin_url", pa.string()),
        pa.field("paper", pa.string()),
        pa.field("message", pa.string()),  # why it cannot be measured here; null where it can
    ]
)

OPERATIONS_SCHEMA = pa.schema(
    [
        pa.field("timm", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("image_size", pa.int32(), nullable=False),
        pa.field("parameters", pa.int64()),
        pa.field("multiply_adds", pa.int64()),
        pa.field("activations", pa.int64()),
        pa.field("message", pa.string()),
    ]
)

# How good estimates are, one row per results set foretold as if its device were new; errors are
# shares of the time. See bench.estimate_evaluation.
ESTIMATE_ERRORS_SCHEMA = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("device_kind", pa.string(), nullable=False),
        pa.field("models", pa.int32(), nullable=False),
        pa.field("coverage", pa.float64(), nullable=False),
        *(
            pa.field(f"{way}{figure}", pa.float64(), nullable=False)
            for way in ("", "nearest_", "multiply_adds_")
            for figure in ("median_error", "p90_error", "rank_correlation")
        ),
    ]
)

# timm's own table of renamed models: an old name, and the name it has now.
RENAMES_SCHEMA = pa.schema(
    [
        pa.field("timm", pa.string(), nullable=False),
        pa.field("old", pa.string(), nullable=False),
        pa.field("model", pa.string()),
    ]
)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A frame with missing values in every type: whole numbers stay whole numbers."""
    nullable: dict[pa.DataType, Any] = {
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame
