/* A worker that has one picture open. It is told what to show, does a piece of the work at a time, and listens in
 * between: what it is told last is what it does. */

import { Decoder, DecoderError } from "./decoder.js";
import { Finisher } from "./finish.js";

let picture;
let finisher; // A promise of it.
let wanted = null; // What to show, until it is done.
let busy = false;

const { port1: bell, port2: ear } = new MessageChannel();

/** Lets messages in. */
function listen() {
  return new Promise((resolve) => {
    ear.onmessage = resolve;
    bell.postMessage(null);
  });
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    const known = error instanceof DecoderError;
    postMessage({ failed: known ? error.message : `the decoder stopped: ${error.message}` });
    close();
  }
}

async function open({ wasm, codebook, file, memory }) {
  const decoder = await Decoder.start(wasm, codebook);
  picture = decoder.open(file, memory);
  const { width, height, alpha, icc } = picture;
  postMessage({ opened: { width, height, alpha, icc } });
}

async function work() {
  busy = true;
  while (wanted) {
    const { job, pieces } = wanted;
    if (!pieces.length) {
      postMessage({ job, done: true });
      wanted = null;
      break;
    }
    const { part, draft, onto, within } = pieces[0];
    const pixels = picture.render(part, draft);
    if (pixels) {
      pieces.shift();
      const bitmap = await (await finisher).finish(pixels, part);
      postMessage({ job, bitmap, onto, within }, [bitmap]);
    }
    await listen();
  }
  busy = false;
}

onmessage = ({ data }) => {
  if (data.open) attempt(() => open(data.open));
  else if (data.contents) attempt(() => (finisher = Finisher.of(picture, data.contents)));
  else {
    wanted = data.show;
    if (!busy) attempt(work);
  }
};
