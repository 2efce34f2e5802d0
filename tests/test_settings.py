""".streamlit/config.toml: who reaches the server, and colours that people can tell apart."""

import http.client
import itertools
import tomllib

import numpy as np
import psutil
import pytest
from drawing import encodings, layer_with, spec_of
from harness import REPOSITORY, Server

from pages.ui.charts import Domains

SETTINGS = tomllib.loads((REPOSITORY / ".streamlit" / "config.toml").read_text())


def handshake(server: Server, **headers: str) -> int:
    """The status with which the server answers a request for a WebSocket: 101 is a yes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    try:
        connection.request("GET", "/_stcore/stream", headers=upgrade | headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_server_listens_on_this_machine_alone(server: Server) -> None:
    listening = {
        connection.laddr.ip
        for connection in psutil.Process(server.process.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_browser_on_this_machine_is_answered(server: Server, name: str) -> None:
    host = f"{name}:{server.port}"
    assert handshake(server, Host=host, Origin=f"http://{host}") == 101


@pytest.fixture
def refusing_server(server: Server) -> Server:
    server.provoked += ["Rejecting WebSocket connection", "Did not auto detect external IP"]
    return server


def test_a_rebound_name_is_refused(refusing_server: Server) -> None:
    # The name's owner lets it point at 127.0.0.1: to the browser page and server are one origin.
    host = f"rebound.example:{refusing_server.port}"
    assert handshake(refusing_server, Host=host, Origin=f"http://{host}") == 403


def test_a_foreign_page_is_refused(refusing_server: Server) -> None:
    host = f"localhost:{refusing_server.port}"
    assert handshake(refusing_server, Host=host, Origin="https://foreign.example") == 403


def test_the_browser_is_told_no_details_of_an_error_and_nobody_counts_visits() -> None:
    assert SETTINGS["client"]["showErrorDetails"] == "none"
    assert SETTINGS["browser"]["gatherUsageStats"] is False
    assert SETTINGS["server"]["enableXsrfProtection"] is True
    assert SETTINGS["server"]["enableCORS"] is True


# What chartCategoricalColors holds, in pages/ui/charts.py's order: eight families, five that a
# reader picks, all others, lines and labels, and the page itself.
FAMILIES, OTHERS, DRAWN = slice(0, 8), 13, slice(0, 15)

# How dichromats see linear RGB, severity 1. Source: Machado, Oliveira, Fernandes, "A
# physiologically-based model for simulation of color vision deficiency", IEEE TVCG 15 (2009).
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Linear RGB to OKLab. Source: Ottosson, "A perceptual color space for image processing" (2020).
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> np.ndarray:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    dark, light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (light + 0.05) / (dark + 0.05)


def blended(colour: str, paper: str, opacity: float) -> str:
    """What a colour looks like on paper, drawn with this opacity."""
    both = [[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in (colour, paper)]
    mixed = np.average(both, axis=0, weights=(opacity, 1 - opacity))
    return "#" + "".join(f"{round(part):02x}" for part in mixed)


@pytest.fixture(scope="module")
def opacities() -> list[float]:
    """With which bubbles and measured intervals are drawn where nothing is isolated."""
    spec = spec_of(Domains((1e-4, 1e-1), (60.0, 92.0)))
    bubbles = layer_with(spec, "size")["encoding"]
    (intervals,) = encodings(spec, "strokeOpacity")
    return [bubbles["opacity"]["condition"]["value"], intervals["value"]]


def difference(one: str, other: str, sight: str) -> float:
    """How far two colours are apart in OKLab, as seen with this sight."""
    seen = np.clip([linear(c) @ np.array(SIGHT[sight]).T for c in (one, other)], 0, 1)
    return float(np.linalg.norm(np.diff(np.cbrt(seen @ TO_CONES.T) @ TO_OKLAB.T, axis=0)))


def test_contrast_and_difference_agree_with_known_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert difference("#000000", "#ffffff", "normal") == pytest.approx(1, abs=1e-3)
    # Red and green that differ for most people and hardly for a protanope.
    assert difference("#8a5a00", "#4c7a00", "normal") > 0.1
    assert difference("#8a5a00", "#4c7a00", "protanopia") < 0.09
    assert blended("#000000", "#ffffff", 0.8) == "#333333"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_words_and_buttons_stand_out_from_the_background(
    theme: str, opacities: list[float]
) -> None:
    colours = SETTINGS["theme"][theme]
    for background in (colours["backgroundColor"], colours["sidebar"]["backgroundColor"]):
        assert contrast(colours["textColor"], background) >= 7
        assert contrast(colours["linkColor"], background) >= 4.5
        assert contrast(colours["primaryColor"], background) >= 3
    assert contrast(colours["primaryColor"], "#ffffff") >= 4.5  # words on a button
    paper = colours["backgroundColor"]
    for mark, opacity in itertools.product(colours["chartCategoricalColors"][DRAWN], opacities):
        assert contrast(blended(mark, paper, opacity), paper) >= 3, (mark, opacity)
    assert colours["chartCategoricalColors"][-1] == colours["backgroundColor"]


@pytest.mark.parametrize("sight", list(SIGHT))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_any_two_families_can_be_told_apart(theme: str, sight: str) -> None:
    colours = SETTINGS["theme"][theme]["chartCategoricalColors"]
    marks = [*colours[FAMILIES], colours[OTHERS]]
    assert len(marks) == 9
    pairs = {pair: difference(*pair, sight) for pair in itertools.combinations(marks, 2)}
    closest = min(pairs, key=pairs.__getitem__)
    assert pairs[closest] >= 0.08, f"{closest} are {pairs[closest]:.3f} apart with {sight}"
