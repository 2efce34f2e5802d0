"""The shipped catalogue against timm itself, against timm's published figures, and by hand.

The tests marked with `published_files` read ../shared/timm-results beside the repository.
"""

import csv
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench import catalogue, store
from bench.errors import InvalidRequest, UnreadableFile

TIMM_RESULTS = Path(__file__).parents[2] / "shared" / "timm-results"
published_files = pytest.mark.skipif(
    not TIMM_RESULTS.is_dir(), reason="timm's CSV files are not beside the repository"
)
NEWEST_SPEEDS = TIMM_RESULTS / "2026-08" / "benchmark-infer-amp-nchw-pt291-cu130-5090.csv"
NEWEST_ACCURACIES = TIMM_RESULTS / "2026-08" / "results-imagenet.csv"
NOT_SQUARE = {f"vit_{size}_patch16_sapiens2" for size in ("5b", "base", "giant", "huge", "large")}

MERGED = "published with its branches merged for inference (timm.utils.reparameterize_model)"
CHANGED = "timm has changed the model since (its published parameters differ too)"
PADDED_SAME = "fvcore does not know a convolution with padding='same'"
LSTM = "fvcore does not know an LSTM"
NORMS = "fvcore adds normalisations, here a large share of a small model"
UNFUSED = "published with one product of both attentions; the fused kernels make two"
OUTER = "fvcore counts a product of a column and a row; torch multiplies by elements there"
MULTIPLY_ADDS_DIFFER = {
    "repvgg_*": MERGED,
    "mobileone_s0": MERGED,
    "ghostnetv3_*": MERGED,
    "ecaresnext50t_32x4d": CHANGED,
    "sequencer2d_*": LSTM,
    "convmixer_*": PADDED_SAME,
    "efficientnet_b[03]_gn": NORMS,
    "mobilenetv2_035": NORMS,
    "ghostnet_050": NORMS,
    "vit_dwee_patch16_reg1_gap_256": UNFUSED,
    "vit_dpwee_patch16_reg1_gap_256": UNFUSED,
}
ACTIVATIONS_DIFFER = {
    "repvgg_*": MERGED,
    "mobileone_*": MERGED,
    "ghostnetv3_*": MERGED,
    "repvit_*": MERGED,
    "fastvit_*": MERGED,
    "ecaresnext50t_32x4d": CHANGED,
    "sequencer2d_*": LSTM,
    "convmixer_*": PADDED_SAME,
    "vit_d*_patch16_reg1_gap_256": UNFUSED,
    "vit_*_patch16_rope_mixed_*": OUTER,
}


@pytest.fixture(scope="module")
def timm():
    from bench.torchvision_schemas import import_timm

    return import_timm()


@pytest.fixture(scope="module")
def registry():
    from bench import registry

    return registry


@pytest.fixture(scope="module")
def models():
    return catalogue.models()


@pytest.fixture(scope="module")
def operations():
    return catalogue.operations()


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


# against figures that others published


@pytest.fixture(scope="module")
def beside_published(operations):
    """The shipped operations joined with the newest published ones, in the same units."""
    with NEWEST_SPEEDS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    published = pd.DataFrame(
        {
            "architecture": [row["model"] for row in rows],
            "image_size": [int(row["infer_img_size"]) for row in rows],
            "published_gmacs": [float(row["infer_gmacs"]) for row in rows],
            "published_macts": [float(row["infer_macts"]) for row in rows],
            "published_millions": [float(row["param_count"]) for row in rows],
        }
    )
    joined = operations.merge(published, on=["architecture", "image_size"])
    joined["gmacs"] = joined["multiply_adds"] / 1e9
    joined["macts"] = joined["activations"] / 1e6
    joined["millions"] = joined["parameters"] / 1e6
    return joined


def differing(joined, ours, published):
    """Architectures that differ by over 5 %, beyond the rounding to two decimals."""
    off = (joined[ours] - joined[published]).abs() > 0.05 * joined[published] + 0.005
    return set(joined[off]["architecture"])


def explained(names, causes):
    import fnmatch

    found = {pattern: set(fnmatch.filter(names, pattern)) for pattern in causes}
    assert all(found.values()), f"no longer an exception: {found}"
    return set().union(*found.values())


@published_files
def test_multiply_adds_are_within_5_percent_of_published_ones_but_for_known_causes(
    beside_published,
):
    assert len(beside_published) > 1350
    off = differing(beside_published, "gmacs", "published_gmacs")
    assert len(off) <= 0.03 * len(beside_published)
    assert off == explained(off, MULTIPLY_ADDS_DIFFER)
    ratio = beside_published["gmacs"] / beside_published["published_gmacs"]
    assert ratio.median() == pytest.approx(0.996, abs=0.001)


@published_files
def test_activations_are_those_that_timm_publishes_but_for_known_causes(beside_published):
    off = differing(beside_published, "macts", "published_macts")
    assert off == explained(off, ACTIVATIONS_DIFFER)
    rest = beside_published[~beside_published["architecture"].isin(off)]
    exact = (rest["macts"] - rest["published_macts"]).abs() <= 0.0051
    assert exact.mean() > 0.9


@published_files
def test_parameters_are_those_that_timm_publishes_but_where_branches_were_merged(beside_published):
    off = differing(beside_published, "millions", "published_millions")
    merged_or_changed = {
        pattern: cause
        for pattern, cause in ACTIVATIONS_DIFFER.items()
        if cause in (MERGED, CHANGED) and pattern != "fastvit_*"
    } | {"mobileone_s0": MERGED}
    merged_or_changed.pop("mobileone_*")
    assert off == explained(off, merged_or_changed)


