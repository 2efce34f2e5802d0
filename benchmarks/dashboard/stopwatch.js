// Stopwatches in the page. Each ends with the frame after the one in which its condition first
// held: what it waits for has then been drawn. Times are milliseconds.
(() => {
  const PATIENCE = 180e3;
  const view = VIEW;
  const frames = (holds, done, fail) => {
    const deadline = performance.now() + PATIENCE;
    const look = () => {
      if (performance.now() > deadline) return fail(new Error(`in vain: ${holds}`));
      let held = false;
      try { held = holds(); } catch (error) { held = false; }
      requestAnimationFrame(held ? () => done(performance.now()) : look);
    };
    requestAnimationFrame(look);
  };

  // Marks of a kind with their place in the canvas: [{item, x, y}].
  const marks = (vega, wanted) => {
    const found = [];
    const walk = (mark, x, y) => {
      for (const item of mark.items) {
        if (mark.marktype === 'group') {
          for (const inner of item.items) walk(inner, x + (item.x || 0), y + (item.y || 0));
        } else if (wanted(mark)) {
          found.push({item, x: x + item.x, y: y + item.y});
        }
      }
    };
    const [x, y] = vega.origin();
    walk(vega.scenegraph().root, x, y);
    return found;
  };
  const bubbles = vega =>
    marks(vega, m => m.marktype === 'symbol' && m.role === 'mark').filter(m => m.item.datum.model);

  const shownRows = vega => vega.data('source').filter(row => row.shown).length;
  const ringedRows = vega => vega.data('source').filter(row => row.shown && row.hit).length;

  // Whether the canvas has colour where the last marks are: they are drawn, not only computed.
  const inked = vega => {
    const canvas = vega.container().querySelector('canvas');
    const shown = bubbles(vega).filter(m => m.x > 2 && m.y > 2);
    if (!canvas || !shown.length) return false;
    const scale = canvas.width / canvas.clientWidth;
    const context = canvas.getContext('2d');
    const last = shown.slice(-20);
    const drawn = last.filter(({x, y}) => {
      const [red, green, blue, alpha] = context.getImageData(x * scale, y * scale, 1, 1).data;
      return alpha > 0 && Math.min(red, green, blue) < 245;
    });
    return drawn.length >= 0.8 * last.length;
  };

  const painted = {
    blank: () => document.querySelector('[data-testid="stMarkdown"] p') !== null,
    models: () => { const vega = view(); return vega !== null && inked(vega); },
    plotly: () => {
      const chart = document.querySelector('.js-plotly-plot');
      if (!chart) return false;
      if (chart.querySelectorAll('.scatterlayer .point').length > 100) return true;
      const canvas = chart.querySelector('canvas.gl-canvas-context');
      if (!canvas || !canvas.width) return false;
      const copy = document.createElement('canvas');
      [copy.width, copy.height] = [canvas.width, canvas.height];
      const context = copy.getContext('2d', {willReadFrequently: true});
      context.drawImage(canvas, 0, 0);
      const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
      let coloured = 0;
      for (let n = 3; n < pixels.length; n += 4) coloured += pixels[n] > 0;
      return coloured > 1000;
    },
  };

  const conditions = {
    // The rows are more or fewer, and the bubbles are those of the rows, some with a ring.
    redrawn: () => {
      const vega = view(), rows = shownRows(vega);
      return rows > 0 && rows !== conditions.redrawn.before
        && bubbles(vega).length === rows + ringedRows(vega) && inked(vega);
    },
    hovered: () => {
      const tip = document.querySelector('#vg-tooltip-element');
      return tip !== null && tip.classList.contains('visible')
        && tip.innerText !== conditions.hovered.before;
    },
    isolated: () => bubbles(view()).filter(m => m.item.opacity < 0.3).length > 10,
    whole: () => bubbles(view()).every(m => m.item.opacity > 0.3),
    card: () => {
      const card = document.querySelector('.st-key-card');
      return card !== null && card.innerText.trim() !== ''
        && card.innerText.split('\n')[0] !== conditions.card.before;
    },
  };

  window.stopwatch = {
    // From the start of the navigation to the painted page; a promise.
    page: kind => new Promise((done, fail) => frames(painted[kind], done, fail)),
    // From the next event of a type to the condition; take() hands the time over.
    arm: (type, name, before) => {
      const condition = conditions[name];
      condition.before = before;
      window.stopwatch.taken = new Promise((done, fail) => {
        const late = setTimeout(() => fail(new Error(`no ${type}`)), PATIENCE);
        addEventListener(type, event => {
          clearTimeout(late);
          frames(condition, end => done(end - event.timeStamp), fail);
        }, {capture: true, once: true});
      });
    },
    armRedrawn: type => window.stopwatch.arm(type, 'redrawn', shownRows(view())),
    take: () => window.stopwatch.taken,
    bubbles: () => bubbles(view()).map(({item, x, y}) => ({x, y, model: item.datum.model})),
    legend: () => marks(view(), m => m.role === 'legend-label')
      .map(({item, x, y}) => ({x, y, text: item.text})),
    canvas: () => {
      const box = view().container().querySelector('canvas').getBoundingClientRect();
      return {left: box.left, top: box.top, height: box.height};
    },
  };
})();
