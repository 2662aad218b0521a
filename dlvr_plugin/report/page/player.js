// Playing a clip. A page around it shows by showPlaying() whether it plays, and by update({frame}) the frame.

let playing = false;
let playRequest = 0;

function stepFrame(step) {
  const count = clip().frames.length;
  return update({frame: (state.frame + step + count) % count});
}

function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Play at the rate of the clip, or as fast as frames arrive; both sides change at once. */
async function play() {
  const request = ++playRequest;
  const goesOn = () => playing && request === playRequest;
  let due = performance.now();
  while (goesOn()) {
    due = Math.max(due + 1000 / clip().frame_rate, performance.now());
    await wait(due - performance.now());
    if (goesOn()) await stepFrame(1);
  }
}

function togglePlay() {
  playing = !playing;
  showPlaying();
  if (playing) play();
}
