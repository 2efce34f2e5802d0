"""What a browser says to Streamlit and hears from it, in Streamlit's own protobuf messages."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

# What a control holds: text of a menu or a field, a number, on or off, options that are pressed.
Value = str | float | bool | list[str] | None

# The browser keeps the large messages of so many runs (global.maxCachedMessageAge), and says so.
KEPT_RUNS = 2


class SessionFailed(Exception):
    """The server said that a script did not end as it should."""


@dataclass
class Conversation:
    """One browser's side of a session: the controls it knows, and how it answers.

    Attributes:
        url: the address that the browser shows, without its query.
        widgets: the control's key in the page -> its id, as seen so far.
        options: the key of a menu -> its options.
        texts: Markdown of the last run, to see that it says what it should.
    """

    url: str
    widgets: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    received_bytes: int = 0
    _page: str = ""
    _cached: deque[set[str]] = field(default_factory=lambda: deque([set()], KEPT_RUNS))

    def rerun(self, values: Mapping[str, Value], query: Mapping[str, str]) -> bytes:
        """The message that asks for a run of the whole page.

        Args:
            values: key -> value of every control that is not as it was at first.
            query: the address's query.

        Raises KeyError for a control that the page has not shown.
        """
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string = urlencode(query)
        asked.page_script_hash = self._page
        for key, value in values.items():
            asked.widget_states.widgets.append(_state(self.widgets[key], value))
        asked.cached_message_hashes.extend(sorted(set().union(*self._cached)))
        asked.context_info.timezone = "UTC"
        asked.context_info.locale = "en-US"
        asked.context_info.url = self.url
        asked.context_info.color_scheme = "light"
        self._cached.append(set())
        self.texts.clear()
        return bytes(message.SerializeToString())

    def hear(self, payload: bytes) -> bool:
        """Take a message of the server in; returns whether it ended the run.

        Raises SessionFailed for an error on the page, or a script that did not compile.
        """
        self.received_bytes += len(payload)
        message = ForwardMsg()
        message.ParseFromString(payload)
        kind = message.WhichOneof("type")
        if kind == "script_finished":
            status = message.script_finished
            if status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                raise SessionFailed("the script did not compile")
            # A script that asks for another run is not at its end.
            return bool(status != ForwardMsg.FINISHED_EARLY_FOR_RERUN)
        if kind == "new_session":
            self._page = message.new_session.page_script_hash
        if kind == "ref_hash":
            self._cached[-1].add(message.ref_hash)
        if kind == "delta":
            if message.metadata.cacheable:
                self._cached[-1].add(message.hash)
            if message.delta.WhichOneof("type") == "new_element":
                self._note(message.delta.new_element)
        return False

    def _note(self, element: object) -> None:
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        inner = getattr(element, kind)
        if kind == "exception":
            raise SessionFailed(f"{inner.type}: {inner.message}")
        if kind == "markdown":
            self.texts.append(inner.body)
        identity = getattr(inner, "id", "")
        # A control with a key bears it at the end of its id.
        if identity.startswith("$$ID-"):
            key = identity.split("-", 2)[2]
            self.widgets[key] = identity
            if kind == "selectbox":
                self.options[key] = list(inner.options)


def _state(identity: str, value: Value) -> WidgetState:
    state = WidgetState(id=identity)
    if isinstance(value, bool):
        state.bool_value = value
    elif isinstance(value, str):
        state.string_value = value
    elif isinstance(value, float | int):
        state.double_value = float(value)
    elif isinstance(value, list):
        state.string_array_value.data.extend(value)
    return state
