"""The shipped catalogue against timm itself and by hand, and what reading it imports."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench import catalogue, store
from bench.errors import UnreadableFile

NOT_SQUARE = {f"vit_{size}_patch16_sapiens2" for size in ("5b", "base", "giant", "huge", "large")}


@pytest.fixture(scope="module")
def registry():
    from bench import registry

    return registry


# against timm


def test_every_architecture_and_every_weight_of_timm_is_there(models, timm):
    assert set(models["timm"]) == {timm.__version__} == {"1.0.31"}
    assert set(models["architecture"]) == set(timm.list_models())
    assert models["architecture"].nunique() == 1371
    tagged = models[models["tag"].notna()]
    assert set(tagged["model"]) == set(timm.list_pretrained())
    assert (len(tagged), models["model"].is_unique) == (1826, True)
    without = models[models["tag"].isna()]
    assert (without["model"] == without["architecture"]).all()
    assert not set(without["architecture"]) & set(tagged["architecture"])


def test_default_weights_come_first(models, timm):
    first = models[models["tag"].notna()].drop_duplicates("architecture")
    for model, architecture in zip(first["model"], first["architecture"], strict=True):
        assert timm.get_pretrained_cfg(architecture).tag == model.partition(".")[2]


def test_what_timm_says_of_weights_is_kept(models, timm):
    for row in models[models["tag"].notna()].sample(200, random_state=1).itertuples():
        cfg = timm.get_pretrained_cfg(row.model)
        assert row.licence == cfg.license or (
            pd.isna(row.licence) and cfg.license in (None, "unknown")
        )
        assert row.hub_id == cfg.hf_hub_id or (pd.isna(row.hub_id) and cfg.hf_hub_id is None)
        assert tuple(row.mean) == cfg.mean
        assert tuple(row.standard_deviation) == cfg.std
        assert (row.interpolation, row.crop_mode) == (cfg.interpolation, cfg.crop_mode)
        assert (row.classes, row.fixed_input_size) == (cfg.num_classes, cfg.fixed_input_size)
        assert row.architecture in sys.modules[f"timm.models.{row.module}"].__all__


def test_licences_that_forbid_commerce_are_named_and_unknown_is_null(models):
    licences = models.set_index("model")["licence"]
    assert licences["resnet50.a1_in1k"] == "apache-2.0"
    assert licences["convnextv2_base.fcmae_ft_in22k_in1k"] == "cc-by-nc-4.0"
    assert "unknown" not in set(licences.dropna())
    tagged = models[models["tag"].notna()]
    assert tagged["licence"].value_counts().head(3).to_dict() == {
        "apache-2.0": 1317,
        "mit": 224,
        "cc-by-nc-4.0": 88,
    }
    assert tagged["licence"].isna().sum() == 25


def test_renames_are_timms_own(timm):
    assert catalogue.renames() == timm.models.get_deprecated_models()
    assert catalogue.renames()["convnext_base_in22ft1k"] == "convnext_base.fb_in22k_ft_in1k"


def test_what_is_not_a_square_rgb_image_is_named_with_its_shape(models):
    refused = catalogue.refused()
    assert set(refused) == NOT_SQUARE
    assert set(refused.values()) == {"takes 3 x 1024 x 768 values, not a square RGB image"}
    assert models[models["message"].notna()]["input_size"].isna().all()


def test_operations_cover_the_whole_work_list_and_nothing_else(models, operations, timm):
    expected = set()
    for name in timm.list_models(include_tags=True):
        cfg = timm.get_pretrained_cfg(name)
        architecture = name.partition(".")[0]
        if cfg.has_weights or not timm.list_pretrained(architecture):
            _, height, width = cfg.test_input_size or cfg.input_size
            if height == width:
                expected.add((architecture, width))
    found = list(zip(operations["architecture"], operations["image_size"], strict=True))
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert {name for name, _ in found} == set(timm.list_models()) - NOT_SQUARE


def test_every_row_has_its_operations_or_says_why_not(operations):
    known = operations[["parameters", "multiply_adds", "activations"]].notna().all(axis=1)
    assert (known | operations["message"].notna()).all()
    assert known.all()
    assert (operations.loc[known, ["parameters", "multiply_adds", "activations"]] > 0).all(
        axis=None
    )


# by hand


def test_the_operations_of_vgg11_are_those_worked_out_by_hand(operations, registry):
    # Output side, input channels, output channels of the 3 x 3 convolutions.
    layers = [
        (224, 3, 64),
        (112, 64, 128),
        (56, 128, 256),
        (56, 256, 256),
        (28, 256, 512),
        (28, 512, 512),
        (14, 512, 512),
        (14, 512, 512),
    ]
    linear = [(512 * 7 * 7, 4096), (4096, 4096), (4096, 1000)]
    multiply_adds = sum(side * side * 9 * i * o for side, i, o in layers)
    multiply_adds += sum(i * o for i, o in linear)
    activations = sum(side * side * o for side, _, o in layers) + sum(o for _, o in linear)
    parameters = sum(9 * i * o + o for _, i, o in layers) + sum(i * o + o for i, o in linear)
    by_hand = {
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "activations": activations,
    }
    row = registry.count("vgg11", 224)
    assert {name: row[name] for name in by_hand} == by_hand
    shipped = operations.set_index(["architecture", "image_size"]).loc[("vgg11", 224)]
    assert shipped[list(by_hand)].to_dict() == by_hand


def test_attention_is_counted(registry):
    """ViT-B/16 by hand: 197 tokens, 12 blocks, width 768, 12 heads of 64."""
    tokens, width, heads = 197, 768, 12
    patches = 196 * (16 * 16 * 3) * width
    products = 2 * heads * tokens * tokens * 64
    block = tokens * width * (3 * width + width + 2 * 4 * width) + products
    row = registry.count("vit_base_patch16_224", 224)
    assert row["multiply_adds"] == patches + 12 * block + width * 1000


def test_a_model_that_cannot_be_counted_says_why(registry):
    row = registry.count("inception_v3", 32)
    assert row["message"].startswith("RuntimeError: ")
    assert "multiply_adds" not in row
    assert row["parameters"] > 0


def test_several_processes_count_what_one_does_in_the_same_order(registry):
    pairs = [("vgg11", 224), ("resnet18", 160), ("inception_v3", 32)]
    assert list(registry._count_all(pairs, 2)) == [registry.count(*pair) for pair in pairs]


# a folder's own


def test_a_folder_with_a_catalogue_of_its_own_has_that_one(tmp_path):
    assert len(catalogue.renames(tmp_path)) == 209
    own = store.RENAMES_SCHEMA.empty_table()
    store.publish(own, tmp_path / "published" / "renames.parquet")
    assert catalogue.renames(tmp_path) == {}


def test_a_damaged_catalogue_is_named(tmp_path):
    path = tmp_path / "published" / "models.parquet"
    path.parent.mkdir()
    path.write_bytes(b"not Parquet")
    with pytest.raises(UnreadableFile, match=r"models\.parquet: not readable as Parquet"):
        catalogue.models(tmp_path)


# what an import does


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def test_reading_the_catalogue_and_importing_results_need_no_torch():
    modules = "bench.catalogue, bench.published, bench.cli"
    done = run_python(f"import sys, {modules}; print({{'torch', 'timm'}} & set(sys.modules))")
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def test_timm_can_be_imported_in_this_environment():
    code = "from bench.torchvision_schemas import import_timm; print(import_timm().__version__)"
    done = run_python(code)
    assert (done.returncode, done.stdout) == (0, "1.0.31\n"), done.stderr


def test_schemas_are_declared_once_and_only_where_they_are_missing():
    code = """
import torch
from bench import torchvision_schemas as schemas
mine = torch.library.Library("torchvision", "FRAGMENT")
mine.define(schemas.SCHEMAS["nms"])
first = schemas.declare_missing()
assert set(first) <= {"qnms"}, first
assert schemas.declare_missing() == []
assert hasattr(torch.ops.torchvision, "nms") and hasattr(torch.ops.torchvision, "qnms")
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
