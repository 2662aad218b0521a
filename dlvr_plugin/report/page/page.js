// What ties the parts together: one state, the controls and keys that change it, and the address that keeps it.

const MODES = ['toggle', 'wipe', 'side', 'difference', 'profile'];
const HAS_KEYS = !matchMedia('(pointer: coarse)').matches; // a phone has none
const HINTS = {
  toggle: HAS_KEYS ? 'Click the picture, or press Space, to exchange A and B in place.'
    : 'Tap the picture to exchange A and B in place.',
  wipe: 'Drag the border: A is to its left, B to its right.',
  side: 'A to the left, B to the right; zoom and position are shared.',
  difference: 'The absolute difference of A and B: black where they are equal.',
  profile: 'One line of every frame: steady motion draws smooth stripes, flicker ragged ones.',
};
let usedPointer = false; // for the last thing that was done

/** Change the state and show it; the promise is kept when the pictures are in place. */
function update(changes) {
  const before = {...state};
  Object.assign(state, changes);
  state.frame = clamp(state.frame, 0, clip().frames.length - 1);
  const changed = (...names) => names.some((name) => state[name] !== before[name]);
  showControls();
  showCaptions();
  showMode();
  if (changed('clip')) drawCurves();
  else markFrame();
  if (changed('clip', 'a', 'b', 'mode')) drawProfiles();
  rememberAddress();
  return changed('clip', 'frame', 'a', 'b') ? showPictures() : Promise.resolve();
}

function showControls() {
  const count = clip().frames.length;
  byId('clip').value = state.clip;
  byId('method-a').value = state.a;
  byId('method-b').value = state.b;
  byId('frame').max = byId('frame-number').max = count;
  byId('frame').value = byId('frame-number').value = state.frame + 1;
  byId('frame').setAttribute('aria-valuetext', `${state.frame + 1} of ${count}`);
  byId('frame-count').textContent = `of ${count}`;
  byId('frame-name').textContent = `(${clip().frames[state.frame]})`;
  document.querySelector(`input[name="mode"][value="${state.mode}"]`).checked = true;
  showProfileControls();
}

function showMode() {
  const [height, width] = clip().size;
  const stage = byId('stage');
  stage.dataset.mode = state.mode;
  stage.dataset.shown = state.shown;
  stage.style.setProperty('--ratio', state.mode === 'side' ? 2 * width / height : width / height);
  for (const element of document.querySelectorAll('#viewer [data-mode]:not(#stage)')) {
    element.hidden = element.dataset.mode !== state.mode;
  }
  byId('hint').textContent = HINTS[state.mode];
  placePictures();
}

/** Who is shown, and what was measured of this frame. */
function showCaptions() {
  for (const side of SIDES) {
    const caption = byId(`caption-${side}`);
    const {values} = clip().methods[state[side]];
    const numbers = data.metrics.map((metric) => [metric, values?.[metric.name][state.frame] ?? null])
      .filter(([, value]) => value !== null)
      .map(([metric, value]) => `${metric.label} ${withUnit(formatValue(value, metric), metric)}`);
    const isShown = !showsOneSide() || state.shown === side;
    caption.dataset.visible = isShown;
    caption.replaceChildren(
      make('strong', {}, `${side.toUpperCase()}: ${data.methods[state[side]].name}`),
      make('span', {className: 'hidden'}, isShown ? ' shown ' : ' not shown '),
      make('small', {}, numbers.join(', ')),
    );
  }
  byId('captions').setAttribute('aria-live', playing ? 'off' : 'polite');
}

function describePicture(side) {
  return `${data.methods[state[side]].name}, clip ${clip().name}, frame ${clip().frames[state.frame]}`;
}

function pictureMissing() {
  showMessage('This frame cannot be loaded. Is the folder "frames" beside the page?');
}

function afterPlacing(left, top, scale) {
  placeProfileLine(left, top, scale);
}

function showsOneSide() {
  return state.mode === 'toggle' || state.mode === 'profile';
}

function showPlaying() {
  byId('play').textContent = playing ? 'Pause' : 'Play';
  showCaptions();
}

function showOtherSide() {
  update({shown: state.shown === 'a' ? 'b' : 'a'});
}

