/* From opaque pixels to what a screen shows: the colours that a profile means, and transparency. */

const BLOCK_MAX = 0xffff;

/** Makes pictures of pixels that `OpenPicture.render` gives. */
export class Finisher {
  /**
   * @param {{width, height, channels}} picture
   * @param {object} contents what the sections of its file hold, decompressed
   * @param {Uint8Array} [contents.alpha]
   * @param {Uint8Array} [contents.icc]
   */
  static async of(picture, { alpha, icc }) {
    const finisher = new Finisher();
    finisher.grey = picture.channels === 1;
    finisher.profile = icc;
    if (alpha) finisher.alpha = await alphaOf(picture, alpha);
    return finisher;
  }

  /**
   * @param {ImageData} pixels
   * @param {object} part what of the picture they are
   * @returns {Promise<ImageBitmap>}
   */
  async finish(pixels, part) {
    const { profile, alpha } = this;
    const colours = await createImageBitmap(profile ? png(pixels, profile, this.grey) : pixels);
    if (!alpha) return colours;
    const canvas = new OffscreenCanvas(part.width, part.height);
    const context = canvas.getContext("2d");
    context.drawImage(colours, 0, 0);
    context.globalCompositeOperation = "destination-in";
    context.imageSmoothingQuality = "high";
    context.drawImage(alpha, -part.x, -part.y, part.columns, part.rows);
    return canvas.transferToImageBitmap();
  }
}

/** The alpha channel; the file holds differences to the left, modulo 256. */
function alphaOf({ width, height }, differences) {
  const pixels = new ImageData(width, height);
  for (let y = 0, n = 0; y < height; y++) {
    for (let x = 0, value = 0; x < width; x++, n++) {
      value = (value + differences[n]) & 255;
      pixels.data[4 * n + 3] = value;
    }
  }
  return createImageBitmap(pixels);
}

/* A browser knows how to apply a profile to a PNG. Nothing in it is compressed. */

function png({ data, width, height }, profile, grey) {
  const channels = grey ? 1 : 3;
  const rows = new Uint8Array(height * (1 + width * channels));
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    to++; // The filter: none.
    for (let x = 0; x < width; x++, from += 4) {
      for (let c = 0; c < channels; c++) rows[to++] = data[from + c];
    }
  }
  const header = new Uint8Array([...number(width), ...number(height), 8, grey ? 0 : 2, 0, 0, 0]);
  const named = [new Uint8Array([0x69, 0, 0]), ...stored(profile)]; // A name, and how it is compressed.
  const signature = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const chunks = [chunk("IHDR", [header]), chunk("iCCP", named), chunk("IDAT", stored(rows)), chunk("IEND", [])];
  return new Blob([signature, ...chunks.flat()], { type: "image/png" });
}

/** Four bytes, the most significant first. */
function number(value) {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
}

function chunk(name, parts) {
  const typed = [new TextEncoder().encode(name), ...parts];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [number(length), ...typed, number(crc(typed))];
}

/** A zlib stream of stored blocks. */
function stored(bytes) {
  const parts = [new Uint8Array([0x78, 0x01])];
  let [a, b] = [1, 0];
  for (let begin = 0; begin < bytes.length; begin += BLOCK_MAX) {
    const block = bytes.subarray(begin, begin + BLOCK_MAX);
    const [last, size] = [begin + BLOCK_MAX >= bytes.length ? 1 : 0, block.length];
    parts.push(new Uint8Array([last, size, size >>> 8, ~size, ~size >>> 8]), block);
    for (let i = 0; i < size; ) {
      for (const end = Math.min(i + 4096, size); i < end; i++) b += a += block[i];
      [a, b] = [a % 65521, b % 65521];
    }
  }
  parts.push(number((b << 16) | a));
  return parts;
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function crc(parts) {
  let value = -1;
  for (const part of parts) for (const byte of part) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return ~value;
}
