// The profile over time: one row or column of all frames of a clip, laid side by side.

const profile = {axis: 'row', position: {row: 0.5, column: 0.5}}; // in parts of the picture, to suit every clip
const PROFILE_PIXELS = 160; // how many a short clip's profile fills at least
let profileRequest = 0;

/** The number of the row or column that is chosen. */
function profileIndex() {
  const size = clip().size[profile.axis === 'row' ? 0 : 1];
  return Math.min(Math.floor(profile.position[profile.axis] * size), size - 1);
}

function linePixels() {
  return Math.max(4, Math.round(PROFILE_PIXELS / clip().frames.length));
}

function drawProfiles() {
  const request = ++profileRequest;
  if (state.mode !== 'profile') return;
  byId('profiles').dataset.axis = profile.axis;
  for (const side of SIDES) drawProfile(side, request);
}

/** Draw frame by frame as they arrive; a later request ends this one. */
async function drawProfile(side, request) {
  const method = state[side];
  const line = `${profile.axis} ${profileIndex() + 1}`;
  const direction = profile.axis === 'row' ? 'downwards' : 'to the right';
  byId(`profile-label-${side}`).textContent =
    `${side.toUpperCase()}: ${data.methods[method].name}, ${line}, time runs ${direction}`;
  const canvas = sizeCanvas(byId(`profile-${side}`));
  for (let frame = 0; frame < clip().frames.length; frame++) {
    const image = await loadImage(side, method, frame).catch(() => null);
    if (request !== profileRequest) return;
    if (image) drawLine(canvas.getContext('2d'), image, frame);
  }
  canvas.dataset.done = request;
}

function sizeCanvas(canvas) {
  const [height, width] = clip().size;
  const duration = clip().frames.length * linePixels();
  const size = profile.axis === 'row' ? [width, duration] : [duration, height];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size; // this clears it
  return canvas;
}

function drawLine(context, image, frame) {
  const [height, width] = clip().size;
  const thickness = linePixels();
  const index = profileIndex();
  context.imageSmoothingEnabled = false;
  if (profile.axis === 'row') {
    context.drawImage(image, 0, index, width, 1, 0, frame * thickness, width, thickness);
  } else {
    context.drawImage(image, index, 0, 1, height, frame * thickness, 0, thickness, height);
  }
}

/** Mark the line over the picture. */
function placeProfileLine(left, top, scale) {
  const [height, width] = clip().size;
  const middle = (profileIndex() + 0.5) * scale;
  Object.assign(byId('profile-line').style, profile.axis === 'row'
    ? {left: `${left}px`, top: `${top + middle}px`, width: `${width * scale}px`, height: '0'}
    : {left: `${left + middle}px`, top: `${top}px`, width: '0', height: `${height * scale}px`});
}

function showProfileControls() {
  const size = clip().size[profile.axis === 'row' ? 0 : 1];
  byId('profile-axis').value = profile.axis;
  byId('profile-position').max = size - 1;
  byId('profile-position').value = profileIndex();
  byId('profile-value').textContent = `${profileIndex() + 1} of ${size}`;
}

function changeProfile() {
  showProfileControls();
  placePictures();
  drawProfiles();
}

function setUpProfile() {
  byId('profile-axis').addEventListener('change', (event) => {
    profile.axis = event.target.value;
    changeProfile();
  });
  byId('profile-position').addEventListener('input', (event) => {
    const size = Number(event.target.max) + 1;
    profile.position[profile.axis] = (Number(event.target.value) + 0.5) / size;
    changeProfile();
  });
}
