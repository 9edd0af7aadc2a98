/* The page of `inrcodec view`: moving about in a picture that is rendered as it is seen. */

import { drawing, watchSize } from "./canvas.js";
import { Picture } from "./picture.js";

const SCALE_MAX = 64; // Pixels of the screen per pixel of the picture.
const STEP = Math.SQRT2; // Of a key or a button.
const MOVE = 0.1; // Of the window, by an arrow key; with shift, half of it.
const WHEEL = 0.0015; // Of the logarithm of the scale, per pixel that a wheel turns.
const LINE = 20; // Pixels of a line that a wheel turns.
const OVERVIEW = 1024; // Pixels of what is shown where nothing better is there yet, at most, per side.

const element = (id) => document.getElementById(id);
const [canvas, original, slider] = ["picture", "original", "slider"].map(element);

/** The content of an element with data, as the page holds it; null if there is none. */
async function embedded(id) {
  if (!element(id)) return null;
  const { textContent, dataset } = element(id);
  const bytes = Uint8Array.from(atob(textContent), (character) => character.charCodeAt(0));
  if (!("gzip" in dataset)) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Where in the picture the window looks: at (x, y), in its middle, with a scale. All in pixels, of the picture or screen. */
class View {
  constructor(picture) {
    [this.width, this.height] = [picture.width, picture.height];
    this.window = [1, 1];
    this.fitted = true; // Until somebody zooms.
    this.fit();
  }

  get fitting() {
    return Math.min(this.window[0] / this.width, this.window[1] / this.height, SCALE_MAX);
  }

  fit() {
    [this.x, this.y, this.scale, this.fitted] = [this.width / 2, this.height / 2, this.fitting, true];
  }

  resize(...size) {
    this.window = size;
    if (this.fitted) this.fit();
    else this.bound();
  }

  /** Zooms by a factor; a point of the window, counted from its middle, stays where it is. */
  zoom(factor, [x, y] = [0, 0]) {
    const scale = Math.min(Math.max(this.scale * factor, Math.min(this.fitting, 1)), SCALE_MAX);
    this.x += x / this.scale - x / scale;
    this.y += y / this.scale - y / scale;
    [this.scale, this.fitted] = [scale, false];
    this.bound();
  }

  move(x, y) {
    this.x += x / this.scale;
    this.y += y / this.scale;
    this.bound();
  }

  /** Shows no more of what is around the picture than there has to be. */
  bound() {
    const bounded = (at, length, shown) =>
      length <= shown ? length / 2 : Math.min(Math.max(at, shown / 2), length - shown / 2);
    this.x = bounded(this.x, this.width, this.window[0] / this.scale);
    this.y = bounded(this.y, this.height, this.window[1] / this.scale);
  }

  /** The size of the whole picture on the screen, and where it begins. */
  get place() {
    const [columns, rows] = [this.width, this.height].map((length) => Math.max(1, Math.round(length * this.scale)));
    const left = Math.round(this.window[0] / 2 - (this.x * columns) / this.width);
    const top = Math.round(this.window[1] / 2 - (this.y * rows) / this.height);
    return { columns, rows, left, top };
  }

  /** What of the picture is in the window, in pixels of the screen from where it begins. */
  get seen() {
    const { columns, rows, left, top } = this.place;
    const [x, y] = [Math.max(0, -left), Math.max(0, -top)];
    const width = Math.min(columns, this.window[0] - left) - x;
    const height = Math.min(rows, this.window[1] - top) - y;
    return { x, y, width, height };
  }
}

/** Shows a view, renders it again whenever it changes, and says so. */
class Screen {
  constructor(picture, view, other) {
    Object.assign(this, { picture, view, other, place: null, overview: null, waiting: false });
    this.context = canvas.getContext("2d");
  }

  /** The view has changed. */
  update() {
    canvas.setAttribute("aria-busy", "true");
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.render();
    });
  }

  async render() {
    const { view, context } = this;
    const { place, seen } = view;
    this.keep(place);
    this.compare(place);
    const zoom = `${Number((100 * view.scale).toPrecision(view.scale < 0.1 ? 2 : 3))} %`;
    element("zoom").textContent = zoom;
    const draw = drawing(context, place.left, place.top);
    if (!(await this.picture.show(place, seen, draw))) return;
    canvas.setAttribute("aria-busy", "false");
    element("status").textContent = `Zoom ${zoom}`;
    if (!this.overview) this.overview = await overviewOf(canvas, place, seen);
  }

  /** Moves what is shown to where it belongs now, until it is rendered. */
  keep(place) {
    const { context, overview } = this;
    const before = this.place;
    const shown = new OffscreenCanvas(canvas.width, canvas.height);
    shown.getContext("2d").drawImage(canvas, 0, 0);
    [canvas.width, canvas.height] = this.view.window;
    this.place = place;
    context.save();
    context.beginPath();
    context.rect(place.left, place.top, place.columns, place.rows);
    context.clip();
    if (overview) context.drawImage(overview, place.left, place.top, place.columns, place.rows);
    if (before) {
      const [across, down] = [place.columns / before.columns, place.rows / before.rows];
      context.translate(place.left - before.left * across, place.top - before.top * down);
      context.scale(across, down);
      context.drawImage(shown, 0, 0);
    }
    context.restore();
  }

  compare({ columns, rows, left, top }) {
    if (!this.other) return;
    [original.width, original.height] = this.view.window;
    const context = original.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.other, left, top, columns, rows);
  }
}