function stepClip(step) {
  const count = data.clips.length;
  update({clip: (state.clip + step + count) % count});
}

/** What the address says, as far as this page has it. */
function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  const find = (list, name) => list.findIndex((item) => item.name === name);
  const wanted = {
    clip: find(data.clips, address.get('clip')),
    a: find(data.methods, address.get('a')),
    b: find(data.methods, address.get('b')),
    frame: Number(address.get('frame') ?? 0) - 1,
  };
  const known = Object.fromEntries(Object.entries(wanted).filter(([, value]) => Number.isInteger(value) && value >= 0));
  return MODES.includes(address.get('mode')) ? {...known, mode: address.get('mode')} : known;
}

let addressTimer = 0;

/** Keep the view in the address, not for every frame while it plays: browsers limit how often. */
function rememberAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const address = new URLSearchParams({
      clip: clip().name, frame: state.frame + 1,
      a: data.methods[state.a].name, b: data.methods[state.b].name, mode: state.mode,
    });
    history.replaceState(null, '', `#${address}`);
  }, 200);
}

const KEYS = {
  ' ': showOtherSide,
  t: showOtherSide,
  p: togglePlay,
  ArrowLeft: () => stepFrame(-1),
  ArrowRight: () => stepFrame(1),
  '[': () => stepClip(-1),
  ']': () => stepClip(1),
  '+': () => zoomAt(1.5),
  '=': () => zoomAt(1.5), // the same key without Shift
  '-': () => zoomAt(1 / 1.5),
  0: zoomToFit,
};

/** Whether an element needs a key for itself. */
function usesKey(element, key) {
  if (element.matches('select, input[type="number"]')) return true;
  if (key.startsWith('Arrow')) return element.matches('input, .scroll');
  return key === ' ' && element.matches('button, summary, input:not([type="range"])');
}

function handleKey(event) {
  const isShortcut = (event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState('AltGraph');
  if (isShortcut || usesKey(event.target, event.key)) return;
  const digit = /^Digit([1-9])$/.exec(event.code); // the key and not the sign: Shift changes it
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (digit) chooseMethod(Number(digit[1]) - 1, event.shiftKey ? 'b' : 'a');
  else if (action) action();
  else return;
  event.preventDefault();
}

function chooseMethod(method, side) {
  if (method < data.methods.length) update({[side]: method, shown: side});
}

/** A list that was used with the pointer would keep the arrow keys, which are to choose frames again. */
function giveKeysBack({target}) {
  if (target.matches('select') && usedPointer) target.blur();
}

function setUpControls() {
  const names = data.methods.map((method) => method.name);
  fillSelect(byId('clip'), data.clips.map((item) => item.name));
  for (const side of SIDES) {
    fillSelect(byId(`method-${side}`), names);
    byId(`method-${side}`).addEventListener('change', (event) => chooseMethod(Number(event.target.value), side));
  }
  byId('clip').addEventListener('change', (event) => update({clip: Number(event.target.value)}));
  byId('swap').addEventListener('click', () => update({a: state.b, b: state.a}));
  byId('modes').addEventListener('change', (event) => update({mode: event.target.value}));
  byId('previous').addEventListener('click', () => stepFrame(-1));
  byId('next').addEventListener('click', () => stepFrame(1));
  byId('play').addEventListener('click', togglePlay);
  byId('frame').addEventListener('input', (event) => update({frame: Number(event.target.value) - 1}));
  byId('frame-number').addEventListener('change', (event) => {
    update({frame: Math.round(Number(event.target.value) || 1) - 1});
  });
  byId('gain').addEventListener('input', showGain);
  document.addEventListener('keydown', handleKey);
  document.addEventListener('change', giveKeysBack);
  document.addEventListener('pointerdown', () => { usedPointer = true; }, true);
  document.addEventListener('keydown', () => { usedPointer = false; }, true);
  window.addEventListener('hashchange', () => update(readAddress()));
}

function showGain() {
  byId('gain-value').textContent = `× ${byId('gain').value}`;
  byId('stage').style.setProperty('--gain', byId('gain').value);
}

setUpTable();
setUpControls();
setUpViewer();
setUpWipe();
setUpProfile();
setUpCurves();
showGain();
update(readAddress());
drawCurves();
showPictures();
