// What is recorded with an answer: what was done, when, by what means, and on what screen.

const MOST_EVENTS = 1000;
const recording = {start: 0, events: [], switches: 0, scale: 0};

function startRecording() {
  Object.assign(recording, {start: performance.now(), events: [], switches: 0, scale: layOut().scale});
}

/** Note an event with its time; of those that come in numbers, zoom and pan, two a second at most. */
function note(what, means = '') {
  const now = Math.round(performance.now() - recording.start);
  const last = recording.events.at(-1);
  const isDense = (what === 'zoom' || what === 'pan') && last?.[1] === what && now - last[0] < 500;
  if (what === 'switch') recording.switches += 1;
  if (!isDense && recording.events.length < MOST_EVENTS) recording.events.push([now, what, means]);
}

function noteView(scale) {
  if (scale !== recording.scale) note('zoom');
  recording.scale = scale;
}

function randomName() {
  return toHex(crypto.getRandomValues(new Uint8Array(16)).buffer);
}

function finishRecording(choice, means) {
  const bounded = (value) => clamp(Math.round(value), 0, 1e5);
  return {
    turn: clip().id,
    submission: randomName(),
    choice,
    seconds: Math.round(performance.now() - recording.start) / 1000,
    switches: recording.switches,
    events: recording.events,
    means,
    screen: {
      width: bounded(screen.width), height: bounded(screen.height),
      window_width: bounded(innerWidth), window_height: bounded(innerHeight), pixel_ratio: devicePixelRatio,
    },
    view: {scale: layOut().scale * devicePixelRatio, x: clamp(view.x, 0, 1), y: clamp(view.y, 0, 1)},
    language,
  };
}
