"""Fixtures that all tests share: the folder beside the project, the real server, the browser."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import harness
import hypothesis
import object_server
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from selections import RUN_5090

from bench import catalogue, cli, object_store, places, points, state, store
from pages.ui import charts
from tests import clusters

ARTEFACTS = harness.REPOSITORY / "tests" / "artefacts"

Failed = pytest.StashKey[bool]()

# Ray reads it once, when the first test imports it, and keeps it for the cluster's tests.
os.environ["RAY_AUTH_MODE"] = "token"

# Started in the background, pytest has Ctrl-C ignored, and so would have the commands it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about who else uses the machine than about our code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def pytest_collection_modifyitems(items):
    """Mark what drives a browser; it takes longest and comes first.

    So no process of `pytest -n` is left with it at the end. A file's tests stay together there
    (`--dist loadfile`), for the server and the page that they share.
    """
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker("browser")
    slow = {item.path for item in items if "browser" in item.fixturenames}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call":
        item.stash[Failed] = report.failed
    return report


@pytest.fixture(scope="session")
def repository() -> Path:
    """The project's folder."""
    return harness.REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project with timm's CSV files, from which data/published was made."""
    folder = harness.REPOSITORY.parent / "shared"
    if not (folder / "timm-results").is_dir():
        pytest.skip(f"timm's CSV files are not at {folder / 'timm-results'}")
    return folder


@pytest.fixture(scope="session")
def speed() -> pd.DataFrame:
    """Every speed that ships with the project."""
    files = store.speed_files(store.SHIPPED)
    frame, problems = store.load(files, store.SPEED_SCHEMA, points.SPEED_COLUMNS, replaces="run")
    assert not problems
    return frame


@pytest.fixture(scope="session")
def accuracy() -> pd.DataFrame:
    """Every accuracy that ships with the project."""
    files = store.accuracy_files(store.SHIPPED)
    frame, problems = store.load(files, store.ACCURACY_SCHEMA, replaces="snapshot")
    assert not problems
    return frame


@pytest.fixture(scope="session")
def everything(speed: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """What the page may draw of the set that a first visitor sees."""
    return points.points(speed, accuracy, run=RUN_5090, measure="throughput")


@pytest.fixture(scope="session")
def axes(everything: pd.DataFrame) -> charts.Domains:
    """The first visitor's axes."""
    return charts.domains([points.without_test_models(everything)])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's data folder, empty; what ships with the project is read as well."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "data"


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object_server.Network]:
    """A real S3 server behind a network that does what it is told."""
    log = tmp_path_factory.mktemp("moto") / "log.txt"
    with object_server.moto(log) as port, object_server.network(port) as found:
        yield found


@pytest.fixture
def bucket(network, tmp_path, monkeypatch) -> Iterator[object_server.Bucket]:
    """An empty bucket, a data folder of `s3://` for it, and a process that never saw a store."""
    for name, value in network.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(object_store, "_trusted", set())
    monkeypatch.setattr(places, "_refusals", {})
    places.forget()
    name = network.new_bucket()
    network.prefix = f"/{name}/team/runs"
    yield object_server.Bucket(network, name, state.data_folder(f"s3://{name}/team"))
    network.faults.clear()
    network.everything, network.ignores_conditions = None, False
    network.gives_no_objects = False


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Result]:
    """Runs a command on a data folder of its own; what ships is read beside it."""

    def run(*arguments):
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(
            cli.main, words, prog_name="python -m bench", env={"BENCH_DATA": str(tmp_path / "data")}
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def timm():
    """The library itself, beside a torchvision whose operators may not load."""
    from bench.torchvision_schemas import import_timm

    return import_timm()


@pytest.fixture(scope="session")
def models() -> pd.DataFrame:
    """The shipped catalogue of weights."""
    return catalogue.models()


@pytest.fixture(scope="session")
def operations() -> pd.DataFrame:
    """The shipped catalogue of operations."""
    return catalogue.operations()


@pytest.fixture(scope="session")
def any_cluster(
    tmp_path_factory: pytest.TempPathFactory, network: object_server.Network
) -> Iterator[clusters.Cluster]:
    """A Ray cluster of two nodes, which knows the S3 server."""
    folder = tmp_path_factory.mktemp("cluster")
    with clusters.cluster(folder, nodes=2, store=network.environment()) as found:
        yield found


@pytest.fixture
def cluster(any_cluster: clusters.Cluster, monkeypatch: pytest.MonkeyPatch) -> clusters.Cluster:
    """The same, named by $RAY_ADDRESS."""
    for name, value in any_cluster.environment.items():
        monkeypatch.setenv(name, value)
    return any_cluster


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots go; not in git."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS


@pytest.fixture(scope="session")
def serve(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[harness.Server]]:
    """Start a server of one's own: `with serve(data) as server:`; see harness.serve."""

    def start(data: Path, **options) -> AbstractContextManager[harness.Server]:
        return harness.serve(data, tmp_path_factory.mktemp("home"), **options)

    return start


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    serve: Callable[..., AbstractContextManager[harness.Server]],
) -> Iterator[harness.Server]:
    """The dashboard on an empty data folder (what ships is always read), one for a test module."""
    with serve(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The installed Chromium, headless. Fails where there is none: never a skip."""
    try:
        executable = harness.chromium()
    except FileNotFoundError as error:
        pytest.fail(str(error))
    # What a page needs a second for takes ten where many things run.
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=harness.CHROMIUM_FLAGS
        )
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> list[str]:
    """What browsers complained about so far; a test that expects a complaint removes it."""
    return []


@pytest.fixture
def open_page(
    browser: Browser,
    complaints: list[str],
    artefacts: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Page]]:
    """Open pages in fresh browsers: `open_page(width=390, height=844, color_scheme="dark")`.

    At the end no page may have had an error in its console or an exception in its scripts; of a
    test that failed, each page's picture stays in tests/artefacts.
    """
    pages: list[Page] = []

    def open_one(
        *, width: int = 1440, height: int = 900, color_scheme: str = "light", **options
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=color_scheme, **options
        )
        page = context.new_page()
        page.on("console", lambda message: _note(message, complaints))
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        pages.append(page)
        return page

    yield open_one

    failed = request.node.stash.get(Failed, True)
    if failed:
        request.node.add_report_section("teardown", "browser", "\n".join(complaints))
        for number, page in enumerate(pages, start=1):
            if not page.is_closed():
                name = re.sub(r"\W+", "-", request.node.name).strip("-")
                page.screenshot(path=artefacts / f"failed-{name}-{number}.png")
    for page in pages:
        page.context.close()
    assert failed or not complaints, "the browser complained:\n" + "\n".join(complaints)


@pytest.fixture
def page(
    server: harness.Server, open_page: Callable[..., Page], request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A fresh browser on the module's server, not yet on a page: `page.goto(server.url)`.

    Width and colours by indirect parameters:
    `@pytest.mark.parametrize("page", [{"width": 390, "color_scheme": "dark"}], indirect=True)`
    """
    yield open_page(base_url=server.url, **getattr(request, "param", {}))
    server.check_log()


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    url = message.location.get("url", "")
    # After a link to /runs Streamlit's front end asks below /runs first whether the server's base
    # path is there, and then at the root; the browser reports the first answer, a 404.
    asks_for_base_path = re.search(r":\d+/\w+/_stcore/(health|host-config)$", url)
    if message.type == "error" and not asks_for_base_path:
        complaints.append(f"console: {message.text} ({url})")
