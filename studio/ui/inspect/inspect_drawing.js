// Drawing the stage of Inspect: panes in cells or over one another, their layers, marks and the navigator.
const MARK_COLOURS = { artefact: "#fbbf24", patch: "#2dd4bf", region: "#ffffff" };

// Side by side, panes lie in equal cells, arranged so that they are as large as can be.
const cells = {
  columns: 1,
  rows: 1,
  arrange() {
    const number = mode() === "side" ? Math.max(1, board.panes.length) : 1;
    let best = -1;
    for (let columns = 1; columns <= number; columns += 1) {
      const rows = Math.ceil(number / columns);
      const { width, height } = view.picture;
      const scale = Math.min(canvas.width / columns / width, canvas.height / rows / height);
      if (scale > best) [best, this.columns, this.rows] = [scale, columns, rows];
    }
  },
  get width() {
    return canvas.width / this.columns;
  },
  get height() {
    return canvas.height / this.rows;
  },
  corner(index) {
    return [(index % this.columns) * this.width, Math.floor(index / this.columns) * this.height];
  },
  // The cell under a point of the canvas, and the point within it.
  at(x, y) {
    const column = Math.min(this.columns - 1, Math.max(0, Math.floor(x / this.width)));
    const row = Math.min(this.rows - 1, Math.max(0, Math.floor(y / this.height)));
    return { index: row * this.columns + column, x: x - column * this.width, y: y - row * this.height };
  },
  get several() {
    return this.columns * this.rows > 1;
  },
};

// All cells show one view; a point of the canvas counts within its cell.
class SharedView extends View {
  zoomAt(x, y, scale) {
    const point = cells.at(x, y);
    super.zoomAt(point.x, point.y, scale);
  }
}

function within(index, work) {
  const [left, top] = cells.corner(index).map(Math.round);
  context.save();
  context.beginPath();
  context.rect(left, top, Math.ceil(cells.width), Math.ceil(cells.height));
  context.clip();
  context.translate(left, top);
  work();
  context.restore();
}

// Panes may differ in size: they lie over one another by share of the side, measured on the first picture.
const perPixel = (pane) => [
  (view.picture.width / pane.width_px) * view.scale,
  (view.picture.height / pane.height_px) * view.scale,
];

function drawPicture(pane, alpha, blend) {
  const layer = pictures.get(pane.id);
  if (!layer) return;
  layer.want(view.scale >= 0.999 ? 3 : 2);
  if (!layer.bitmap) return;
  const { channel } = board.look;
  let known = shrunken.get(pane.id);
  if (known?.of !== layer.bitmap || known.channel !== channel) {
    const source = channel === "rgb" ? layer.bitmap : channelOf(layer.bitmap, channel);
    known = { of: layer.bitmap, channel, halves: new Halves(source) };
    shrunken.set(pane.id, known);
  }
  const [perX] = perPixel(pane);
  const bitmap = known.halves.at((perX * pane.width_px) / layer.bitmap.width);
  drawLayer(context, view, { bitmap, opacity: alpha, blend });
}

const drawnWidth = (pane, plane) => perPixel(pane)[0] * plane.width;

// The values that the colours of a plane span, over all panes, in codes of this plane.
function rangeOf(plane) {
  const alike = board.panes.flatMap((pane) => pane.planes.filter((one) => one.name === plane.name));
  const low = Math.min(...alike.map((one) => one.low));
  const high = Math.max(...alike.map((one) => one.high));
  const perCode = (plane.high - plane.low) / 255 || 1;
  return [(low - plane.low) / perCode, (high - plane.low) / perCode];
}

function drawPlane(pane, plane, look, alpha) {
  const [x, y] = perPixel(pane);
  context.globalAlpha = alpha;
  // Maps are smooth, coefficients are not.
  context.imageSmoothingEnabled = plane.kind === "map" || drawnWidth(pane, plane) < look.width;
  context.imageSmoothingQuality = "low";
  context.drawImage(look, view.left + plane.x * x, view.top + plane.y * y, plane.width * x, plane.height * y);
  context.globalAlpha = 1;
}

function drawPane(pane, alpha = 1) {
  if (pane.under) drawPicture(pane, alpha * (pane.planes.length ? pane.under : 1), "source-over");
  context.globalCompositeOperation = "source-over";
  const { colour, gain, opacity } = board.look;
  for (const plane of pane.planes) {
    const width = drawnWidth(pane, plane);
    const bitmap = planes.get(plane.id)?.at(width);
    const look = bitmap?.look(width / bitmap.width, plane.kind, colour, gain, rangeOf(plane));
    if (look) drawPlane(pane, plane, look, alpha * (plane.kind === "map" ? opacity : 1));
  }
}

// Layers differ by their values, pictures by their colours.
function drawDifference(first, second) {
  if (!first.planes.length || first.planes[0].kind === "mask") {
    drawPicture(first, 1, "source-over");
    drawPicture(second, 1, "difference");
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = 1;
    if (board.look.gain !== 1) brighten(context, board.look.gain);
    return;
  }
  first.planes.forEach((plane, index) => {
    const other = second.planes[index];
    if (!other) return;
    const width = drawnWidth(first, plane);
    const [a, b] = [planes.get(plane.id)?.at(width), planes.get(other.id)?.at(width)];
    if (!a?.codes || a.width !== b?.width) return; // one is still on its way
    const key = `${plane.id} ${other.id} ${a.width}`;
    if (!differences.has(key)) {
      const found = differenceOf(a, plane, b, other);
      if (!found) return;
      differences.set(key, found);
    }
    const look = differences.get(key).look(width / a.width, "signed", board.look.colour, board.look.gain);
    drawPlane(first, plane, look, 1);
  });
}

