"""A server that others can reach, without sign-in, starts nothing: whatever is sent to it.

The messages that start a run are recorded from a browser on a server of this machine alone, where
they do start one, and then sent to a server that listens on every address.
"""

from collections.abc import Callable
from pathlib import Path

import harness
import pytest
from playwright.sync_api import Page, WebSocket, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from test_run_survives import start_from_the_sidebar
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PATIENCE_MS = 60_000
# A script that runs may say nothing for so long; once it has finished, less.
QUIET_S = 5
QUIET_AFTER_S = 1
EXPOSED = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}


def runs_of(data: Path) -> list[Path]:
    return sorted(data.glob("runs/*/request.json"))


def send(server: harness.Server, frames: list[bytes], origin: str) -> int:
    """Say the same to another server; returns how many messages it answered with.

    Each message waits, as the browser did, until the script that the one before began has finished.
    """
    answers = 0
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    with connect(address, origin=origin, subprotocols=["streamlit"], max_size=None) as socket:
        for frame in frames:
            socket.send(frame)
            patience_s = QUIET_S
            while True:
                try:
                    answer = socket.recv(timeout=patience_s)
                except TimeoutError:
                    break
                answers += 1
                kind = ForwardMsg.FromString(answer).WhichOneof("type")
                # One that has finished may begin again by itself; it says so at once.
                patience_s = {"new_session": QUIET_S, "script_finished": QUIET_AFTER_S}.get(
                    kind, patience_s
                )
    return answers


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, browser) -> list[bytes]:
    """What a browser sends from opening the page to pressing Start, which starts a run here."""
    data, home = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("home")
    frames: list[bytes] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: frames.append(_bytes(payload)))

    with harness.serve(data, home) as server:
        page = browser.new_page(base_url=server.url)
        page.on("websocket", listen)
        page.goto("/")
        start_from_the_sidebar(page, ("test_vit",))
        expect(page.locator("[class*='st-key-progress-']")).to_be_visible(timeout=PATIENCE_MS)
        page.close()
        assert len(runs_of(data)) == 1, "the recording starts a run where it may"
    return frames


def _bytes(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload


def test_the_recording_starts_a_run_on_a_server_of_this_machine_alone(
    recorded: list[bytes], tmp_path: Path
) -> None:
    data, home = tmp_path / "data", tmp_path / "home"
    data.mkdir()
    home.mkdir()
    with harness.serve(data, home) as server:
        assert send(server, recorded, server.url)
        assert len(runs_of(data)) == 1, "else the next test could not fail"


@pytest.mark.timeout(300)
def test_nothing_starts_a_run_on_an_exposed_server(
    recorded: list[bytes], tmp_path: Path, open_page: Callable[..., Page]
) -> None:
    data, home = tmp_path / "data", tmp_path / "home"
    data.mkdir()
    home.mkdir()
    with harness.serve(data, home, env=EXPOSED) as server:
        # What Streamlit itself says: it looks for its address, and it refuses the foreign page.
        server.provoked += ["Did not auto detect external IP", "disallowed Origin"]
        # The widget, on every page.
        page = open_page(base_url=server.url)
        for address in ("/", "/compare", "/runs", "/method"):
            page.goto(address)
            button = page.get_by_role("button", name="Run benchmark")
            expect(button).to_be_disabled(timeout=PATIENCE_MS)
            expect(page.get_by_text("can be reached from other machines")).to_be_visible()
        page.close()
        # The messages of another page, replayed.
        assert send(server, recorded, server.url)
        # The same from a page of somebody else's: not even heard.
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            send(server, recorded, "https://foreign.example")
        assert runs_of(data) == []
