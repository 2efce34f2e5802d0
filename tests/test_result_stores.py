"""One suite, two kinds of store: whatever holds of results in a folder holds of them in S3."""

import time
import traceback
from pathlib import Path

import object_server
import pyarrow as pa
import pytest
from click.testing import CliRunner

from bench import cli, integrity, object_store, places, state, store
from bench.errors import BenchError, InvalidRequest, Unreachable, UnreadableFile
from bench.object_store import Patience
from bench.records import Protocol
from tests.faults.fuzz_files import ENVIRONMENT, rows

RUN = "2026-11-23T200000Z-3f9a"
IMPATIENT = Patience(attempts=4, first_wait_s=0.001, longest_wait_s=0.001)
FEW = 3


@pytest.fixture(params=["folder", "s3"])
def results(request, tmp_path):
    if request.param == "folder":
        return object_server.Folder(tmp_path / "data")
    return request.getfixturevalue("bucket")


@pytest.fixture(scope="module")
def table():
    return store.speed_table(RUN, rows(), Protocol(), ENVIRONMENT, {})


def publish(table, data):
    store.publish_run(table, data, RUN, patience=IMPATIENT)


def own(data):
    files = [file for file in store.speed_files(data) if not str(file).startswith(SHIPPED)]
    return store.load(files, store.SPEED_SCHEMA, replaces="run")


SHIPPED = str(store.SHIPPED)


def test_a_run_is_read_as_it_was_published(results, table):
    publish(table, results.data)
    frame, problems = own(results.data)
    assert not problems
    assert frame.equals(store.to_frame(table))
    assert results.keys() == [f"runs/{RUN}/results.parquet"]


def test_publishing_the_same_run_twice_changes_nothing(results, table):
    publish(table, results.data)
    publish(table, results.data)
    assert len(results.keys()) == 1
    assert len(own(results.data)[0]) == len(table)


def test_a_resumed_run_has_all_its_rows_once(results, table):
    publish(table[:FEW], results.data)
    before = results.get(f"runs/{RUN}/results.parquet")
    publish(table, results.data)
    frame, problems = own(results.data)
    assert not problems
    assert frame.equals(store.to_frame(table))
    if isinstance(results, object_server.Bucket):
        assert results.get(f"runs/{RUN}/results.parquet") == before, "no object ever changes"


def test_what_is_there_is_kept_unless_it_may_be_replaced(results, table):
    place = store.published(results.data, "speed.parquet")
    store.publish(table[:FEW], place)
    with pytest.raises(FileExistsError):
        store.publish(table, place)
    assert len(store.read(place, store.SPEED_SCHEMA)) == FEW
    store.publish(table, place, replace=True)
    assert len(store.read(place, store.SPEED_SCHEMA)) == len(table)


def test_published_tables_come_before_runs_and_the_later_of_two_counts(results, table):
    publish(table, results.data)
    for name in ("measured/a", "published/speed"):
        results.put(f"{name}.parquet", store.serialised(table[:1]))
    names = [file.parent.name for file in store.speed_files(results.data)][-3:]
    assert names == ["published", "measured", RUN]
    assert len(own(results.data)[0]) == len(table)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-100], "not readable as Parquet"),
        (lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:], "checksum"),
        (lambda _: b"model,speed\n", "not readable as Parquet"),
        (lambda _: store.serialised(pa.table({"run": [1]})), "of another schema"),
    ],
)
def test_what_is_damaged_is_left_out_with_its_reason(results, table, damage, reason):
    publish(table, results.data)
    results.put("measured/bad.parquet", damage(store.serialised(table)))
    frame, (problem,) = own(results.data)
    assert problem.path.name == "bad.parquet"
    assert reason in problem.reason
    assert len(frame) == len(table)


def test_a_file_that_is_absurdly_large_is_not_read(results, table, monkeypatch):
    publish(table, results.data)
    monkeypatch.setattr(integrity, "LARGEST_FILE_BYTES", 1000)
    frame, (problem,) = own(results.data)
    assert "larger than" in problem.reason
    assert frame.empty


def test_a_place_where_nothing_is_yet_has_the_shipped_results(results):
    assert [str(file) for file in store.speed_files(results.data)] == [
        str(file) for file in store.speed_files(store.SHIPPED)
    ]
    assert store.find(results.data).problems == ()


# What only a network can do.


@pytest.mark.parametrize(
    "faults", [[503], [503, 503, 503], [409], [412], ["cut"], ["lost"], ["cut", 503, "lost"]]
)
def test_a_run_is_published_once_whatever_the_network_does(bucket, table, faults):
    bucket.network.faults.extend(faults)
    publish(table, bucket.data)
    assert not bucket.network.faults, "every fault was met"
    assert bucket.keys() == [f"runs/{RUN}/results.parquet"]
    frame, problems = own(bucket.data)
    assert not problems
    assert frame.equals(store.to_frame(table))


def test_an_answer_that_was_lost_is_not_mistaken_for_somebody_else_s_object(bucket, table):
    bucket.network.faults.append("lost")
    publish(table, bucket.data)
    puts = [key for method, key in bucket.network.requests if method == "PUT"]
    assert sum(RUN in key for key in puts) == 2
    assert not [key for key in puts if "~2" in key]