/** A small copy of what is shown, if that is all of the picture. */
async function overviewOf(shown, { columns, rows, left, top }, { width, height }) {
  if (width < columns || height < rows) return null;
  const shrink = Math.min(1, OVERVIEW / Math.max(columns, rows));
  const [resizeWidth, resizeHeight] = [columns, rows].map((length) => Math.max(1, Math.round(length * shrink)));
  return createImageBitmap(shown, left, top, columns, rows, { resizeWidth, resizeHeight });
}

/** Where an event is in the window, in pixels of the screen from its middle. */
function pointOf(event, view) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width - 0.5) * view.window[0],
    ((event.clientY - box.top) / box.height - 0.5) * view.window[1],
  ];
}

function listen(view, changed) {
  const act = (action) => {
    action();
    changed();
  };
  const keys = {
    "+": () => view.zoom(STEP),
    "=": () => view.zoom(STEP),
    "-": () => view.zoom(1 / STEP),
    0: () => view.fit(),
    1: () => view.zoom(1 / view.scale),
    ArrowLeft: (share) => view.move(-share * view.window[0], 0),
    ArrowRight: (share) => view.move(share * view.window[0], 0),
    ArrowUp: (share) => view.move(0, -share * view.window[1]),
    ArrowDown: (share) => view.move(0, share * view.window[1]),
  };
  addEventListener("keydown", (event) => {
    const action = keys[event.key];
    const taken = event.target === slider && event.key.startsWith("Arrow");
    if (!action || taken || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(() => action(event.shiftKey ? 0.5 : MOVE));
  });
  const buttons = { in: "+", out: "-", fit: 0, actual: 1 };
  for (const [id, key] of Object.entries(buttons)) element(id).onclick = () => act(keys[key]);

  canvas.addEventListener("dblclick", (event) =>
    act(() => view.zoom(event.shiftKey ? 1 / 2 : 2, pointOf(event, view))),
  );
  const wheel = (event) => {
    event.preventDefault();
    const turned = event.deltaY * [1, LINE, view.window[1]][event.deltaMode];
    // Pinching on a touchpad is a wheel with ctrl, in small steps.
    act(() => view.zoom(Math.exp(-turned * WHEEL * (event.ctrlKey ? 8 : 1)), pointOf(event, view)));
  };
  document.querySelector("main").addEventListener("wheel", wheel, { passive: false });

  const pointers = new Map(); // What touches the picture, and where.
  const middle = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  const spread = ([a, b]) => (b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 1);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, pointOf(event, view));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = [...pointers.values()];
    pointers.set(event.pointerId, pointOf(event, view));
    const now = [...pointers.values()];
    const [from, to] = [middle(before), middle(now)];
    act(() => {
      view.move(from[0] - to[0], from[1] - to[1]);
      if (now.length > 1) view.zoom(spread(now) / Math.max(spread(before), 1), to);
    });
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
}

/** Shows the original beside the picture, with a slider between them. */
function startComparison() {
  const comparison = element("comparison");
  const divider = element("divider");
  comparison.hidden = false;
  const moved = () => {
    comparison.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${Math.round(slider.value)} %`);
  };
  slider.addEventListener("input", moved);
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = comparison.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    moved();
  });
  moved();
}

function fail(error) {
  const failure = element("failure");
  failure.textContent = `This picture cannot be shown: ${error.message}.`;
  failure.hidden = false;
  element("comparison").hidden = true;
  canvas.setAttribute("aria-busy", "false");
}

async function start() {
  const source = new Blob([element("worker").textContent], { type: "text/javascript" });
  const address = URL.createObjectURL(source);
  const [file, codebook, wasm] = await Promise.all(["file", "codebook", "decoder"].map(embedded));
  const worker = () => new Worker(address);
  const inflate = async () => ({ alpha: await embedded("alpha"), icc: await embedded("icc") });
  const picture = await Picture.open({ file, codebook, wasm, worker, inflate });
  picture.onfailed = (message) => fail(new Error(message));
  let other = null;
  if (element("compared")) {
    other = await createImageBitmap(new Blob([await embedded("compared")], { type: "image/png" }));
    startComparison();
  }
  const view = new View(picture);
  const screen = new Screen(picture, view, other);
  watchSize(canvas, (...size) => {
    view.resize(...size);
    screen.update();
  });
  listen(view, () => screen.update());
}

start().catch(fail);
