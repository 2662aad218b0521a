// The border of the wipe: A is to its left, B to its right.

let border = 0.5; // in parts of the stage

function moveBorder(part) {
  border = clamp(part, 0, 1);
  byId('stage').style.setProperty('--border', border);
  byId('handle').setAttribute('aria-valuenow', Math.round(100 * border));
}

function dragBorder(event) {
  if (!byId('handle').hasPointerCapture(event.pointerId)) return;
  const box = byId('stage').getBoundingClientRect();
  moveBorder((event.clientX - box.left) / box.width);
}

function moveBorderByKey(event) {
  const targets = {
    ArrowLeft: border - 0.02, ArrowDown: border - 0.02,
    ArrowRight: border + 0.02, ArrowUp: border + 0.02, Home: 0, End: 1,
  };
  if (!(event.key in targets)) return;
  event.preventDefault();
  event.stopPropagation(); // the arrows choose frames elsewhere
  moveBorder(targets[event.key]);
}

function setUpWipe() {
  const handle = byId('handle');
  handle.addEventListener('pointerdown', (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener('pointermove', dragBorder);
  handle.addEventListener('keydown', moveBorderByKey);
  moveBorder(border);
}