def test_another_run_of_the_same_name_is_not_overwritten(bucket, table):
    publish(table, bucket.data)
    other = pa.Table.from_pylist(
        [row | {"architecture": "another"} for row in table.to_pylist()], store.SPEED_SCHEMA
    )
    with pytest.raises(BenchError, match="holds results of another run"):
        publish(other, bucket.data)
    assert own(bucket.data)[0].equals(store.to_frame(table))


@pytest.mark.parametrize("fault", [503, 409, 412, "cut"])
def test_trying_again_ends(bucket, table, fault):
    bucket.network.faults.extend([fault] * 50)
    with pytest.raises(Unreachable, match="tried 4 times"):
        publish(table, bucket.data)
    assert bucket.keys() == []
    assert not (bucket.data / "runs" / RUN / "results.parquet").exists()


def test_a_refusal_is_not_tried_again(bucket, table):
    bucket.network.faults.extend([403] * 50)
    with pytest.raises(Unreachable, match=r"access denied \(HTTP 403\)"):
        publish(table, bucket.data)
    assert len(bucket.network.faults) == 49


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_at_stake(bucket, table):
    bucket.network.ignores_conditions = True
    assert "ignores If-None-Match" in store.why_not_writable(bucket.data)
    with pytest.raises(Unreachable, match="use a store that has conditional writes"):
        publish(table, bucket.data)
    assert bucket.keys() == []


def test_a_store_that_keeps_conditions_is_asked_once(bucket, table):
    assert store.why_not_writable(bucket.data) is None
    asked = len(bucket.network.requests)
    assert store.why_not_writable(bucket.data) is None
    assert len(bucket.network.requests) == asked
    places.forget()
    object_store._trusted.clear()  # as in another process
    assert store.why_not_writable(bucket.data) is None
    assert len(bucket.network.requests) == asked + 1


def test_results_that_were_seen_stay_when_the_store_goes_away(bucket, table, monkeypatch):
    publish(table, bucket.data)
    seen = store.find(bucket.data).speed
    monkeypatch.setattr(places, "LISTED_FOR_S", -1.0)
    places.forget()
    assert store.find(bucket.data).speed == seen
    bucket.network.everything = 403
    found = store.find(bucket.data)
    assert found.speed == seen
    (problem,) = found.problems
    assert "HTTP 403" in problem.reason
    began = time.monotonic()
    assert store.find(bucket.data).problems == (problem,)
    assert time.monotonic() - began < places.UNANSWERED_FOR_S


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_nothing_of_the_credentials_is_said(bucket, table, status, caplog, capfd, monkeypatch):
    monkeypatch.setattr(object_store, "REQUEST_S", 0.5)
    object_store._store.cache_clear()
    bucket.network.everything = status
    said = [store.why_not_writable(bucket.data)]
    said += [problem.reason for problem in store.find(bucket.data).problems]
    for act in (
        lambda: publish(table, bucket.data),
        lambda: store.read(store.root(bucket.data) / "x.parquet", store.SPEED_SCHEMA),
    ):
        with pytest.raises(UnreadableFile) as caught:
            act()
        said.append("".join(traceback.format_exception(caught.value)))
    object_store._store.cache_clear()
    printed = capfd.readouterr()
    everything = "\n".join([*map(str, said), printed.out, printed.err, caplog.text])
    assert len(said) == 4
    assert object_server.KEY not in everything
    assert object_server.SECRET not in everything


def test_results_may_not_be_in_a_place_that_names_a_key(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_STATE", str(tmp_path))
    for url in ("s3://key:hush@bucket/x", "s3://Bucket", "gs://bucket", "s3://", "s3://b/a b"):
        with pytest.raises(InvalidRequest) as refused:
            state.data_folder(url)
        assert "hush" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_local_folder_serves_one_server_only(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.example:9000")
    with pytest.raises(InvalidRequest, match="which AWS_ENDPOINT_URL does not name"):
        store.root(bucket.data)
    assert state.data_folder(f"s3://{bucket.name}/team") != bucket.data


def test_an_unencrypted_server_must_be_allowed(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    assert "AWS_ALLOW_HTTP=true" in store.why_not_writable(bucket.data)


def test_the_command_line_takes_a_bucket_where_it_takes_a_folder(bucket, table):
    publish(table, bucket.data)
    url = f"s3://{bucket.name}/team"
    done = CliRunner().invoke(cli.main, ["results", "--json", "--data", url])
    assert done.exit_code == 0, done.output
    assert RUN in done.output
    done = CliRunner().invoke(cli.main, ["results"], env={"BENCH_DATA": url})
    assert RUN in done.output
    done = CliRunner().invoke(cli.main, ["results", "--data", "s3://key:hush@bucket"])
    assert done.exit_code != 0
    assert "credentials only in the environment" in done.output
    assert "Traceback" not in done.output
    assert "hush" not in done.output


def test_an_import_goes_into_the_bucket(bucket, tmp_path):
    folder = tmp_path / "2026-08"
    folder.mkdir()
    (folder / "results-imagenet.csv").write_text(
        "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation\n"
        "resnet18.a1_in1k,71.5,28.5,90.1,9.9,11.69,224,0.95,bicubic\n"
    )
    url = f"s3://{bucket.name}/team"
    done = CliRunner().invoke(cli.main, ["import", str(folder), "--data", url])
    assert done.exit_code == 0, done.output
    assert bucket.keys() == ["published/accuracy.parquet"]
    assert not list(Path(bucket.data).rglob("*.parquet"))
