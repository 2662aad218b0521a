// Where answers go: to the server that the page came from, or into a file that the participant sends.
//
// A store tells by load() how far the participant is, {consented, answered}; consent() and save(answer) return the same.
// They throw a StoreError whose name is that of a text, and whose "retry" says whether to try the same thing again.

class StoreError extends Error {
  constructor(name, retry, progress = null) {
    super(name);
    Object.assign(this, {name, retry, progress});
  }
}

const serverStore = {
  load() {
    return callServer('progress');
  },
  consent() {
    return callServer('consent', {language});
  },
  save(answer) {
    return callServer('answers', answer);
  },
};

async function callServer(what, body = null) {
  const sent = body && {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
  const response = await fetch(`${data.token}/${what}`, {cache: 'no-store', credentials: 'omit', ...sent})
    .catch(() => { throw new StoreError('offline', true); });
  if (response.status === 429) throw new StoreError('too_fast', true);
  if (response.status >= 500) throw new StoreError('offline', true);
  const progress = await response.json().catch(() => { throw new StoreError('offline', true); });
  if (response.status === 409) throw new StoreError('elsewhere', false, progress);
  if (!response.ok) throw new StoreError('refused', false);
  return progress;
}

const STORED = `dlvr-survey/${data.study}/${data.token}`;

const fileStore = {
  load() {
    return progressOf(readStored());
  },
  consent() {
    const stored = readStored();
    return writeStored({...stored, language: stored.language ?? language});
  },
  save(answer) {
    const stored = readStored(); // another tab may have gone on
    const turn = data.clips[stored.answers.length]?.id;
    if (stored.answers.some((each) => each.submission === answer.submission)) return progressOf(stored);
    if (turn !== answer.turn) throw new StoreError('elsewhere', false, progressOf(stored));
    return writeStored({...stored, answers: [...stored.answers, answer]});
  },
};

function progressOf(stored) {
  return {consented: stored.language !== null, answered: stored.answers.length};
}

function readStored() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {language: null, answers: []};
  } catch {
    throw new StoreError('no_storage', false);
  }
}

function writeStored(stored) {
  try {
    localStorage.setItem(STORED, JSON.stringify(stored));
  } catch {
    throw new StoreError('no_storage', false);
  }
  return progressOf(stored);
}

function fromHex(text) {
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}

function toHex(buffer) {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The file of all answers: its payload as text, signed with the key of the participant. */
async function signedFile() {
  const payload = JSON.stringify({study: data.study, participant: data.token, ...readStored()});
  const algorithm = {name: 'HMAC', hash: 'SHA-256'};
  const key = await crypto.subtle.importKey('raw', fromHex(data.key), algorithm, false, ['sign']);
  const signature = toHex(await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(payload)));
  return JSON.stringify({payload, signature});
}

const store = data.key ? fileStore : serverStore;
const PENDING = `${STORED}/pending`; // an answer that was not acknowledged yet

function keepPending(answer) {
  try {
    if (answer) localStorage.setItem(PENDING, JSON.stringify(answer));
    else localStorage.removeItem(PENDING);
  } catch {
    // Without storage, an answer that is not acknowledged is lost with the page, and its turn asked again.
  }
}

function readPending() {
  try {
    return JSON.parse(localStorage.getItem(PENDING));
  } catch {
    return null;
  }
}

/** Do something with the store until it is done; what cannot be done is thrown. */
async function untilDone(action) {
  for (let pause = 500; ; pause = Math.min(2 * pause, 8000)) {
    try {
      const done = await action();
      notify(null);
      return done;
    } catch (error) {
      if (!(error instanceof StoreError) || !error.retry) throw error;
      notify(error.name);
      await Promise.race([wait(pause), new Promise((resolve) => addEventListener('online', resolve, {once: true}))]);
    }
  }
}
