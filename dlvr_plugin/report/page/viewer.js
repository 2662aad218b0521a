// The picture: its two sides, how they are laid over each other, and zoom and pan.
//
// A page around it says what differs: describePicture(side) gives the text that stands for a picture, pictureMissing()
// tells that one cannot be loaded, afterPlacing(left, top, scale) follows zoom and pan, showsOneSide() says whether a
// click on the picture is to call showOtherSide().

const SIDES = ['a', 'b'];
const state = {clip: 0, frame: 0, a: data.first_shown[0], b: data.first_shown[1], mode: 'toggle', shown: 'a'};
// The middle of the picture's window, in parts of the picture, and the zoom relative to the whole frame in view: both
// mean the same in every mode and for clips of every size.
const view = {zoom: 1, x: 0.5, y: 0.5};
const LARGEST_PIXEL = 32;
const CLICK_DISTANCE = 4;
const PRELOADED = [1, 2, 3, -1];

function clip() {
  return data.clips[state.clip];
}

function pane(side) {
  return byId(`pane-${side}`);
}

// Images by side, clip, method and frame, the one used last at the end. Each side has its own elements, because A and B
// may be one method, and an element has one place.
const images = new Map();

/** Return an image that is decoded, so that it appears without a flicker. */
function loadImage(side, method, frame, clipIndex = state.clip) {
  const key = [side, clipIndex, method, frame].join('/');
  const loading = images.get(key) ?? startLoading(key, data.clips[clipIndex].methods[method].urls[frame]);
  images.delete(key);
  images.set(key, loading);
  const limit = Math.max(48, 2 * clip().frames.length + 8);
  for (const oldest of images.keys()) {
    if (images.size <= limit) break;
    images.delete(oldest);
  }
  return loading;
}

function startLoading(key, url) {
  const image = make('img', {src: url, draggable: false});
  const loading = image.decode().then(() => image);
  loading.catch(() => images.delete(key)); // so that it is tried again
  return loading;
}

let pictureRequest = 0;

/** Put the current frame of both sides in place, both at once; a later call takes over from an earlier one. */
async function showPictures() {
  const request = ++pictureRequest;
  const {frame} = state;
  try {
    const loaded = await Promise.all(SIDES.map((side) => loadImage(side, state[side], frame)));
    if (request !== pictureRequest) return;
    SIDES.forEach((side, index) => {
      loaded[index].alt = describePicture(side);
      pane(side).replaceChildren(loaded[index]);
    });
    byId('message').hidden = true;
    preloadNeighbours();
  } catch {
    if (request === pictureRequest) pictureMissing();
  }
}

function preloadNeighbours() {
  const count = clip().frames.length;
  for (const step of PRELOADED) {
    const frame = (state.frame + step + count) % count;
    for (const side of SIDES) loadImage(side, state[side], frame).catch(() => {}); // told when it is shown
  }
}

function showMessage(text) {
  byId('message').textContent = text;
  byId('message').hidden = false;
}

/** Where the picture lies in its window, in CSS pixels. */
function layOut() {
  const [height, width] = clip().size;
  const box = {width: pane('a').clientWidth, height: pane('a').clientHeight};
  const fit = Math.min(box.width / width, box.height / height);
  return {width, height, box, fit, scale: fit * view.zoom};
}

/** Keep the middle of the window where the picture fills the window, or is centred. */
function keepInside(middle, shown, available) {
  const margin = Math.min(available / shown / 2, 0.5);
  return clamp(middle, margin, 1 - margin);
}

function placePictures() {
  SIDES.forEach((side) => snapToScreen(pane(side)));
  const {width, height, box, scale} = layOut();
  if (!box.width) return;
  view.x = keepInside(view.x, width * scale, box.width);
  view.y = keepInside(view.y, height * scale, box.height);
  const left = toScreen(box.width / 2 - view.x * width * scale);
  const top = toScreen(box.height / 2 - view.y * height * scale);
  const {style, dataset} = byId('stage');
  style.setProperty('--left', `${left}px`);
  style.setProperty('--top', `${top}px`);
  style.setProperty('--scale', scale);
  dataset.zoomed = view.zoom > 1;
  dataset.pixels = view.zoom > 1 && scale > 1; // whole pixels as squares; smooth where the frame is merely fitted
  byId('zoom-value').textContent = `${Math.round(100 * scale * devicePixelRatio)} %`;
  afterPlacing(left, top, scale);
}

