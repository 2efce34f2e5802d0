"""The list of results sets is what reading every row would say, and reads none."""

import dashboard
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import index, places, points, results, state, store
from bench.errors import InvalidRequest, UnreadableFile

MANY = 25
SHIPPED = 24 + 1  # published, and measured by this project


@pytest.fixture(autouse=True)
def as_a_new_process(tmp_path, monkeypatch):
    """Nothing remembered, and a place of our own for what is kept."""
    monkeypatch.setenv("BENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(index, "_memories", {})
    monkeypatch.setattr(index, "REST", 0.0)


def publish(data, number, *, images_per_s=500.0, folder="runs"):
    run = f"2026-11-01T120000Z-{number:04x}"
    row = {"architecture": "resnet18", "image_size": 224, "images_per_s": images_per_s}
    return run, dashboard.publish_speeds(data, run, [row], folder=folder)


def by_reading(data):
    files = store.speed_files(data)
    frame, _ = store.load(files, store.SPEED_SCHEMA, points.SPEED_COLUMNS, replaces="run")
    return results.results_sets(frame)


@pytest.fixture
def many(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "WORTH_KEEPING", MANY)
    _, first = publish(tmp_path / "data", 0, folder="measured")
    table = store.read(first, store.SPEED_SCHEMA)
    for number in range(1, MANY):
        run = f"2026-11-01T120000Z-{number:04x}"
        at = table.schema.get_field_index("run")
        one = table.set_column(at, table.schema.field("run"), pa.array([run]))
        store.publish(one, first.with_name(f"{run}.parquet"))
    return tmp_path / "data"


def test_the_list_is_what_reading_every_row_says(tmp_path):
    publish(tmp_path / "data", 1)
    publish(tmp_path / "data", 2, images_per_s=None)
    publish(tmp_path / "data", 3, folder="measured")
    found, expected = index.of(tmp_path / "data").sets, by_reading(tmp_path / "data")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert len(found) == SHIPPED + 3


def test_rows_are_those_of_the_set_s_file(tmp_path, speed):
    found = index.of(tmp_path)
    rows = store.to_frame(found.rows([results.REFERENCE_RUN]))
    expected = speed[speed["run"] == results.REFERENCE_RUN].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, expected)
    with pytest.raises(InvalidRequest, match="no results set 'nope'"):
        found.rows(["nope"])


def test_of_two_files_with_one_set_the_later_one_counts(tmp_path):
    run, _ = publish(tmp_path / "data", 1, images_per_s=1.0, folder="measured")
    publish(tmp_path / "data", 1, images_per_s=2.0)
    found = index.of(tmp_path / "data")
    assert found.sets["run"].tolist().count(run) == 1
    assert found.rows([run])["images_per_s"].to_pylist() == [2.0]


def test_a_new_changed_and_removed_file_is_seen_at_the_next_look(tmp_path):
    data = tmp_path / "data"
    run, path = publish(data, 1)
    before = index.of(data)
    assert run in before.places
    assert index.of(data).signature == before.signature
    second, _ = publish(data, 2)
    assert second in index.of(data).places
    path.write_bytes(path.read_bytes()[:-9])
    (problem,) = index.of(data).problems
    assert problem.path == path
    path.unlink()
    after = index.of(data)
    assert run not in after.places
    assert not after.problems


def test_a_file_that_somebody_else_wrote_is_listed_by_its_rows(tmp_path):
    run, path = publish(tmp_path / "data", 1)
    # A footer that nobody sealed may say what it likes.
    pq.write_table(
        store.read(path, store.SPEED_SCHEMA).replace_schema_metadata(
            {"results_sets": '{"sets": [{"run": "a lie"}]}'}
        ),
        path,
    )
    found = index.of(tmp_path / "data")
    assert run in found.places
    assert "a lie" not in found.places
    assert not found.problems


def test_a_file_that_was_damaged_since_is_said_and_not_shown(tmp_path):
    data = tmp_path / "data"
    run, path = publish(data, 1)
    found = index.of(data)
    path.write_bytes(b"PAR1 no more PAR1")
    with pytest.raises(UnreadableFile, match=r"results\.parquet: not readable"):
        found.rows([run])
    assert len(found.known_speeds()) > 1000, "what is learnt from leaves it out"


def kept(state_folder):
    return list((state_folder / "index").glob("*.parquet"))


def test_few_sets_are_looked_into_and_nothing_is_kept(tmp_path):
    publish(tmp_path / "data", 1)
    index.of(tmp_path / "data")
    assert not kept(state.home())


def test_many_sets_are_listed_without_opening_a_file(many, monkeypatch):
    before = index.of(many)
    assert len(kept(state.home())) == 1
    index._memories.clear()  # as in another process
    opened = []
    read = store.integrity.opened
    monkeypatch.setattr(
        store.integrity, "opened", lambda content: opened.append(content) or read(content)
    )
    again = index.of(many)
    assert len(opened) == 1, "the index, and nothing else"
    pd.testing.assert_frame_equal(again.sets, before.sets)
    assert again.signature == before.signature


