/* The decoder in C (native/sinr.h), as WebAssembly. Structures are those of wasm32: all numbers have 32 bits. */

const INFO_BYTES = 64;
const [ALPHA, ICC] = [8, 10]; // Sections in `sinr_info`, in numbers.
const [OK, OUT_OF_MEMORY] = [0, 10];
const PART_BYTES = 24;

/** What is wrong with a file, a codebook or an argument, in words for people. */
export class DecoderError extends Error {}

/** A decoder with a codebook. Whatever the bytes it is given, it throws a DecoderError or stays within its memory. */
export class Decoder {
  /**
   * @param {BufferSource} wasm
   * @param {Uint8Array} codebook
   */
  static async start(wasm, codebook) {
    // C's standard library could print; nothing here does.
    const silent = Object.fromEntries(["fd_close", "fd_seek", "fd_write"].map((name) => [name, () => -1]));
    const { instance } = await WebAssembly.instantiate(wasm, { wasi_snapshot_preview1: silent });
    return new Decoder(instance.exports, codebook);
  }

  constructor(library, codebook) {
    this.library = library;
    const bytes = this.copy(codebook);
    const result = this.allocate(8);
    this.check(library.sinr_codebook_make(bytes, codebook.length, 0, result, 0));
    const memory = this.allocate(this.numbers(result, 1)[0]);
    this.check(library.sinr_codebook_make(bytes, codebook.length, memory, result, result + 4));
    this.codebook = this.numbers(result, 2)[1];
    library.free(bytes);
    library.free(result);
  }

  /** Opens a file. At most `memory` bytes of its samples are kept, if one view does not need more. */
  open(file, memory) {
    return new OpenPicture(this, file, memory);
  }

  // Views of memory are valid until something is allocated.
  numbers(address, count) {
    return new Int32Array(this.library.memory.buffer, address, count);
  }

  bytes(address, count) {
    return new Uint8Array(this.library.memory.buffer, address, count);
  }

  allocate(size) {
    const address = this.library.malloc(size);
    if (!address) this.check(OUT_OF_MEMORY);
    return address;
  }

  copy(bytes) {
    const address = this.allocate(bytes.length);
    this.bytes(address, bytes.length).set(bytes);
    return address;
  }

  check(status) {
    if (status === OK) return;
    const text = this.bytes(this.library.sinr_message(status), 200);
    throw new DecoderError(new TextDecoder().decode(text.slice(0, text.indexOf(0))));
  }
}

/** A picture, from `Decoder.open` until `close`. */
class OpenPicture {
  constructor(decoder, file, memory) {
    const { library } = decoder;
    this.decoder = decoder;
    this.file = decoder.copy(file);
    this.scratch = decoder.allocate(INFO_BYTES);
    this.handle = 0;
    try {
      decoder.check(library.sinr_inspect(this.file, file.length, this.scratch));
      const info = decoder.numbers(this.scratch, INFO_BYTES / 4);
      [this.width, this.height, this.channels] = info;
      const section = (at) => (info[at] ? file.slice(info[at], info[at] + info[at + 1]) : null);
      [this.alpha, this.icc] = [section(ALPHA), section(ICC)];
      decoder.check(library.sinr_picture_open(this.file, file.length, decoder.codebook, memory, this.scratch));
      [this.handle] = decoder.numbers(this.scratch, 1);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Does one piece of the work that a part needs.
   * @param {{columns, rows, x, y, width, height}} part size of the whole picture; what of it is rendered
   * @param {boolean} draft whether coding noise may stay
   * @returns {ImageData | null} opaque pixels, once there is no work left
   */
  render(part, draft) {
    const { decoder, scratch, channels } = this;
    const count = part.width * part.height;
    const pixels = decoder.allocate(count * channels);
    try {
      const { columns, rows, x, y, width, height } = part;
      decoder.numbers(scratch, PART_BYTES / 4).set([columns, rows, x, y, width, height]);
      const left = scratch + PART_BYTES;
      decoder.check(decoder.library.sinr_picture_render(this.handle, scratch, draft, pixels, left, 0));
      if (decoder.numbers(left, 1)[0]) return null;
      const [from, to] = [decoder.bytes(pixels, count * channels), new Uint32Array(count)];
      const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
      for (let i = 0, n = 0; n < count; i += channels, n++) {
        to[n] = 0xff000000 | (from[i + blue] << 16) | (from[i + green] << 8) | from[i];
      }
      return new ImageData(new Uint8ClampedArray(to.buffer), width, height);
    } finally {
      decoder.library.free(pixels);
    }
  }

  close() {
    const { library } = this.decoder;
    library.sinr_picture_close(this.handle);
    library.free(this.scratch);
    library.free(this.file);
  }
}
