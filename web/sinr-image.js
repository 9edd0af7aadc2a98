/* <sinr-image src="photo.sinr" alt="...">: a picture rendered at the size that it has on the screen. See README.md. */

import { drawing, resize, watchSize } from "./canvas.js";
import { Picture } from "./picture.js";

const PROFILE_MAX = 4 << 20; // As in inrcodec/limits.py.
// Bundlers look for addresses in this form.
const CODEBOOK = new URL("./default.safetensors", import.meta.url).href;
const WASM = new URL("./sinr.wasm", import.meta.url).href;
const fetched = new Map(); // Of decoder and codebooks, which pictures share.

async function fetchBytes(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

function fetchOnce(address) {
  if (!fetched.has(address)) {
    const bytes = fetchBytes(address);
    fetched.set(address, bytes);
    bytes.catch(() => fetched.delete(address));
  }
  return fetched.get(address);
}

/** Decompresses sections for `Picture.open`. It runs here since import maps do not reach workers. */
async function inflate({ width, height, alpha, icc }) {
  if (!alpha && !icc) return {};
  const { decompress } = await import("fzstd").catch((error) => {
    throw new Error(`pictures with alpha or a profile need fzstd, which cannot be loaded: ${error.message}`);
  });
  const contentOf = (frame, largest) => frame && decompress(frame, new Uint8Array(largest));
  const contents = { alpha: contentOf(alpha, width * height), icc: contentOf(icc, PROFILE_MAX) };
  if (alpha && contents.alpha.length !== width * height) throw new Error("the alpha section is truncated");
  return contents;
}

let last = Promise.resolve();

/** Pictures are rendered one after another, so that memory does not depend on how many there are. */
function inTurn(task) {
  last = last.then(task, task);
  return last;
}

/** A style sheet that any Content-Security-Policy of a page allows. */
function sheetOf(text) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
}

const STYLE = sheetOf(`
  :host { display: inline-block; }
  :host([hidden]), canvas[hidden], slot[hidden] { display: none; }
  canvas { display: block; width: 100%; height: 100%; }
`);

/**
 * Attributes: `src`, `alt`, `loading` ("lazy": not before it comes near the view) and `codebook` (an address; by default
 * default.safetensors beside this module). What is inside is shown until there is a picture, and if there is none.
 * Events: `load` when it is sharp, `error` with the reason in `detail`.
 */
export class SinrImage extends HTMLElement {
  static observedAttributes = ["src", "codebook", "alt", "loading"];

  constructor() {
    super();
    [this.canvas, this.fallback] = ["canvas", "slot"].map((name) => document.createElement(name));
    this.canvas.hidden = true;
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [STYLE];
    shadow.append(this.canvas, this.fallback);
    this.internals = this.attachInternals();
    this.internals.role = "img";
  }

  connectedCallback() {
    this.restart();
  }

  disconnectedCallback() {
    this.stop();
  }

  attributeChangedCallback(name, before, now) {
    if (name === "alt") this.internals.ariaLabel = now;
    else if (this.isConnected && before !== now) this.restart();
  }

  stop() {
    this.observer?.disconnect();
    this.picture?.close();
    [this.observer, this.picture, this.sources] = [null, null, null];
  }

  restart() {
    this.stop();
    if (!this.getAttribute("src")) return;
    if (this.getAttribute("loading") !== "lazy") this.start();
    else {
      const seen = (entries) => entries.some((entry) => entry.isIntersecting) && this.start();
      this.observer = new IntersectionObserver(seen, { rootMargin: "50%" });
      this.observer.observe(this);
    }
  }

  async start() {
    this.stop();
    const address = (name, otherwise) =>
      this.hasAttribute(name) ? new URL(this.getAttribute(name), this.baseURI).href : otherwise;
    const worker = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    const sources = (this.sources = { worker, inflate });
    try {
      [sources.file, sources.codebook, sources.wasm] = await Promise.all([
        fetchBytes(address("src")),
        fetchOnce(address("codebook", CODEBOOK)),
        fetchOnce(WASM),
      ]);
      await inTurn(() => this.render(sources));
    } catch (error) {
      if (this.sources === sources) this.fail(error);
    }
  }

  /** Renders the picture at the size that it has; samples are not kept. */
  async render(sources) {
    if (this.sources !== sources) return;
    const picture = await Picture.open(sources);
    if (this.sources !== sources) return picture.close();
    this.picture = picture;
    picture.onfailed = (message) => this.fail(new Error(message));
    await this.appear(picture, sources);
    for (let sharp = false; !sharp && this.picture === picture; ) {
      const [columns, rows] = this.size;
      resize(this.canvas, columns, rows);
      const whole = { x: 0, y: 0, width: columns, height: rows };
      sharp = await picture.show({ columns, rows }, whole, drawing(this.canvas.getContext("2d"), 0, 0));
    }
    picture.close();
    if (this.picture !== picture) return;
    this.picture = null;
    this.dispatchEvent(new Event("load"));
  }

  /** Takes the place of what is inside, with the shape of the picture unless the page says otherwise. */
  appear({ width, height }, sources) {
    if (this.observer) return;
    const shape = sheetOf(`:host { aspect-ratio: ${width} / ${height}; width: min(100%, ${width}px); }`);
    this.shadowRoot.adoptedStyleSheets = [STYLE, shape];
    [this.canvas.hidden, this.fallback.hidden] = [false, true];
    return new Promise((resolve) => {
      this.observer = watchSize(this.canvas, (...size) => {
        const before = this.size;
        this.size = size;
        if (this.picture) this.picture.cancel();
        else if (`${before}` !== `${size}`) inTurn(() => this.render(sources)).catch((error) => this.fail(error));
        resolve();
      });
    });
  }

  fail(error) {
    this.stop();
    [this.canvas.hidden, this.fallback.hidden] = [true, false];
    this.dispatchEvent(new CustomEvent("error", { detail: error.message }));
  }
}

customElements.define("sinr-image", SinrImage);
