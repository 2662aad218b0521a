// The curves: a metric of every method over the frames of the current clip.

const SVG = 'http://www.w3.org/2000/svg';
const DASHES = ['none', '7 4', '2 3', '10 3 2 3', '14 5', '5 2 1 2 1 2', '1 4'];
const SHAPES = [
  'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z', // circle
  'M-3.5-3.5h7v7h-7z', // square
  'M0-4.6L4.4 3.4H-4.4z', // triangle
  'M0-5L5 0L0 5L-5 0z', // diamond
  'M-4.4-3.4H4.4L0 4.6z', // triangle, downwards
  'M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z', // cross
];
const MARGIN = {left: 56, right: 14, top: 14, bottom: 40};
const TICK_STEPS = [1, 2, 5, 10];
const curves = {metric: 0};

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function valuesOf(method) {
  return clip().methods[method].values[data.metrics[curves.metric].name];
}

/** Colour, dash and marker of a method: each alone tells it from the others. */
function lookOf(place) {
  return {
    colour: `var(--series-${place % 7})`,
    dash: DASHES[place % DASHES.length],
    shape: SHAPES[place % SHAPES.length],
  };
}

/** Round steps that divide a range into about so many parts. */
function chooseTicks(low, high, count, smallestStep = 0) {
  const rough = Math.max((high - low) / count, smallestStep, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(power * TICK_STEPS.find((size) => size * power >= rough * 0.999), smallestStep);
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) ticks.push(index * step);
  return {ticks, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9))};
}

/** The range of the finite values, a little wider; above it lies infinity, where there is any. */
function valueRange() {
  const values = rated.flatMap(valuesOf);
  const finite = values.filter(Number.isFinite);
  const [low, high] = finite.length ? [Math.min(...finite), Math.max(...finite)] : [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  const finiteHigh = high + margin;
  return {low: low - margin, finiteHigh, high: values.includes(Infinity) ? finiteHigh + 2 * margin : finiteHigh};
}

/** Functions from frames and values to places in the drawing; infinity lies on its upper edge. */
function makeScales(width, height) {
  const {low, finiteHigh, high} = valueRange();
  const last = Math.max(clip().frames.length - 1, 1);
  const inner = {width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom};
  return {
    low, finiteHigh, high, width, height,
    x: (frame) => MARGIN.left + inner.width * frame / last,
    y: (value) => MARGIN.top + inner.height * (high - clamp(value, low, high)) / (high - low),
  };
}

function drawAxes({low, finiteHigh, high, width, height, x, y}) {
  const metric = data.metrics[curves.metric];
  const axes = draw('g', {class: 'axes'});
  const {ticks, decimals} = chooseTicks(low, finiteHigh, height / 45);
  for (const tick of high > finiteHigh ? [...ticks, Infinity] : ticks) {
    const label = formatValue(tick, {decimals});
    axes.append(draw('line', {x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick)}),
      draw('text', {x: MARGIN.left - 8, y: y(tick), class: 'value'}, label));
  }
  for (const tick of chooseTicks(1, clip().frames.length, width / 80, 1).ticks) {
    axes.append(draw('text', {x: x(tick - 1), y: height - MARGIN.bottom + 18, class: 'frame'}, tick));
  }
  axes.append(draw('text', {x: (MARGIN.left + width - MARGIN.right) / 2, y: height - 4, class: 'frame'}, 'frame'));
  const name = draw('text', {class: 'title', transform: `translate(12 ${(height - MARGIN.bottom) / 2}) rotate(-90)`});
  name.textContent = withUnit(metric.label, {unit: metric.unit && `(${metric.unit})`});
  axes.append(name);
  return axes;
}

