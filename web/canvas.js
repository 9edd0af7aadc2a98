/* Canvases whose pixels are those of the screen. */

/** Tells the size of an element in pixels of the screen, now and whenever it changes. */
export function watchSize(element, changed) {
  const observer = new ResizeObserver(([entry]) => {
    const { width, height } = entry.contentRect;
    const rounded = [width, height].map((length) => Math.round(length * devicePixelRatio));
    const { inlineSize, blockSize } = entry.devicePixelContentBoxSize?.[0] ?? {};
    // Where a browser plays another screen, it may tell the pixels of its own.
    const close = Math.abs(inlineSize - rounded[0]) <= 1 && Math.abs(blockSize - rounded[1]) <= 1;
    const [columns, rows] = close ? [inlineSize, blockSize] : rounded;
    if (columns && rows) changed(columns, rows);
  });
  try {
    observer.observe(element, { box: "device-pixel-content-box" });
  } catch {
    observer.observe(element); // Safari knows no other box.
  }
  return observer;
}

/** Gives a canvas another size; what it shows is scaled, until something better is drawn. */
export function resize(canvas, columns, rows) {
  if (canvas.width === columns && canvas.height === rows) return;
  const before = new OffscreenCanvas(canvas.width, canvas.height);
  before.getContext("2d").drawImage(canvas, 0, 0);
  [canvas.width, canvas.height] = [columns, rows];
  canvas.getContext("2d").drawImage(before, 0, 0, columns, rows);
}

/** What `Picture.show` draws with, on a canvas where the picture begins at (x, y). */
export function drawing(context, x, y) {
  return (bitmap, onto, within) => {
    context.save();
    context.beginPath();
    context.rect(x + within.x, y + within.y, within.width, within.height);
    context.clip();
    context.clearRect(x + within.x, y + within.y, within.width, within.height);
    context.drawImage(bitmap, x + onto.x, y + onto.y, onto.width, onto.height);
    context.restore();
  };
}