@published_files
@pytest.mark.parametrize(
    "architecture", ["repvgg_a0", "mobileone_s0", "ghostnetv3_100", "repvit_m1_0"]
)
def test_merging_the_branches_gives_the_published_figures(architecture, timm, beside_published):
    import torch
    from timm.utils import reparameterize_model
    from torch.utils.flop_counter import FlopCounterMode

    published = beside_published.set_index("architecture").loc[architecture]
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as flops:
        model = timm.create_model(architecture).eval().requires_grad_(requires_grad=False)
        merged = reparameterize_model(model)
        size = int(published["image_size"])
        merged(torch.empty(1, 3, size, size))
    assert flops.get_total_flops() / 2e9 == pytest.approx(published["published_gmacs"], abs=0.005)
    millions = sum(parameter.numel() for parameter in merged.parameters()) / 1e6
    assert millions == pytest.approx(published["published_millions"], abs=0.005)


@published_files
def test_sizes_crops_and_interpolation_are_those_of_the_published_accuracies(models):
    ours = models.set_index("model")
    with NEWEST_ACCURACIES.open(newline="") as file:
        published = {(row["model"], int(row["img_size"])): row for row in csv.DictReader(file)}
    evaluated = ours[ours.index.isin({model for model, _ in published})]
    assert len(evaluated) > 1100
    differ = set()
    for mine in evaluated.itertuples():
        size = mine.input_size if pd.isna(mine.test_size) else mine.test_size
        row = published.get((mine.Index, int(size)))
        if (
            row is None
            or mine.crop_fraction != pytest.approx(float(row["crop_pct"]), abs=0.0006)
            or mine.interpolation != row["interpolation"]
        ):
            differ.add(mine.Index)
    # timm's registry gives these a crop of 0.9; they were evaluated with 1.0.
    assert {model.rpartition("_")[0] for model in differ} == {"fasternet"}


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


# the work list


def test_a_pattern_means_every_image_size_of_what_it_matches():
    assert catalogue.work_list(["resnet50"]) == [("resnet50", 288), ("resnet50", 224)]
    pairs = catalogue.work_list(["convnext_*"])
    assert {name for name, _ in pairs} >= {"convnext_tiny", "convnext_xxlarge"}
    assert len(pairs) == len(set(pairs))


def test_weights_mean_their_own_image_size():
    assert catalogue.work_list(["resnet50.a1_in1k"]) == [("resnet50", 288)]
    assert catalogue.work_list(["resnet50.tv_in1k"]) == [("resnet50", 224)]
    assert ("vgg11", 224) in catalogue.work_list(["*.tv_in1k"])


def test_everything_is_every_pair_but_tests_and_what_is_not_square(operations):
    pairs = catalogue.work_list(preset="all")
    named = operations[~operations["architecture"].str.startswith("test_")]
    assert set(pairs) == set(zip(named["architecture"], named["image_size"], strict=True))
    assert len(pairs) == len(set(pairs)) == len(named)


def test_the_tiny_test_models_count_only_by_name():
    assert catalogue.work_list(["test_vit"]) == [("test_vit", 160)]
    assert len(catalogue.work_list(["test_*"])) > 10
    assert not any(name.startswith("test_") for name, _ in catalogue.work_list(["*"]))
    assert catalogue.work_list(architectures=["test_vit"]) == [("test_vit", 160)]


def test_the_quick_preset_is_part_of_everything_and_spans_the_range(operations):
    quick = catalogue.work_list(preset="quick")
    assert len(quick) == 12
    assert set(quick) <= set(catalogue.work_list(preset="all"))
    sizes = operations.set_index(["architecture", "image_size"])["multiply_adds"]
    costs = [sizes[pair] for pair in quick]
    assert max(costs) / min(costs) > 100


def test_the_quick_preset_takes_each_models_default_weights(models):
    default = models.drop_duplicates("architecture").set_index("architecture")
    for name, size in catalogue.QUICK:
        row = default.loc[name]
        assert size == (row["input_size"] if pd.isna(row["test_size"]) else row["test_size"])


def test_a_list_of_architectures_is_taken_exactly():
    asked = ["vgg11", "resnet18"]
    assert {name for name, _ in catalogue.work_list(architectures=asked)} == set(asked)
    with pytest.raises(InvalidRequest, match="no model 'resnet'"):
        catalogue.work_list(architectures=["resnet"])


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"patterns": ["resnet5O"]}, "no model 'resnet5O'; did you mean resnet50"),
        ({"patterns": ["hf-hub:timm/resnet50"]}, "no model 'hf-hub:timm/resnet50'"),
        ({"patterns": ["zzz*"]}, r"timm 1\.0\.31 has no model 'zzz\*'$"),
        ({"patterns": ["RESNET50"]}, "no model 'RESNET50'"),
        ({"patterns": ["vit_base_patch16_sapiens2"]}, "cannot be measured: takes 3 x 1024 x 768"),
        ({"architectures": ["vgg11", "vit_5b_patch16_sapiens2"]}, "sapiens2 cannot be measured"),
        ({"preset": "best"}, "preset must be one of quick, all, got 'best'"),
        ({}, "say what to measure"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(asked, answer):
    with pytest.raises(InvalidRequest, match=answer):
        catalogue.work_list(**asked)


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