/** Let a pane begin on a pixel of the screen, wherever the page puts it: else the screen would blur its picture. */
function snapToScreen(element) {
  // Browsers round places to whole CSS pixels or to those of the screen: to where both are whole, at every 4th of 1.25.
  const step = [1, 2, 3, 4].find((count) => Number.isInteger(count * devicePixelRatio)) ?? 1;
  const distance = (place) => Math.ceil(place / step - 1e-6) * step - place;
  const {style} = element;
  style.margin = '0';
  const box = element.getBoundingClientRect();
  style.margin = `${distance(box.top)}px 0 0 ${distance(box.left)}px`;
}

/** Round a place, in CSS pixels, to pixels of the screen. */
function toScreen(place) {
  return Math.round(place * devicePixelRatio) / devicePixelRatio;
}

/** Zoom so that a point, given from the middle of the window, stays where it is. */
function zoomAt(factor, x = 0, y = 0) {
  const {width, height, fit, scale} = layOut();
  const smallest = Math.min(1, 1 / (fit * devicePixelRatio));
  view.zoom = clamp(view.zoom * factor, smallest, Math.max(1, LARGEST_PIXEL / fit));
  const change = 1 / scale - 1 / (fit * view.zoom);
  view.x += x / width * change;
  view.y += y / height * change;
  placePictures();
}

function panBy(x, y) {
  const {width, height, scale} = layOut();
  view.x -= x / (width * scale);
  view.y -= y / (height * scale);
  placePictures();
}

function zoomToFit() {
  Object.assign(view, {zoom: 1, x: 0.5, y: 0.5});
  placePictures();
}

function zoomToActual() {
  zoomAt(1 / (layOut().scale * devicePixelRatio));
}

/** A point of the screen, from the middle of the window that it lies in. */
function fromMiddle(x, y) {
  const boxes = SIDES.map((side) => pane(side).getBoundingClientRect());
  const box = state.mode === 'side' && x > boxes[1].left ? boxes[1] : boxes[0];
  return [x - box.left - box.width / 2, y - box.top - box.height / 2];
}

const pointers = new Map();
let pressed = null; // where the first pointer went down, until it is clear that it is no click

function middleOf(points) {
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
}

function distanceOf([one, two]) {
  return two ? Math.hypot(one[0] - two[0], one[1] - two[1]) : 0;
}

function startGesture(event) {
  if (event.button !== 0 || event.target.matches('[role="slider"]')) return;
  byId('stage').setPointerCapture(event.pointerId);
  pressed = pointers.size ? null : [event.clientX, event.clientY];
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
}

function continueGesture(event) {
  if (!pointers.has(event.pointerId)) return;
  const point = [event.clientX, event.clientY];
  if (pressed && distanceOf([pressed, point]) < CLICK_DISTANCE) return;
  pressed = null;
  const before = [...pointers.values()];
  pointers.set(event.pointerId, point);
  const after = [...pointers.values()];
  const [from, to] = [middleOf(before), middleOf(after)];
  panBy(to[0] - from[0], to[1] - from[1]);
  if (after.length > 1) zoomAt(distanceOf(after) / Math.max(distanceOf(before), 1), ...fromMiddle(...to));
}

function endGesture(event) {
  const wasClick = pressed && event.type === 'pointerup';
  pointers.delete(event.pointerId);
  pressed = null;
  if (wasClick && showsOneSide()) showOtherSide();
}

function setUpViewer() {
  const stage = byId('stage');
  stage.addEventListener('pointerdown', startGesture);
  stage.addEventListener('pointermove', continueGesture);
  stage.addEventListener('pointerup', endGesture);
  stage.addEventListener('pointercancel', endGesture);
  stage.addEventListener('wheel', (event) => {
    event.preventDefault();
    const unit = [1, 16, 400][event.deltaMode]; // pixels, lines, pages
    zoomAt(2 ** clamp(-event.deltaY * unit / 300, -1, 1), ...fromMiddle(event.clientX, event.clientY));
  }, {passive: false});
  byId('zoom-in').addEventListener('click', () => zoomAt(1.5));
  byId('zoom-out').addEventListener('click', () => zoomAt(1 / 1.5));
  byId('zoom-fit').addEventListener('click', zoomToFit);
  byId('zoom-actual').addEventListener('click', zoomToActual);
  new ResizeObserver(placePictures).observe(stage);
}
