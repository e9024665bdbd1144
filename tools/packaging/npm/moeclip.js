// SPDX-License-Identifier: MIT
// moeclip as WebAssembly, for browsers, workers and node. Pictures are the bytes of their files: PNG, JPEG, WebP, GIF, TIFF,
// BMP or Netpbm. Everything runs on the calling thread and takes its time; pages put it in a worker.
import createCore from './moeclip-core.js';

/** What went wrong, in a sentence; `code` is one of contract, io, format, unsupported, limit, missing, mismatch, broken. */
export class MoeclipError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'MoeclipError';
    this.code = code;
  }
}

const BUILTIN = ['tiny.safetensors', 'tiny_adapter.safetensors', 'tiny_words.safetensors', 'class_words.json'];

/** The bytes of a file beside this one. */
async function read(url) {
  if (url.protocol === 'file:') return (await import('node:fs/promises')).readFile(url);
  const answer = await fetch(url);
  if (!answer.ok) throw new MoeclipError('io', `${url}: cannot be loaded: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** Bytes of an ArrayBuffer or of a view. */
const bytesOf = (data) =>
  data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export class Moeclip {
  #core;
  #base;
  #hasBuiltin = false;

  /** `base`: where the other files lie, if not beside this one; onStep(done, total) is called while learning. */
  static async load({ base = new URL('.', import.meta.url), onStep = () => {} } = {}) {
    const wasmBinary = await read(new URL('moeclip-core.wasm', base));
    const loaded = new Moeclip();
    loaded.#base = base;
    loaded.#core = await createCore({ wasmBinary, onStep });
    return loaded;
  }

  /** Calls a function of the program. Throws MoeclipError. */
  #call(name, texts = [], input = null) {
    const core = this.#core;
    let answer;
    try {
      if (input) {
        const bytes = bytesOf(input);
        const place = core._moeclip_input(bytes.length);
        if (!place && bytes.length) throw new MoeclipError('limit', 'this needs more memory than a page can have (2 GB)');
        core.HEAPU8.set(bytes, place);
      }
      const types = texts.map((text) => typeof text);
      answer = JSON.parse(core.ccall(`moeclip_${name}`, 'string', types, texts));
    } catch (error) {
      if (error instanceof MoeclipError) throw error;
      throw new MoeclipError('broken', `the program ended (${error.message}); load it anew`);
    }
    if (answer.error) throw new MoeclipError(answer.error.code, answer.error.message);
    return answer;
  }

  /** A copy of what the last call left under a number. */
  #output(number) {
    const start = this.#core._moeclip_output(number);
    return this.#core.HEAPU8.slice(start, start + this.#core._moeclip_output_size(number));
  }

  /** { version, isa, compiled, threads } */
  about() { return this.#call('about'); }

  /** Another instruction set of about().compiled, for models that are loaded from now on. */
  select(isa) { this.#call('select', [isa]); }

  async #loadBuiltin() {
    if (this.#hasBuiltin) return;
    for (const name of BUILTIN) this.#call('put', [name], await read(new URL(name, this.#base)));
    this.#hasBuiltin = true;
  }

  /** The built-in model judges from now on, which knows drawn pictures; on photographs its verdicts are noise. */
  async useBuiltin(className = 'object') {
    await this.#loadBuiltin();
    return this.#call('use_builtin', [className]);
  }

  /** A file of `moeclip export` or `moeclip learn` judges from now on. */
  async useFile(bytes, name = 'model.moeclip') {
    await this.#loadBuiltin();  // what was learned with its encoder needs it
    return this.#call('use_file', [name], bytes);
  }

  /** What is in the pictures: any noun with the built-in model, else one of the model's classes. */
  setClass(className) { return this.#call('set_class', [className]); }

  /** The score from which a picture is a defect. */
  setThreshold(value) { return this.#call('set_threshold', [value]); }

  /**
   * Judges a picture: { score, threshold, is_anomalous, regions, map: { width, height, values, cover, scale }, shown: {
   * width, height, pixels }, ... }. values: Float32Array; cover, scale and pixels: RGBA, the map in colours, all its colours, the
   * picture.
   */
  judge(bytes, name = 'picture') {
    const found = this.#call('judge', [name], bytes);
    found.map.values = new Float32Array(this.#output(found.map.output).buffer);
    found.map.cover = this.#output(found.map.cover);
    found.map.scale = this.#output(found.map.scale);
    found.shown.pixels = this.#output(found.shown.output);
    delete found.map.output;
    delete found.shown.output;
    return found;
  }

  /**
   * What the experts did on the picture judged last: { figures: [{ title, description, png, ... }] }, and by the built-in
   * model { sentence, is_certain, words: [{ word, probability }] }, the likeliest name of a defect first.
   */
  explain() {
    const told = this.#call('explain');
    for (const figure of told.figures) {
      figure.png = this.#output(figure.output);
      delete figure.output;
    }
    return told;
  }

  /** A drawn picture as PNG; defect '': a good one. */
  draw(category = 'gear', defect = 'scratch', index = 3) {
    return this.#output(this.#call('draw', [category, defect, index]).output);
  }

  /** Forgets the good pictures. */
  clearGood() { this.#call('good_clear'); }

  /** Adds a good picture to learn from: { pictures, width, height }. */
  addGood(bytes, name = 'picture') { return this.#call('good_add', [name], bytes); }

  /** Learns from the good pictures; what was learned judges from now on, and `file` is what `moeclip learn` writes. */
  learn({ allDifferent = false } = {}) {
    const model = this.#call('learn', [Number(allDifferent)]);
    model.file = this.#output(model.output);
    delete model.output;
    return model;
  }
}
