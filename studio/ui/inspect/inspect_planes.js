// Grey files in colour: a table of 256 colours for a kind, a colour map and a gain, applied once and kept.
const RAMPS = {
  grey: ["#000000", "#ffffff"],
  viridis: ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"],
  magma: ["#000004", "#1d1147", "#51127c", "#822681", "#b63679", "#e65164", "#fb8861", "#fec287", "#fcfdbf"],
  balance: ["#7fd8ff", "#1f7fc4", "#10365c", "#0c0c0c", "#5c2410", "#cc5a1c", "#ffc07a"],
};
const USUAL_RAMPS = { signed: "balance", plain: "grey", map: "viridis" };

const rgbOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function rampAt(name, share) {
  const stops = RAMPS[name];
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const index = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [rgbOf(stops[index]), rgbOf(stops[index + 1])];
  return from.map((value, i) => Math.round(value + (to[i] - value) * (place - index)));
}

// 256 packed colours. Signed files grow from their middle, plain ones from the lowest value. `range` is that of all
// files that are seen together, as [low, high] in codes of this one, so that one colour is one value in all of them.
function colourTable(kind, colour, gain, range = [0, 255]) {
  const [low, high] = range;
  const span = Math.max(1e-9, high - low);
  const table = new Uint32Array(256);
  const ramp = RAMPS[colour] ? colour : USUAL_RAMPS[kind];
  for (let code = 0; code < 256; code += 1) {
    let rgba;
    if (kind === "mask") rgba = code > 200 ? [255, 60, 60, 255] : code > 60 ? [60, 130, 255, 255] : [0, 0, 0, 0];
    else {
      const share = kind === "signed" ? 0.5 + ((code - 127.5) / span) * gain : ((code - low) / span) * gain;
      rgba = [...rampAt(ramp, share), 255];
    }
    table[code] = ((rgba[3] << 24) | (rgba[2] << 16) | (rgba[1] << 8) | rgba[0]) >>> 0;
  }
  return table;
}

// A picture and its halves, each made when it is first needed: shrinking 16 megapixels anew in every frame is slow.
class Halves {
  constructor(source) {
    this.levels = [source];
  }

  // The smallest one that is not enlarged when a pixel of the source takes `scale` pixels of the screen.
  at(scale) {
    const wanted = Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6));
    while (this.levels.length <= wanted) {
      const last = this.levels.at(-1);
      const [width, height] = [Math.ceil(last.width / 2), Math.ceil(last.height / 2)];
      if (last.width < 64 || last.height < 64) return last;
      const half = new OffscreenCanvas(width, height);
      const context = half.getContext("2d");
      context.imageSmoothingQuality = "medium";
      context.drawImage(last, 0, 0, last.width / 2, last.height / 2);
      this.levels.push(half);
    }
    return this.levels[wanted];
  }
}

class PlaneBitmap {
  constructor(onChange) {
    this.onChange = onChange;
    this.url = "";
    this.codes = null; // one byte a cell, row by row
    this.made = null; // the cells in colour, and for which look
    this.madeFor = "";
    this.failed = "";
  }

  async load(url, name) {
    if (this.url === url && !this.failed) return;
    Object.assign(this, { url, codes: null, made: null, failed: "" });
    try {
      const answer = await fetch(new URL(url, document.baseURI));
      if (!answer.ok) throw new Error(`${name} did not load: HTTP ${answer.status}`);
      const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
      if (this.url === url) this.take(...codesOf(bitmap));
      bitmap.close();
    } catch (error) {
      if (this.url === url) this.failed = String(error.message);
    }
    this.onChange();
  }

  take(codes, width, height) {
    Object.assign(this, { codes, width, height, made: null });
  }

  // The cells in colour at the size they are drawn with, or null while they are on their way.
  look(scale, ...manner) {
    if (!this.codes) return null;
    const asked = manner.join(" ");
    if (!this.made || this.madeFor !== asked) this.colour(colourTable(...manner));
    this.madeFor = asked;
    return this.made.at(scale);
  }