function draw() {
  request.frame = 0;
  const began = performance.now();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, canvas.width, canvas.height);
  const [first, second] = board.panes;
  if (first) {
    const kind = mode();
    if (kind === "side") board.panes.forEach((pane, index) => within(index, () => drawPane(pane)));
    else if (kind === "slider") drawWiped(first, second);
    else if (kind === "blend") {
      drawPane(first);
      drawPane(second, fade);
    } else if (kind === "difference") drawDifference(first, second);
    else drawPane(shownPane());
    drawMarks();
  }
  drawMap();
  describeView();
  root.dataset.drawMs = (performance.now() - began).toFixed(1);
}

function drawWiped(first, second) {
  drawPane(second);
  const edge = Math.round(wipe * canvas.width);
  context.save();
  context.beginPath();
  context.rect(0, 0, edge, canvas.height);
  context.clip();
  context.clearRect(0, 0, edge, canvas.height);
  drawPane(first);
  context.restore();
  const line = Math.max(1, Math.round(devicePixelRatio));
  context.fillStyle = "rgba(0, 0, 0, 0.55)";
  context.fillRect(edge - 2 * line, 0, 4 * line, canvas.height);
  context.fillStyle = "#fff";
  context.fillRect(edge - line / 2, 0, line, canvas.height);
  context.beginPath();
  context.arc(edge, canvas.height / 2, 9 * line, 0, 2 * Math.PI);
  context.fill();
}

function drawMarks() {
  board.panes.forEach((pane, index) => {
    if (!cells.several && pane !== shownPane()) return;
    within(cells.several ? index : 0, () => {
      for (const mark of pane.marks) drawMark(pane, mark);
      if (drag) drawMark(board.panes[0], { ...drag, kind: "region", text: `${drag.width} × ${drag.height}` });
      if (cells.several) drawCross(index);
    });
  });
}

function drawMark(pane, mark) {
  const line = Math.max(1, devicePixelRatio);
  const [perX, perY] = perPixel(pane);
  const [x, y] = [view.left + mark.x * perX, view.top + mark.y * perY];
  const [width, height] = [Math.max(3, mark.width * perX), Math.max(3, mark.height * perY)];
  context.lineWidth = 3 * line;
  context.strokeStyle = "rgba(0, 0, 0, 0.6)";
  context.strokeRect(x, y, width, height);
  context.lineWidth = 1.5 * line;
  context.strokeStyle = MARK_COLOURS[mark.kind];
  context.strokeRect(x, y, width, height);
  if (!mark.text) return;
  context.font = `${11 * line}px "IBM Plex Mono", monospace`;
  const wide = context.measureText(mark.text).width + 8 * line;
  const left = Math.min(Math.max(4, x), cells.width - wide - 4);
  const top = Math.max(4, y - 18 * line);
  context.fillStyle = "rgba(10, 10, 10, 0.78)";
  context.fillRect(left, top, wide, 16 * line);
  context.fillStyle = MARK_COLOURS[mark.kind];
  context.fillText(mark.text, left + 4 * line, top + 12 * line);
}

// Where the pointer is, in every other cell.
function drawCross(index) {
  if (!pointer) return;
  const at = cells.at(...pointer);
  if (at.index === index) return;
  const arm = 7 * devicePixelRatio;
  context.lineWidth = devicePixelRatio;
  context.strokeStyle = "rgba(255, 255, 255, 0.85)";
  context.beginPath();
  context.moveTo(at.x - arm, at.y);
  context.lineTo(at.x + arm, at.y);
  context.moveTo(at.x, at.y - arm);
  context.lineTo(at.x, at.y + arm);
  context.stroke();
}

function drawMap() {
  const shown = board.panes.length > 0 && view.overflows;
  map.hidden = !shown;
  const first = pictures.get(board.panes[0]?.id);
  if (!shown || !first?.bitmap) return;
  const ratio = (132 * devicePixelRatio) / Math.max(view.picture.width, view.picture.height);
  const [width, height] = [Math.round(view.picture.width * ratio), Math.round(view.picture.height * ratio)];
  if (mapped.of !== first.bitmap || mapped.canvas?.width !== width) {
    mapped.canvas = new OffscreenCanvas(width, height); // shrunken once, not in every frame
    mapped.canvas.getContext("2d").drawImage(first.bitmap, 0, 0, width, height);
    mapped.of = first.bitmap;
  }
  Object.assign(map, { width, height });
  map.style.width = `${width / devicePixelRatio}px`;
  const small = map.getContext("2d");
  small.drawImage(mapped.canvas, 0, 0);
  const [x0, y0, x1, y1] = view.visible().map((value) => value * ratio);
  small.fillStyle = "rgba(0, 0, 0, 0.55)";
  small.beginPath();
  small.rect(0, 0, width, height);
  small.rect(x0, y0, x1 - x0, y1 - y0);
  small.fill("evenodd");
  small.lineWidth = devicePixelRatio;
  small.strokeStyle = "#fff";
  small.strokeRect(x0, y0, x1 - x0, y1 - y0);
}
