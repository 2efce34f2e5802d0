"""What a browser says to Streamlit and hears from it, in Streamlit's own protobuf messages."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

# What a control holds: text of a menu or a field, a number, on or off, options that are pressed.
Value = str | float | bool | list[str] | None

# The browser keeps the large messages of so many runs (global.maxCachedMessageAge), and says so.
KEPT_RUNS = 2


class SessionFailed(Exception):
    """The server said that a script did not end as it should."""


@dataclass
class Control:
    """A control of the page as a browser holds it."""

    identity: str
    kind: str
    options: list[str]
    default: Value
    value: Value
    in_address: bool


@dataclass
class Conversation:
    """One browser's side of a session: the controls it shows, and how it answers.

    Attributes:
        url: the address that the browser shows, without its query.
        controls: by key, those of the last run.
        texts: Markdown of the last run, to see that it says what it should.
    """

    url: str
    controls: dict[str, Control] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    received_bytes: int = 0
    _page: str = ""
    _before: dict[str, Control] = field(default_factory=dict)
    _cached: deque[set[str]] = field(default_factory=lambda: deque([set()], KEPT_RUNS))
    # By hash: the controls among what the server may send by its hash alone.
    _elements: dict[str, Element] = field(default_factory=dict)

    def rerun(self, changes: Mapping[str, Value]) -> bytes:
        """The message that asks for a run of the page with some controls changed.

        A browser says what every control holds, and has in the address what is not at its default.

        Raises KeyError for a control that the page has not shown.
        """
        for key, value in changes.items():
            self.controls[key].value = value
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string = self.query
        asked.page_script_hash = self._page
        for control in self.controls.values():
            asked.widget_states.widgets.append(_state(control))
        asked.cached_message_hashes.extend(sorted(set().union(*self._cached)))
        asked.context_info.timezone = "UTC"
        asked.context_info.locale = "en-US"
        asked.context_info.url = self.url
        asked.context_info.color_scheme = "light"
        self._cached.append(set())
        self._before, self.controls = self.controls, {}
        self.texts.clear()
        return bytes(message.SerializeToString())

    @property
    def query(self) -> str:
        """The query of the address."""
        return urlencode(
            {
                key: f"{control.value:g}" if control.kind == "number_input" else control.value
                for key, control in self.controls.items()
                if control.in_address and control.value != control.default
            },
            doseq=True,
        )

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
            # A long menu that has not changed comes by its hash alone.
            if message.ref_hash in self._elements:
                self._note(self._elements[message.ref_hash])
        if kind == "delta":
            if message.metadata.cacheable:
                self._cached[-1].add(message.hash)
            if message.delta.WhichOneof("type") == "new_element":
                element = message.delta.new_element
                self._note(element)
                if message.metadata.cacheable and element.WhichOneof("type") in KINDS:
                    self._elements[message.hash] = element
        return False

    def _note(self, element: Element) -> None:
        kind = element.WhichOneof("type")
        inner = getattr(element, kind)
        if kind == "exception":
            raise SessionFailed(f"{inner.type}: {inner.message}")
        if kind == "markdown":
            self.texts.append(inner.body)
        if kind in KINDS:
            # A control with a key bears it at the end of its id.
            key = inner.id.split("-", 2)[2]
            default = KINDS[kind](inner)
            known = self._before.get(key)
            keeps = known is not None and known.identity == inner.id and not inner.set_value
            self.controls[key] = Control(
                identity=inner.id,
                kind=kind,
                options=_options(inner),
                default=default,
                value=known.value if known is not None and keeps else _set_value(inner, default),
                in_address=inner.HasField("query_param_key"),
            )


def _options(inner: Any) -> list[str]:
    return [getattr(option, "content", option) for option in getattr(inner, "options", ())]


def _set_value(inner: Any, default: Value) -> Value:
    """What the server has put into a control; its default where it has put nothing."""
    if not inner.set_value:
        return default
    if hasattr(inner, "raw_values"):
        return list(inner.raw_values)
    name = "raw_value" if hasattr(inner, "raw_value") else "value"
    return _present(inner, name)


def _present(inner: Any, name: str) -> Value:
    """A field, None where the message lacks it."""
    has_presence = inner.DESCRIPTOR.fields_by_name[name].has_presence
    value: Value = getattr(inner, name)
    return None if has_presence and not inner.HasField(name) else value


def _pressed(inner: Any) -> Value:
    options = _options(inner)
    return [options[number] for number in inner.default]


def _chosen(inner: Any) -> Value:
    return inner.options[inner.default] if inner.HasField("default") else None


# The controls whose values a browser sends -> what each holds at first.
KINDS: dict[str, Callable[[Any], Value]] = {
    "button_group": _pressed,
    "multiselect": _pressed,
    "selectbox": _chosen,
    "radio": _chosen,
    "text_input": lambda inner: _present(inner, "default"),
    "number_input": lambda inner: _present(inner, "default"),
    "checkbox": lambda inner: bool(inner.default),
}


def _state(control: Control) -> WidgetState:
    state = WidgetState(id=control.identity)
    value = control.value
    if isinstance(value, bool):
        state.bool_value = value
    elif isinstance(value, str):
        state.string_value = value
    elif isinstance(value, float | int):
        state.double_value = float(value)
    elif isinstance(value, list):
        state.string_array_value.SetInParent()
        state.string_array_value.data.extend(value)
    return state
