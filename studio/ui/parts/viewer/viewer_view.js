// Where the picture lies under the canvas: pure geometry, no drawing.
// Lengths are device pixels, so scale 1 shows one picture pixel on one pixel of the screen.
const MAX_SCALE = 64;

class View {
  constructor() {
    this.canvas = { width: 1, height: 1 };
    this.picture = { width: 1, height: 1 };
    this.scale = 1;
    this.cx = 0.5; // the picture's point in the middle of the canvas, in picture pixels
    this.cy = 0.5;
    this.fitted = true;
  }

  get fitScale() {
    return Math.min(this.canvas.width / this.picture.width, this.canvas.height / this.picture.height);
  }

  get left() {
    return Math.round(this.canvas.width / 2 - this.cx * this.scale);
  }

  get top() {
    return Math.round(this.canvas.height / 2 - this.cy * this.scale);
  }

  resize(width, height) {
    this.canvas = { width, height };
    if (this.fitted) this.fit();
    else this.settle();
  }

  // A picture of another size keeps the same part in view: a live preview and its final picture may differ.
  setPicture(width, height) {
    this.cx *= width / this.picture.width;
    this.cy *= height / this.picture.height;
    this.scale *= this.picture.width / width;
    this.picture = { width, height };
    if (this.fitted) this.fit();
    else this.settle();
  }

  fit() {
    this.scale = this.fitScale;
    this.cx = this.picture.width / 2;
    this.cy = this.picture.height / 2;
    this.fitted = true;
  }

  // Zoom so that the picture's point under (x, y) of the canvas stays there.
  zoomAt(x, y, scale) {
    const px = this.cx + (x - this.canvas.width / 2) / this.scale; // unrounded, so that steps do not drift
    const py = this.cy + (y - this.canvas.height / 2) / this.scale;
    this.scale = Math.min(MAX_SCALE, Math.max(Math.min(this.fitScale, 1) / 2, scale));
    this.cx = px - (x - this.canvas.width / 2) / this.scale;
    this.cy = py - (y - this.canvas.height / 2) / this.scale;
    this.fitted = false;
    this.settle();
  }

  panBy(dx, dy) {
    this.cx -= dx / this.scale;
    this.cy -= dy / this.scale;
    this.fitted = false;
    this.settle();
  }

  centreOn(px, py) {
    this.cx = px;
    this.cy = py;
    this.fitted = false;
    this.settle();
  }

  // A side that fits stays centred; a longer one never leaves a gap at the edge.
  settle() {
    const halfWidth = this.canvas.width / 2 / this.scale;
    const halfHeight = this.canvas.height / 2 / this.scale;
    const { width, height } = this.picture;
    this.cx = 2 * halfWidth >= width ? width / 2 : Math.min(width - halfWidth, Math.max(halfWidth, this.cx));
    this.cy = 2 * halfHeight >= height ? height / 2 : Math.min(height - halfHeight, Math.max(halfHeight, this.cy));
  }

  toPicture(x, y) {
    return [(x - this.left) / this.scale, (y - this.top) / this.scale];
  }

  // The visible part in whole picture pixels: [x0, y0, x1, y1], the last two exclusive.
  visible() {
    const [x0, y0] = this.toPicture(0, 0);
    const [x1, y1] = this.toPicture(this.canvas.width, this.canvas.height);
    const { width, height } = this.picture;
    return [
      Math.max(0, Math.floor(x0)),
      Math.max(0, Math.floor(y0)),
      Math.min(width, Math.ceil(x1)),
      Math.min(height, Math.ceil(y1)),
    ];
  }

  get overflows() {
    const { width, height } = this.picture;
    return width * this.scale > this.canvas.width + 1 || height * this.scale > this.canvas.height + 1;
  }
}
