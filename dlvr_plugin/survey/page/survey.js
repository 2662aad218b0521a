// What ties the page of a study together: consent, one comparison after another, the end.

const REST = 400; // milliseconds that a comparison is shown before it can be answered: a double click is one answer
const HAS_KEYS = !matchMedia('(pointer: coarse)').matches; // a phone has none
const CHOICES = {1: 'a', 2: 'b', 3: 'none'};
let isOpen = false; // for an answer
let startZoom = 1;

function describePicture(side) {
  return text('picture', {side: side.toUpperCase()});
}

function pictureMissing() {
  showMessage(text('loading_failed'));
}

function showsOneSide() {
  return state.mode === 'toggle';
}

function afterPlacing(left, top, scale) {
  const {width, height, box} = layOut();
  const onScreen = scale * devicePixelRatio;
  byId('stage').dataset.exact = onScreen > 0.99 && Math.abs(onScreen - Math.round(onScreen)) < 1e-6;
  byId('hint-part').hidden = width * scale <= box.width + 1 && height * scale <= box.height + 1;
  if (isOpen) noteView(scale);
}

/** Show each pixel by a whole number of the screen's: as large as pictures are on other pages, if that fits. */
function zoomToExact() {
  const {fit} = layOut();
  const largest = Math.max(Math.floor(fit * devicePixelRatio + 1e-9), 1);
  startZoom = Math.min(largest, Math.max(Math.round(devicePixelRatio), 1)) / devicePixelRatio / fit;
  Object.assign(view, {zoom: startZoom, x: 0.5, y: 0.5});
  placePictures();
}

function showPlaying() {
  byId('play').textContent = text(playing ? 'pause' : 'play');
}

function update(changes) {
  Object.assign(state, changes);
  return showPictures();
}

function showSides() {
  const stage = byId('stage');
  stage.dataset.mode = state.mode;
  stage.dataset.shown = state.shown;
  const shown = state.shown.toUpperCase();
  for (const side of SIDES) byId(`caption-${side}`).dataset.visible = !showsOneSide() || state.shown === side;
  byId('shown').textContent = showsOneSide() ? text('shown', {side: shown}) : text('both_shown');
  byId('switch').hidden = !showsOneSide();
  byId('switch').textContent = text(state.shown === 'a' ? 'show_b' : 'show_a');
}

function showOtherSide(means = 'picture') {
  if (!showsOneSide() || !isOpen) return;
  state.shown = state.shown === 'a' ? 'b' : 'a';
  note('switch', means);
  showSides();
}

function showPart(id) {
  for (const part of ['welcome', 'trial', 'end']) byId(part).hidden = part !== id;
}

/** Load all pictures of a comparison, however often that takes. */
async function loadPictures(index) {
  const frames = data.clips[index].frames.map((_, frame) => frame);
  while (index === state.clip) {
    try {
      return await Promise.all(frames.flatMap((frame) => SIDES.map((side) => loadImage(side, state[side], frame, index))));
    } catch {
      pictureMissing();
      await wait(1000);
    }
  }
}

function showProgress(index) {
  const numPractice = data.clips.filter((each) => each.practice).length;
  const isPractice = data.clips[index].practice;
  const [number, count] = isPractice ? [index, numPractice] : [index - numPractice, data.clips.length - numPractice];
  byId('progress').textContent = text(isPractice ? 'practice' : 'progress', {index: number + 1, count});
  Object.assign(byId('progress-bar'), {value: index, max: data.clips.length});
}

async function showTurn(index) {
  isOpen = false;
  playing = false;
  if (index >= data.clips.length) return showEnd();
  showPart('trial');
  byId('trial').dataset.turn = index;
  Object.assign(state, {clip: index, frame: 0, mode: data.clips[index].mode, shown: 'a'});
  for (const side of SIDES) pane(side).replaceChildren();
  showSides();
  showProgress(index);
  byId('hint').textContent = text(showsOneSide() ? (HAS_KEYS ? 'hint_toggle' : 'hint_toggle_touch') : 'hint_side');
  byId('play').hidden = clip().frames.length < 2;
  openAnswers(false);
  showMessage(text('loading'));
  await loadPictures(index);
  if (index !== state.clip) return;
  await showPictures();
  zoomToExact();
  startRecording();
  isOpen = true;
  byId('stage').focus({preventScroll: true}); // not a button: the next press of Space is to switch
  if (clip().frames.length > 1) togglePlay();
  await wait(REST);
  if (index === state.clip && isOpen) openAnswers(true);
  preloadTurn(index + 1);
}