  colour(table) {
    const whole = new OffscreenCanvas(this.width, this.height);
    const image = new ImageData(this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer);
    const { codes } = this;
    for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[codes[i]];
    whole.getContext("2d").putImageData(image, 0, 0);
    this.made = new Halves(whole);
  }

  // The value under a pixel of the picture, or null outside.
  valueAt(plane, x, y) {
    if (!this.codes) return null;
    const column = Math.floor(((x - plane.x) / plane.width) * this.width);
    const row = Math.floor(((y - plane.y) / plane.height) * this.height);
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return null;
    return plane.low + ((plane.high - plane.low) * this.codes[row * this.width + column]) / 255;
  }
}

// A plane from afar and from near: the shrunken file first, the whole one when more of it can be seen.
class PlaneFiles {
  constructor(onChange) {
    this.near = new PlaneBitmap(onChange);
    this.far = new PlaneBitmap(onChange);
    this.plane = null;
  }

  take(plane) {
    this.plane = plane;
    if (plane.coarse) this.far.load(plane.coarse.url, plane.name);
    else this.near.load(plane.file.url, plane.name);
  }

  // The bitmap for a plane that is drawn this many pixels of the screen wide; what is there while that loads.
  at(width) {
    if (!this.plane.coarse || (this.far.codes && width <= 1.2 * this.far.width)) {
      return this.plane.coarse ? this.far : this.near;
    }
    if (this.far.codes || this.far.failed) this.near.load(this.plane.file.url, this.plane.name);
    return this.near.codes ? this.near : this.far;
  }

  get ready() {
    return Boolean(this.near.codes ?? this.far.codes);
  }

  get finest() {
    return this.near.codes ? this.near : this.far;
  }

  get failed() {
    return this.near.failed || this.far.failed;
  }
}

function codesOf(bitmap) {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const codes = new Uint8Array(width * height);
  for (let i = 0; i < codes.length; i += 1) codes[i] = rgba[4 * i];
  return [codes, width, height];
}

// How far two planes can differ, in their unit.
const reachOf = (a, b) => Math.max(a.high - b.low, b.high - a.low, 1e-9);

// First minus second, of the values and not of their colours; code 127.5 is no difference, 0 and 255 are `reachOf`.
// Null while one is on its way, or if their cells do not match.
function differenceOf(first, firstPlane, second, secondPlane) {
  if (!first?.codes || !second?.codes || first.width !== second.width || first.height !== second.height) return null;
  const [a, b] = [firstPlane, secondPlane];
  const reach = reachOf(a, b);
  const perA = ((a.high - a.low) / 255 / reach) * 127.5;
  const perB = ((b.high - b.low) / 255 / reach) * 127.5;
  const start = 127.5 + ((a.low - b.low) / reach) * 127.5;
  const codes = new Uint8Array(first.codes.length);
  for (let i = 0; i < codes.length; i += 1) {
    codes[i] = Math.min(255, Math.max(0, start + first.codes[i] * perA - second.codes[i] * perB + 0.5));
  }
  const found = new PlaneBitmap(() => {});
  found.take(codes, first.width, first.height);
  return found;
}

// A picture's bitmap as one channel in grey; made once for each bitmap, in strips so that memory stays small.
function channelOf(bitmap, channel) {
  const { width, height } = bitmap;
  const made = new OffscreenCanvas(width, height);
  const context = made.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rows = 256;
  const at = { red: 0, green: 1, blue: 2 }[channel];
  for (let top = 0; top < height; top += rows) {
    const image = context.getImageData(0, top, width, Math.min(rows, height - top));
    const { data } = image;
    for (let i = 0; i < data.length; i += 4) {
      const value = at === undefined ? 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2] : data[i + at];
      data[i] = data[i + 1] = data[i + 2] = value;
    }
    context.putImageData(image, 0, top);
  }
  return made;
}

// The canvas as it is, brighter.
function brighten(context, gain) {
  const image = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
  const { data } = image;
  for (let i = 0; i < data.length; i += 4) {
    data[i] *= gain; // the array clamps
    data[i + 1] *= gain;
    data[i + 2] *= gain;
  }
  context.putImageData(image, 0, 0);
}
