"""Links with anything in them: the page opens; each control shows what the link says, or nothing.

The names of the parameters and what may be chosen are asked of the page itself, so that a control
that is added is mutated too.
"""

import math
import random
import sys

from bench.worker_process import ROOT

KINDS = ("selectbox", "radio", "multiselect", "number_input", "text_input")
KINDS += ("toggle",)
PAGES = ("models", "compare")
NUMBERS = ["0", "-0", "-1", "1e400", "1e-400", "nan", "inf", "-inf", "0x10", "1_000", "1,000", "٣"]
NUMBERS += ["9" * 400, "1e3", "5", "80", "100.5", " 5", "5 ", "+5", "5.", ".5", "1e", "--5"]
TEXTS = [
    "",
    " ",
    "true",
    "false",
    "True",
    "None",
    "null",
    "[]",
    "{}",
    "../../etc/passwd",
    "%00",
    "\0",
]
TEXTS += [
    "<b>x</b>",
    "[x](javascript:alert(1))",
    "$\\frac{1}{0}$",
    "a" * 5000,
    "\u202e",
    "(",
    "[a-",
]
TEXTS += [".*", "\\", "'", '"', "*", "?", "hf-hub:x/y", "=1+1", ",", "a,b", "\N{GRINNING FACE}"]
TEXTS += ["@", "x@", "@224", "resnet50@224", "resnet50.a1_in1k@288", "no.such@224", "\ud83d"]
NASTY = [*NUMBERS, *TEXTS]


class LinkReader:
    """Opens pages; see survey in fuzz.py."""

    def __init__(self, folder):
        # Where pytest finds them too.
        sys.path.insert(0, str(ROOT / "tests"))
        import dashboard

        self.visit = dashboard.visit
        self.pages = {page: controls(self.visit(page)) for page in PAGES}

    def mutant(self, rng: random.Random):
        """A page and its parameters, most of them wrong."""
        page = rng.choice(PAGES)
        known = self.pages[page]
        names = rng.sample(sorted(known), rng.randint(1, 3))
        if page == "models" and rng.random() < 0.2:
            names.append("model")
        if rng.random() < 0.1:
            names.append("nobody-asked-for-this")
        link = {}
        for name in names:
            values = [_value(known.get(name), rng) for _ in range(rng.choice([1, 1, 1, 2, 7]))]
            link[name] = values[0] if len(values) == 1 else values
        return page, link

    def is_wrong(self, mutant):
        page, link = mutant
        # Raises where the page does.
        app = self.visit(page, **link)
        if len(app.header) != 1:
            return True
        now = controls(app)
        names = now.keys() & link.keys()
        if any(not _is_right(now[name], link[name]) for name in names):
            return True
        if len(link) > 1:
            return False
        # What the only parameter says, or what a first visitor sees.
        before = self.pages[page]
        return not all(_is_said_or(before.get(name), now[name], link[name]) for name in names)


def controls(app):
    """What a page binds to its address: key -> control."""
    found = (one for kind in KINDS for one in getattr(app, kind))
    return {one.key: one for one in found if one.key and getattr(one.proto, "query_param_key", "")}


def _value(control, rng):
    options = list(getattr(control, "options", None) or [])
    if options and rng.random() < 0.3:
        return str(rng.choice(options))
    if options and rng.random() < 0.3:
        text = list(str(rng.choice(options)) or " ")
        text[rng.randrange(len(text))] = rng.choice(["", "x", " ", "é", "\n", "[", "A"])
        return "".join(text)
    if rng.random() < 0.2:
        return "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randint(1, 30)))
    if rng.random() < 0.3:
        return repr(rng.uniform(-200, 2e3))
    return rng.choice(NASTY).encode("utf-8", "replace").decode()


def _is_right(control, asked):
    """Whether a control shows what the link says, as far as it can be chosen, or nothing."""
    said = [asked] if isinstance(asked, str) else asked
    match type(control).__name__:
        case "NumberInput":
            if control.value is None:
                return True
            low, high = control.min or -math.inf, control.max or math.inf
            is_number = math.isfinite(control.value) and low <= control.value <= high
            return is_number and any(_number(text) == control.value for text in said)
        case "TextInput":
            return control.value in said or control.value in ("", None)
        case "Toggle":
            return control.value is (any(text.lower() == "true" for text in said) and control.value)
        case "Multiselect":
            return all(_is_option(value, control) for value in control.value) and all(
                str(value) in said for value in control.value
            )
        case _:
            return control.value is None or _is_option(control.value, control)


def _is_said_or(before, control, asked):
    value = control.value
    if before is None or value == before.value or isinstance(value, (float, list)):
        return True
    said = [asked] if isinstance(asked, str) else asked
    written = {str(value), str(value).lower()}
    if hasattr(control, "options"):
        written.add(control.format_func(value))
    return bool(written & set(said))


def _is_option(value, control):
    return str(value) in map(str, control.options) or control.format_func(value) in control.options


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None
