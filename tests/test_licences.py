"""What the licences of timm's weights say of commercial use, against the catalogue that ships."""

import re

import pandas as pd
import pytest

from bench import catalogue, licences
from bench.licences import ALLOWED, LICENCES, NOT_ALLOWED, READINGS, UNKNOWN, UNREAD


@pytest.fixture(scope="module")
def models() -> pd.DataFrame:
    return catalogue.models()


def test_every_licence_of_the_catalogue_is_read_or_listed_as_unread(models: pd.DataFrame) -> None:
    stated = set(models["licence"].dropna())
    assert stated == set(LICENCES) | UNREAD
    assert not set(LICENCES) & UNREAD


def test_every_reading_is_yes_or_no_and_has_a_source() -> None:
    for licence in LICENCES.values():
        assert licence.commercial_use in (ALLOWED, NOT_ALLOWED)
        assert re.fullmatch(r"https://[\w.]+/\S+", licence.source)
    sources = [licence.source for licence in LICENCES.values()]
    assert len(set(sources)) == len(sources)


def test_names_that_say_noncommercial_or_research_are_not_allowed() -> None:
    for licence in LICENCES.values():
        if re.search(r"non-?commercial|research", licence.name, re.IGNORECASE):
            assert licence.commercial_use == NOT_ALLOWED, licence.name


@pytest.mark.parametrize("stated", [None, float("nan"), pd.NA, "", "my-own-licence", *UNREAD])
def test_what_is_not_listed_is_unknown(stated: object) -> None:
    assert licences.commercial_use(stated) == UNKNOWN


@pytest.mark.parametrize(
    ("model", "reading"),
    [
        ("resnet50.a1_in1k", ALLOWED),  # apache-2.0
        ("convnextv2_base.fcmae_ft_in22k_in1k", NOT_ALLOWED),  # cc-by-nc-4.0
        ("regnety_320.seer_ft_in1k", NOT_ALLOWED),  # seer-license
        ("res2net50_14w_8s.in1k", UNKNOWN),  # timm states none
        ("adv_inception_v3", ALLOWED),  # renamed: inception_v3.tf_adv_in1k
        ("resnet50", UNKNOWN),  # a name of 2022: which weights?
    ],
)
def test_weights_have_the_licence_that_timm_states(
    models: pd.DataFrame, model: str, reading: str
) -> None:
    known = licences.by_model(models, catalogue.renames())
    assert licences.commercial_use(known.get(model)) == reading


def test_the_summary_counts_every_weight_once(models: pd.DataFrame) -> None:
    table = licences.summary(models)
    tagged = models[models["tag"].notna()]
    assert table["weights"].sum() == len(tagged) == 1826
    assert set(table["commercial_use"]) == set(READINGS)
    none_stated = table[table["licence"].isna()]
    assert none_stated["weights"].tolist() == [tagged["licence"].isna().sum()]
    assert none_stated["commercial_use"].tolist() == [UNKNOWN]
    assert table.loc[table["commercial_use"] == UNKNOWN, "source"].isna().all()
