"""What a chart on the page really draws: asked of the Vega view behind its canvas.

Streamlit keeps the view to itself, so it is found where React keeps the chart component's state; a
report hands its view out as VEGA_DEBUG.
"""

from typing import Any

from playwright.sync_api import Page

# The view of the first chart on the page, or of another of them; null while there is none.
VIEW = """
(number = 0) => {
  if (globalThis.VEGA_DEBUG) return VEGA_DEBUG.view;
  const element = document.querySelectorAll('[data-testid="stVegaLiteChart"]')[number];
  const key = element && Object.keys(element).find(name => name.startsWith('__reactFiber'));
  for (let fibre = key && element[key]; fibre; fibre = fibre.return) {
    for (let hook = fibre.memoizedState; hook && 'next' in hook; hook = hook.next) {
      const held = hook.memoizedState && hook.memoizedState.current;
      if (held && typeof held.scenegraph === 'function') return held;
    }
  }
  return null;
}
"""

# Every mark of a kind, in pixels from the plot's upper left corner.
_MARKS = """
(view, kind) => {
  const found = [];
  const walk = (mark, right, down) => {
    for (const item of mark.items) {
      if (mark.marktype === 'group') {
        item.items.forEach(one => walk(one, right + (item.x ?? 0), down + (item.y ?? 0)));
      } else if (mark.marktype === kind) {
        const {x1, y1, x2, y2} = item.bounds;
        found.push({
          name: mark.name ?? '', role: mark.role, text: item.text ?? null,
          x: item.x + right, y: item.y + down,
          left: x1 + right, top: y1 + down, right: x2 + right, bottom: y2 + down,
          opacity: item.opacity ?? 1, fill: item.fill ?? null, stroke: item.stroke ?? null,
          size: item.size ?? null, shape: item.shape ?? null,
          model: (item.datum && item.datum.model) ?? null,
        });
      }
    }
  };
  walk(view.scenegraph().root, 0, 0);
  return found;
}
"""

# Streamlit names the rows that it hands over `source` where the specification holds no data.
_ROWS = "view => view.data(globalThis.VEGA_DEBUG ? 'points' : 'source')"
# None while the chart is still another page's: its view knows no such rows and throws.
_ROWS_OR_NONE = f"view => {{ try {{ return ({_ROWS})(view); }} catch {{ return []; }} }}"
_PLAIN = "(key, value) => typeof value === 'bigint' ? Number(value) : value"


def wait(page: Page) -> None:
    """Until the first chart is drawn with its rows."""
    until(page, "rows => rows.length > 0")


def wait_for_all(page: Page, charts: int) -> None:
    """Until so many charts are drawn with their rows."""
    page.wait_for_function(
        f"""charts => [...Array(charts).keys()].every(n => {{
          const view = ({VIEW})(n);
          return view !== null && ({_ROWS_OR_NONE})(view).length > 0 && view.signal('width') > 0;
        }})""",
        arg=charts,
        timeout=60_000,
    )


def until(page: Page, condition: str, argument: Any = None) -> None:
    """Until the first chart's rows meet a condition: a JavaScript function of rows, argument."""
    page.wait_for_function(
        f"""argument => {{
          const view = ({VIEW})();
          return view !== null && ({condition})(({_ROWS_OR_NONE})(view), argument);
        }}""",
        arg=argument,
        timeout=60_000,
    )


def domain(page: Page, axis: str) -> list[float]:
    """Both ends of an axis (`x` or `y`) as they are drawn now."""
    return page.evaluate(f"axis => ({VIEW})().scale(axis).domain()", axis)


def until_zoomed_in(page: Page, whole: list[float]) -> None:
    """Until the time axis shows less than it did."""
    page.wait_for_function(
        f"""([low, high]) => {{
          const [left, right] = ({VIEW})().scale('x').domain();
          return left > low && right < high;
        }}""",
        arg=whole,
    )


def signal(page: Page, name: str) -> Any:
    """A signal's value: `brush_seconds` is the brush's extent, null where there is none."""
    return page.evaluate(f"name => ({VIEW})().signal(name)", name)


def plot(page: Page, *, chart: int = 0) -> tuple[float, float]:
    """The plot's width and height in pixels."""
    width, height = page.evaluate(
        f"n => {{ const v = ({VIEW})(n); return [v.signal('width'), v.signal('height')]; }}", chart
    )
    return width, height


def origin(page: Page) -> tuple[float, float]:
    """Where the plot's upper left corner is in the window."""
    left, top = page.evaluate(
        f"""() => {{
          const view = ({VIEW})();
          const box = view.container().querySelector('canvas').getBoundingClientRect();
          const [x, y] = view.origin();
          const padding = view.padding();
          return [box.left + x + padding.left, box.top + y + padding.top];
        }}"""
    )
    return left, top


def rows(page: Page) -> list[dict[str, Any]]:
    """The rows that the chart was given."""
    return page.evaluate(f"() => JSON.parse(JSON.stringify(({_ROWS})(({VIEW})()), {_PLAIN}))")


def shown(page: Page) -> list[dict[str, Any]]:
    """The rows that are bubbles."""
    return [row for row in rows(page) if row["shown"]]


def marks(page: Page, kind: str, *, chart: int = 0) -> list[dict[str, Any]]:
    """The marks of a kind (`symbol`, `text`, `line`, `rule`) with their bounds."""
    return page.evaluate(f"([kind, n]) => ({_MARKS})(({VIEW})(n), kind)", [kind, chart])
