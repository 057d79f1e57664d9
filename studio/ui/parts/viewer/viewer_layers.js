// The bitmaps of a scene's layers, each loaded in three steps: thumbnail, then preview, then the exact pixels.
const STEPS = ["nothing", "thumbnail", "preview", "master"];

class LayerBitmap {
  constructor(onChange) {
    this.onChange = onChange;
    this.sources = {};
    this.key = "";
    this.bitmap = null;
    this.step = 0; // index into STEPS of the bitmap that is shown
    this.wanted = 0;
    this.fetching = null;
    this.failed = ""; // why the last file did not load
  }

  // New files for the same layer: what is shown stays until something better has arrived.
  setSources(layer) {
    const key = ["thumbnail", "preview", "master"].map((name) => layer[name]?.url).join() + layer.stamp;
    this.opacity = layer.opacity;
    this.blend = layer.blend;
    if (key === this.key) return;
    this.key = key;
    this.sources = layer;
    this.step = 0;
    this.failed = "";
    this.fetching?.abort();
    this.fetching = null;
    this.load();
  }

  want(step) {
    this.wanted = step;
    this.load();
  }

  // The next step to fetch; a thumbnail only helps while there is nothing to show.
  get next() {
    const from = this.bitmap ? Math.max(2, this.step + 1) : this.step + 1;
    for (let step = from; step <= this.wanted; step += 1) if (this.sources[STEPS[step]]) return step;
    return 0;
  }

  // One request at a time, upwards.
  async load() {
    const step = this.next;
    if (this.fetching || !step) return;
    const asked = (this.fetching = new AbortController());
    try {
      const address = new URL(this.sources[STEPS[step]].url, document.baseURI);
      if (this.sources.stamp) address.searchParams.set("v", this.sources.stamp);
      const answer = await fetch(address, { signal: asked.signal });
      if (!answer.ok) throw new Error(`${STEPS[step]} did not load: HTTP ${answer.status}`);
      // Colour management off: the read-out shows the file's own numbers.
      const bitmap = await createImageBitmap(await answer.blob(), {
        colorSpaceConversion: "none",
        premultiplyAlpha: "none",
      });
      if (asked.signal.aborted) return bitmap.close();
      this.bitmap?.close();
      this.bitmap = bitmap;
      this.step = step;
      this.onChange();
    } catch (error) {
      if (asked.signal.aborted) return;
      this.failed = String(error.message);
      this.sources = { ...this.sources, [STEPS[step]]: null };
      this.onChange();
    }
    this.fetching = null;
    this.load();
  }

  // Also forgets whose files these were: the same ones may be asked for again, by another scene.
  close() {
    this.fetching?.abort();
    this.bitmap?.close();
    Object.assign(this, { fetching: null, bitmap: null, key: "", step: 0, failed: "" });
  }
}

// One layer onto the canvas: only the visible source rectangle, true pixels above 2x.
function drawLayer(context, view, layer) {
  const { bitmap } = layer;
  if (!bitmap) return;
  const [x0, y0, x1, y1] = view.visible();
  if (x1 <= x0 || y1 <= y0) return;
  const perX = bitmap.width / view.picture.width;
  const perY = bitmap.height / view.picture.height;
  context.globalAlpha = layer.opacity;
  context.globalCompositeOperation = layer.blend;
  context.imageSmoothingEnabled = view.scale <= 2 || perX < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(
    bitmap,
    x0 * perX,
    y0 * perY,
    (x1 - x0) * perX,
    (y1 - y0) * perY,
    view.left + x0 * view.scale,
    view.top + y0 * view.scale,
    (x1 - x0) * view.scale,
    (y1 - y0) * view.scale,
  );
}

// The colour of one picture pixel, [r, g, b], read from the bitmap itself and not from the scaled canvas.
const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

function colourAt(view, layer, x, y) {
  const { bitmap } = layer;
  const sourceX = Math.floor((x + 0.5) * (bitmap.width / view.picture.width));
  const sourceY = Math.floor((y + 0.5) * (bitmap.height / view.picture.height));
  probe.clearRect(0, 0, 1, 1);
  probe.drawImage(bitmap, sourceX, sourceY, 1, 1, 0, 0, 1, 1);
  return Array.from(probe.getImageData(0, 0, 1, 1).data.slice(0, 3));
}
