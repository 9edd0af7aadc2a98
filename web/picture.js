/* A picture that is rendered at any size, in as many workers as pay. */

const MEMORY = 384 << 20; // Bytes of samples that are kept.
const TILE = 1024; // Pixels of the picture that are decoded at a time, per side.
const WORKERS_MAX = 8;
const SIDE_MAX = 512; // Pixels that are rendered at a time, per side, ...
const SIDE_MIN = 64;
const SAMPLES_MAX = 1024; // ... and of the picture, where there is a choice.
const COARSE = 2;

/** A picture, from `Picture.open` until `close`. `onfailed` is told, once, why it cannot be shown any further. */
export class Picture {
  /**
   * @param {object} sources
   * @param {Uint8Array} sources.file a .sinr file
   * @param {Uint8Array} sources.codebook the codebook that it needs
   * @param {Uint8Array} sources.wasm sinr.wasm
   * @param {() => Worker} sources.worker makes workers that run worker.js
   * @param {({width, height, alpha, icc}) => Promise<{alpha, icc}>} sources.inflate decompresses sections of the file,
   *   zstd frames (null where there is none) of differences of alpha, width * height, and of a profile
   * @returns {Promise<Picture>} rejected with an Error whose message is for people
   */
  static async open({ file, codebook, wasm, worker, inflate }) {
    const picture = new Picture();
    Object.assign(picture, { workers: [], job: 0 });
    // The first one says how large the picture is.
    const opened = await picture.start(worker(), { wasm, codebook, file, memory: MEMORY });
    const { width, height } = Object.assign(picture, { width: opened.width, height: opened.height });
    const contents = await inflate(opened).catch((error) => {
      picture.close();
      throw error;
    });
    const tiles = Math.ceil(width / TILE) * Math.ceil(height / TILE);
    const count = Math.min(navigator.hardwareConcurrency ?? 1, tiles, WORKERS_MAX);
    const others = Array.from({ length: count - 1 }, () =>
      picture.start(worker(), { wasm, codebook, file, memory: MEMORY / count }),
    );
    await Promise.all(others);
    for (const each of picture.workers) each.postMessage({ contents });
    return picture;
  }

  start(worker, open) {
    this.workers.push(worker);
    return new Promise((resolve, reject) => {
      const fail = (message) => {
        this.close();
        reject(new Error(message));
        this.onfailed?.(message);
      };
      worker.onerror = (event) => fail(event.message ?? "the decoder does not run here");
      worker.onmessage = ({ data }) => {
        if (data.opened) resolve(data.opened);
        else if (data.failed) fail(data.failed);
        else this.receive(data);
      };
      worker.postMessage({ open });
    });
  }

  /**
   * Renders what is in view: coarse first, then sharp, from the middle. What was to be shown before is dropped.
   * @param {{columns, rows}} size of the whole picture
   * @param {{x, y, width, height}} view what of it is rendered
   * @param {(bitmap: ImageBitmap, onto: {x, y, width, height}, within: {x, y, width, height}) => void} draw is given
   *   pixels, the rectangle that they fill, and what of it counts
   * @returns {Promise<boolean>} whether all of it is sharp; if not, something else is to be shown
   */
  show({ columns, rows }, view, draw) {
    this.cancel();
    const pieces = this.pieces(columns, rows, view);
    const { job } = this;
    this.draw = draw;
    this.pending = this.workers.length;
    this.workers.forEach((worker, number) => {
      const own = pieces.filter((piece) => piece.worker === number);
      const coarse = own.map(({ rectangle }) => coarsened(columns, rows, rectangle));
      const sharp = own.map(({ rectangle }) => ({
        part: { columns, rows, ...rectangle },
        draft: false,
        onto: rectangle,
        within: rectangle,
      }));
      worker.postMessage({ show: { job, pieces: [...coarse, ...sharp] } });
    });
    return new Promise((resolve) => (this.finished = resolve));
  }

  /** Drops what is to be shown. */
  cancel() {
    this.job++;
    this.finished?.(false);
    this.finished = null;
  }

  receive({ job, bitmap, onto, within, done }) {
    if (job !== this.job) bitmap?.close();
    else if (done) {
      if (--this.pending === 0) this.finished(true);
    } else {
      this.draw(bitmap, onto, within);
      bitmap.close();
    }
  }

  /** Rectangles that cover the view, from its middle, and who renders them: each worker has a stripe of the picture. */
  pieces(columns, rows, view) {
    const side = Math.min(Math.max(Math.floor((SAMPLES_MAX * columns) / this.width), SIDE_MIN), SIDE_MAX);
    const wide = this.width >= this.height;
    const pieces = [];
    for (let top = view.y - (view.y % side); top < view.y + view.height; top += side) {
      for (let left = view.x - (view.x % side); left < view.x + view.width; left += side) {
        const [x, y] = [Math.max(left, view.x), Math.max(top, view.y)];
        const width = Math.min(left + side, view.x + view.width) - x;
        const height = Math.min(top + side, view.y + view.height) - y;
        const [middleX, middleY] = [x + width / 2, y + height / 2];
        const along = wide ? middleX / columns : middleY / rows;
        pieces.push({
          rectangle: { x, y, width, height },
          worker: Math.floor(along * this.workers.length),
          distance: Math.hypot(middleX - view.x - view.width / 2, middleY - view.y - view.height / 2),
        });
      }
    }
    return pieces.sort((a, b) => a.distance - b.distance);
  }

  close() {
    this.cancel();
    for (const worker of this.workers) worker.terminate();
  }
}

/** A rectangle with fewer pixels, and where these belong. */
function coarsened(columns, rows, within) {
  const { x, y, width, height } = within;
  const [few, fewer] = [Math.ceil(columns / COARSE), Math.ceil(rows / COARSE)];
  const [left, top] = [Math.floor(x / COARSE), Math.floor(y / COARSE)];
  const [right, bottom] = [Math.ceil((x + width) / COARSE), Math.ceil((y + height) / COARSE)];
  const part = { columns: few, rows: fewer, x: left, y: top, width: right - left, height: bottom - top };
  const [across, down] = [columns / few, rows / fewer];
  const onto = { x: left * across, y: top * down, width: part.width * across, height: part.height * down };
  return { part, draft: true, onto, within };
}
