// The table of results.

const ALL_CLIPS = -1;

function formatValue(value, metric) {
  if (value === null || value === undefined) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return value.toFixed(metric.decimals);
}

function withUnit(text, metric) {
  return metric.unit ? `${text} ${metric.unit}` : text;
}

const table = {scope: ALL_CLIPS, sortedBy: null, ascending: true, intervals: false};
const rated = data.methods.map((method, index) => index).filter((index) => data.methods[index].mean);

/** Means of a method over all clips, or over the clip that is chosen. */
function meansOf(method) {
  return table.scope === ALL_CLIPS ? data.methods[method].mean : data.clips[table.scope].methods[method].mean;
}

/** What a table shows decides: methods that differ in hidden digits only share a place. */
function shownNumber(method, metric) {
  const value = meansOf(method)[metric.name];
  return Number.isFinite(value) ? Number(formatValue(value, metric)) : value;
}

/** Order two numbers, the better first; what has none comes last. */
function compareNumbers(one, two, metric) {
  const worst = metric.direction === 'higher' ? -Infinity : Infinity;
  const [left, right] = [one ?? worst, two ?? worst];
  if (left === right) return 0;
  return (left > right) === (metric.direction === 'higher') ? -1 : 1;
}

/** Return 'best', 'second' or '' for each method. */
function rankMethods(metric) {
  const numbers = rated.map((method) => shownNumber(method, metric) ?? null);
  const distinct = [...new Set(numbers.filter((number) => number !== null))];
  distinct.sort((one, two) => compareNumbers(one, two, metric));
  return new Map(rated.map((method, index) => {
    const place = numbers[index] === null || rated.length < 2 ? -1 : distinct.indexOf(numbers[index]);
    return [method, ['best', 'second'][place] ?? ''];
  }));
}

function sortedMethods() {
  if (table.sortedBy === null) return rated;
  const metric = data.metrics[table.sortedBy];
  const sign = table.ascending ? 1 : -1;
  return [...rated].sort((one, two) => sign * (metric
    ? compareNumbers(meansOf(one)[metric.name], meansOf(two)[metric.name], metric)
    : data.methods[one].name.localeCompare(data.methods[two].name)));
}

/** The first click puts the best, or the first of the alphabet, on top; the next one turns the order round. */
function sortBy(column) {
  table.ascending = table.sortedBy === column ? !table.ascending : true;
  table.sortedBy = column;
  drawTable();
  byId('results').querySelector(`[data-column="${column}"] button`).focus();
}

/** aria-sort speaks of values, and the best values of a metric may be the highest. */
function ariaSort(column) {
  if (table.sortedBy !== column) return 'none';
  const bestIsHighest = data.metrics[column]?.direction === 'higher';
  return table.ascending === bestIsHighest ? 'descending' : 'ascending';
}

function makeHeader(column, label, hint) {
  const button = make('button', {type: 'button', title: hint}, label);
  button.addEventListener('click', () => sortBy(column));
  const header = make('th', {scope: 'col'}, button);
  header.dataset.column = column;
  header.setAttribute('aria-sort', ariaSort(column));
  return header;
}

function makeHeaders() {
  const metrics = data.metrics.map((metric, index) => {
    const arrow = metric.direction === 'higher' ? '↑' : '↓';
    const hint = `${metric.label}${metric.unit && ` in ${metric.unit}`}: ${metric.direction} is better`;
    return makeHeader(index, `${metric.label} ${arrow}`, hint);
  });
  return make('tr', {}, makeHeader(data.metrics.length, 'Method', 'Sort by name'), ...metrics);
}

/** The interval of the frames belongs to the mean over all clips. */
function intervalOf(method, metric) {
  const interval = table.scope === ALL_CLIPS ? data.methods[method].intervals?.[metric.name]?.frames : null;
  return interval ? interval.map((bound) => formatValue(bound, metric)).join(' – ') : '';
}

function makeCell(method, metric, rank) {
  const value = meansOf(method)[metric.name];
  const interval = intervalOf(method, metric);
  const cell = make('td', {className: rank}, make('span', {className: 'number'}, formatValue(value, metric)));
  if (interval) {
    cell.title = `95 % interval over frames: ${withUnit(interval, metric)}`;
    if (table.intervals) cell.append(make('small', {}, interval));
  }
  if (rank) cell.append(make('span', {className: 'hidden'}, ` (${rank})`));
  return cell;
}

function drawTable() {
  const ranks = data.metrics.map(rankMethods);
  const rows = sortedMethods().map((method) => {
    const cells = data.metrics.map((metric, index) => makeCell(method, metric, ranks[index].get(method)));
    const row = make('tr', {}, make('th', {scope: 'row'}, data.methods[method].name), ...cells);
    row.dataset.method = method;
    return row;
  });
  byId('results').replaceChildren(make('thead', {}, makeHeaders()), make('tbody', {}, ...rows));
  byId('intervals-choice').hidden = table.scope !== ALL_CLIPS || !hasIntervals();
  showEdges();
}

/** Tell at which sides the table goes on, where it is wider than its place. */
function showEdges() {
  const {scrollLeft, scrollWidth, clientWidth} = byId('results-scroll');
  const rest = scrollWidth - clientWidth;
  byId('results-frame').dataset.before = scrollLeft > 1;
  byId('results-frame').dataset.after = scrollLeft < rest - 1;
  byId('scroll-note').hidden = rest <= 1;
}

function hasIntervals() {
  return rated.some((method) => data.metrics.some((metric) => intervalOf(method, metric)));
}

function setUpTable() {
  const count = data.num_clips;
  fillSelect(byId('table-scope'), [`mean of ${count} clip${count === 1 ? '' : 's'}`,
    ...data.clips.map((clip) => `clip ${clip.name}`)], ALL_CLIPS);
  byId('table-scope').addEventListener('change', (event) => {
    table.scope = Number(event.target.value);
    drawTable();
  });
  byId('show-intervals').addEventListener('change', (event) => {
    table.intervals = event.target.checked;
    drawTable();
  });
  byId('table-note').textContent = 'Arrows show which values are better.'
    + (rated.length > 1 ? ' Best in bold, second best underlined.' : '');
  byId('results-scroll').addEventListener('scroll', showEdges, {passive: true});
  new ResizeObserver(showEdges).observe(byId('results-scroll'));
  drawTable();
}
