// A page of a few frames, before (A) and after (B).

const HINTS = {
  wipe: 'Drag the border. The wheel, or two fingers, zoom.',
  toggle: 'Click the picture, or press Space, to exchange before and after in place.',
  side: 'Zoom and position are shared.',
};

function update(changes) {
  const {frame} = state;
  Object.assign(state, changes);
  for (const [name, value] of [['mode', state.mode], ['frame', state.frame]]) {
    document.querySelector(`input[name="${name}"][value="${value}"]`).checked = true;
  }
  for (const side of SIDES) byId(`caption-${side}`).dataset.visible = !showsOneSide() || state.shown === side;
  const [height, width] = clip().size;
  const stage = byId('stage');
  stage.dataset.mode = state.mode;
  stage.dataset.shown = state.shown;
  stage.style.setProperty('--ratio', state.mode === 'side' ? 2 * width / height : width / height);
  byId('hint').textContent = HINTS[state.mode];
  placePictures();
  if (state.frame !== frame) showPictures();
}

function describePicture(side) {
  return `Frame at ${clip().frames[state.frame]}, ${data.methods[state[side]].name}`;
}

function pictureMissing() {
  showMessage('This frame cannot be loaded. Are the pictures beside the page?');
}

function afterPlacing() {}

function showsOneSide() {
  return state.mode === 'toggle';
}

function showOtherSide() {
  update({shown: state.shown === 'a' ? 'b' : 'a'});
}

function stepFrame(step) {
  const count = clip().frames.length;
  update({frame: (state.frame + step + count) % count});
}

const KEYS = {
  ' ': showOtherSide,
  ArrowLeft: () => stepFrame(-1),
  ArrowRight: () => stepFrame(1),
  '+': () => zoomAt(1.5),
  '=': () => zoomAt(1.5), // the same key without Shift
  '-': () => zoomAt(1 / 1.5),
  0: zoomToFit,
};

function handleKey(event) {
  const isTaken = event.target.matches('input') || (event.key === ' ' && event.target.matches('button'));
  if (isTaken || event.ctrlKey || event.altKey || event.metaKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
}

byId('frames').append(...clip().frames.map((name, index) => make('label', {},
  make('input', {type: 'radio', name: 'frame', value: index}), make('span', {}, name))));
byId('modes').addEventListener('change', (event) => update({mode: event.target.value}));
byId('frames').addEventListener('change', (event) => update({frame: Number(event.target.value)}));
document.addEventListener('keydown', handleKey);
setUpViewer();
setUpWipe();
update({mode: 'wipe', shown: 'b'});
showPictures();