@pytest.mark.parametrize("damage", ["gone", "flipped", "older", "another schema"])
def test_an_index_in_doubt_is_made_again_from_the_files(many, damage):
    before = index.of(many)
    (path,) = kept(state.home())
    sound = path.read_bytes()
    changed = many / "measured" / "2026-11-01T120000Z-0005.parquet"
    if damage == "gone":
        path.unlink()
    elif damage == "flipped":
        path.write_bytes(sound[:700] + bytes([sound[700] ^ 1]) + sound[701:])
    elif damage == "another schema":
        path.write_bytes(store.serialised(pa.table({"run": ["a lie"]})))
    else:
        changed.write_bytes(b"PAR1 damaged PAR1")
    index._memories.clear()
    again = index.of(many)
    if damage == "older":
        assert [problem.path for problem in again.problems] == [changed]
        assert len(again.sets) == len(before.sets) - 1
        assert path.read_bytes() != sound
    else:
        pd.testing.assert_frame_equal(again.sets, before.sets)
        assert path.read_bytes() == sound


def test_an_index_that_cannot_be_kept_is_no_trouble(many, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BENCH_STATE", str(tmp_path / "file"))
    assert len(index.of(many).sets) == MANY + SHIPPED


def test_a_folder_that_takes_long_to_list_is_not_listed_at_every_rerun(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "QUICK_S", -1.0)
    monkeypatch.setattr(index, "REST", 1e9)
    _, path = publish(tmp_path / "data", 1)
    before = index.of(tmp_path / "data")
    path.unlink()
    assert index.of(tmp_path / "data") is before
    publish(tmp_path / "data", 2)
    assert index.of(tmp_path / "data").signature != before.signature, "what we write is seen"


def test_what_is_learnt_from_is_bounded_and_nearest_first(many, monkeypatch):
    monkeypatch.setattr(results, "MOST_TO_LEARN_FROM", 26)
    sets = index.of(many).sets
    sets = sets.assign(torch=[f"2.{number}" for number in range(len(sets))])
    everything = results.to_learn_from(sets, device="A card of one's own", device_kind="cuda")
    assert len(everything) == results.MOST_TO_LEARN_FROM
    published = set(sets.loc[sets["source"] != "measured", "run"])
    assert published == set(everything[: len(published)])
    few = sets[sets["run"].isin(published)]
    assert results.to_learn_from(few, device="any") == few["run"].tolist()


def test_of_runs_in_the_same_circumstances_only_the_newest_is_learnt_from(many, monkeypatch):
    sets = index.of(many).sets
    own = sets[sets["source"] == "measured"].head(1)
    again = own.assign(run="2020-01-01T000000Z-0000")
    other = own.assign(run="2020-01-01T000000Z-0001", torch="1.0")
    training = own.assign(run="2020-01-01T000000Z-0002", measures=[{"training": 7}])
    several = pd.concat([own, again, other, training], ignore_index=True)
    monkeypatch.setattr(results, "MOST_TO_LEARN_FROM", 3)
    learnt = results.to_learn_from(several, device=own["device"].iloc[0], device_kind="cuda")
    assert learnt == [*own["run"], *other["run"], *training["run"]]


def test_of_a_bucket_each_object_is_read_once_and_a_chosen_set_once_more(bucket, tmp_path):
    runs = []
    for number in (1, 2, 3):
        run, path = publish(tmp_path / "elsewhere", number)
        bucket.put(f"runs/{run}/results.parquet", path.read_bytes())
        runs.append(run)
    assert set(runs) <= index.of(bucket.data).places.keys()

    def reads():
        asked = [key for method, key in bucket.network.requests if method == "GET"]
        bucket.network.requests.clear()
        return sorted(key.split("/")[4] for key in asked if key.endswith("results.parquet"))

    assert reads() == runs
    places.forget()
    found = index.of(bucket.data)
    assert reads() == []
    assert found.rows([runs[1]])["run"].to_pylist() == [runs[1]]
    assert reads() == [runs[1]]


def test_an_object_that_a_store_does_not_give_now_is_asked_for_again(bucket, tmp_path, monkeypatch):
    run, path = publish(tmp_path / "elsewhere", 1)
    bucket.put(f"runs/{run}/results.parquet", path.read_bytes())
    bucket.network.gives_no_objects = True
    before = index.of(bucket.data)
    assert run not in before.places
    assert "access denied" in before.problems[0].reason
    bucket.network.gives_no_objects = False
    assert run not in index.of(bucket.data).places, "not at every look"
    index._memories[bucket.data.resolve()].ask_again_s = 0.0  # as a while later
    after = index.of(bucket.data)
    assert run in after.places
    assert not after.problems
    assert after.signature != before.signature