function drawCurve(method, place, {x, y}) {
  const look = lookOf(place);
  const values = valuesOf(method);
  let path = '';
  values.forEach((value, frame) => {
    if (value === null) return;
    const isStart = frame === 0 || values[frame - 1] === null;
    path += `${isStart ? 'M' : 'L'}${x(frame).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  const curve = draw('g', {style: `--colour: ${look.colour}`, role: 'group', 'aria-label': data.methods[method].name},
    draw('path', {d: path, class: 'curve', 'stroke-dasharray': look.dash}));
  values.forEach((value, frame) => {
    if (value !== null) curve.append(drawPoint(method, frame, value, look, [x(frame), y(value)]));
  });
  return curve;
}

function drawPoint(method, frame, value, look, [x, y]) {
  const metric = data.metrics[curves.metric];
  const label = `${data.methods[method].name}, frame ${frame + 1} (${clip().frames[frame]}): `
    + withUnit(formatValue(value, metric), metric);
  return draw('path', {
    d: look.shape, class: 'point', transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, role: 'button',
    tabindex: -1, 'aria-label': label, 'data-method': method, 'data-frame': frame,
  }, draw('title', {}, label));
}

function drawLegend() {
  byId('legend').replaceChildren(...rated.map((method, place) => {
    const look = lookOf(place);
    const swatch = draw('svg', {width: 34, height: 12, 'aria-hidden': 'true', style: `--colour: ${look.colour}`},
      draw('path', {d: 'M0 6H34', class: 'curve', 'stroke-dasharray': look.dash}),
      draw('path', {d: look.shape, class: 'point', transform: 'translate(17 6)'}));
    return make('li', {}, swatch, data.methods[method].name);
  }));
}

function drawCurves() {
  const width = byId('curves').clientWidth;
  if (!width) return;
  const scales = makeScales(width, width < 600 ? 240 : 320);
  const name = `${data.metrics[curves.metric].label} over the frames of clip ${clip().name}`;
  const svg = draw('svg', {width, height: scales.height, role: 'group', 'aria-label': name},
    drawAxes(scales),
    draw('line', {id: 'now', y1: MARGIN.top, y2: scales.height - MARGIN.bottom, 'data-first': scales.x(0),
      'data-step': scales.x(1) - scales.x(0)}),
    ...rated.map((method, place) => drawCurve(method, place, scales)));
  byId('curves').replaceChildren(svg);
  byId('curve-clip').textContent = `clip ${clip().name}`;
  markFrame();
}

/** Mark the current frame; its points are those that the Tab key reaches, one a method. */
function markFrame() {
  const now = byId('now');
  if (!now) return;
  const place = Number(now.dataset.first) + state.frame * Number(now.dataset.step);
  now.setAttribute('x1', place);
  now.setAttribute('x2', place);
  const focused = document.activeElement.closest?.('#curves .point');
  for (const point of byId('curves').querySelectorAll('.point[tabindex="0"]')) point.setAttribute('tabindex', -1);
  for (const point of byId('curves').querySelectorAll(`.point[data-frame="${state.frame}"]`)) {
    point.setAttribute('tabindex', 0);
    // The arrow keys walk along a curve.
    if (focused && focused.dataset.method === point.dataset.method) point.focus();
  }
}

function choosePoint(event) {
  const point = event.target.closest('.point');
  if (!point) return;
  if (event.type === 'keydown') {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    event.stopPropagation(); // Space exchanges A and B elsewhere
  }
  update({frame: Number(point.dataset.frame), a: Number(point.dataset.method), shown: 'a'});
}

function setUpCurves() {
  fillSelect(byId('curve-metric'), data.metrics.map((metric) => metric.label));
  byId('curve-metric').addEventListener('change', (event) => {
    curves.metric = Number(event.target.value);
    drawCurves();
  });
  byId('curves').addEventListener('click', choosePoint);
  byId('curves').addEventListener('keydown', choosePoint);
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width === width) return; // its height follows from the drawing
    width = entry.contentRect.width;
    drawCurves();
  }).observe(byId('curves'));
  drawLegend();
}