function preloadTurn(index) {
  const frames = data.clips[index]?.frames.length ?? 0;
  for (let frame = 0; frame < Math.min(frames, 4); frame++) {
    for (const side of SIDES) loadImage(side, state[side], frame, index).catch(() => {}); // told when it is shown
  }
}

function openAnswers(open) {
  for (const button of document.querySelectorAll('[data-choice]')) button.disabled = !open;
}

function canAnswer() {
  return !document.querySelector('[data-choice]').disabled;
}

async function answer(choice, means) {
  if (!canAnswer() || (choice === 'none' && !data.allow_no_difference)) return;
  openAnswers(false);
  const record = finishRecording(choice, means);
  isOpen = false;
  keepPending(record);
  await deliver(record);
}

/** Store an answer, and go on from where the participant then is. */
async function deliver(record) {
  try {
    const progress = await untilDone(() => store.save(record));
    keepPending(null);
    await showTurn(progress.answered);
  } catch (error) {
    await recover(error);
  }
}

/** Go on after something was refused: from where the participant is, and with a word about it. */
async function recover(error) {
  if (!(error instanceof StoreError)) throw error;
  keepPending(null);
  if (error.progress) showTurn(error.progress.answered);
  notify(error.name);
}

async function showEnd() {
  showPart('end');
  byId('done-text').textContent = text(data.key ? 'done_file' : 'done');
  document.querySelector('#end h1').focus();
  if (!data.key) return;
  const link = byId('save-file');
  link.href = URL.createObjectURL(new Blob([await signedFile()], {type: 'application/json'}));
  link.download = `answers-${data.token}.json`;
  link.hidden = false;
}

async function begin() {
  if (data.key && !crypto.subtle) return notify('insecure');
  try {
    const {consented, answered} = await untilDone(() => store.load());
    if (!consented) return showPart('welcome');
    const pending = readPending();
    const isNext = pending && data.clips[answered]?.id === pending.turn;
    if (isNext) await deliver(pending);
    else await showTurn(answered);
  } catch (error) {
    await recover(error);
  }
}

async function agree() {
  byId('agree').disabled = true;
  try {
    await showTurn((await untilDone(() => store.consent())).answered);
  } catch (error) {
    byId('agree').disabled = false;
    await recover(error);
  }
}

/** Another tab or window may have gone on while this one was out of sight. */
async function catchUp() {
  if (document.hidden || byId('trial').hidden || !isOpen) return;
  const {answered} = await Promise.resolve(store.load()).catch(() => ({answered: state.clip}));
  if (answered === state.clip || !isOpen) return;
  showTurn(answered);
  notify('elsewhere');
}

const KEYS = {
  ' ': () => showOtherSide('key'),
  t: () => showOtherSide('key'),
  p: () => pressPlay('key'),
  '+': () => zoomAt(1.5),
  '=': () => zoomAt(1.5), // the same key without Shift
  '-': () => zoomAt(1 / 1.5),
  0: zoomToExact,
};

function pressPlay(means) {
  if (clip().frames.length < 2 || !isOpen) return;
  togglePlay();
  note(playing ? 'play' : 'pause', means);
}

function handleKey(event) {
  const isShortcut = (event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState('AltGraph');
  const isOfButton = event.key === ' ' && event.target.matches('button, select');
  if (isShortcut || isOfButton || event.repeat || byId('trial').hidden) return;
  const action = KEYS[event.key.toLowerCase()];
  if (action) action();
  else if (event.key in CHOICES) answer(CHOICES[event.key], 'key');
  else return;
  event.preventDefault();
}

function setUpControls() {
  document.addEventListener('keydown', handleKey);
  byId('agree').addEventListener('click', agree);
  byId('switch').addEventListener('click', () => showOtherSide('button'));
  byId('play').addEventListener('click', () => pressPlay('button'));
  byId('stage').addEventListener('pointerup', () => { if (isOpen && view.zoom > 1) note('pan'); });
  for (const button of document.querySelectorAll('[data-choice]')) {
    button.hidden = button.dataset.choice === 'none' && !data.allow_no_difference;
    button.addEventListener('click', () => answer(button.dataset.choice, 'button'));
  }
  document.addEventListener('visibilitychange', () => {
    if (isOpen) note(document.hidden ? 'hide' : 'show');
    catchUp();
  });
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); }); // the back button
  addEventListener('resize', () => { if (view.zoom === startZoom) zoomToExact(); });
}

setUpLanguages();
setUpControls();
setUpViewer();
showPlaying();
begin();
