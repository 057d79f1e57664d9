// The deep viewer: draws a scene, answers wheel, drag, pinch and keys, and says what lies under the pointer.
const root = element.querySelector(".viewer");
const find = (name) => root.querySelector(`.viewer-${name}`);
const canvas = find("canvas");
const context = canvas.getContext("2d");
const map = find("map");
const view = new View();
const layers = new Map();
const TURN_PATIENCE_MS = 5000; // an answer that has not come by then will not come
let scene = { id: "", kind: "empty", layers: [], demand: 0 };
let waiting = null; // a scene that arrived while the reader was looking closely at another one
let exactAsked = false;
let pointer = null;

const hasPicture = () => scene.kind === "live" || scene.kind === "picture";
const request = () => {
  if (!request.frame) request.frame = requestAnimationFrame(draw);
};

function draw() {
  request.frame = 0;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, canvas.width, canvas.height);
  // The exact file is large: fetched once a picture pixel covers a screen pixel, or when asked for.
  const step = exactAsked || view.scale >= 0.999 ? 3 : 2;
  for (const layer of layers.values()) {
    layer.want(step);
    drawLayer(context, view, layer);
  }
  drawMap();
  describe();
}

function drawMap() {
  const shown = hasPicture() && view.overflows;
  map.hidden = !shown;
  const first = layers.values().next().value;
  if (!shown || !first?.bitmap) return;
  const longest = 132 * devicePixelRatio;
  const ratio = longest / Math.max(view.picture.width, view.picture.height);
  map.width = Math.round(view.picture.width * ratio);
  map.height = Math.round(view.picture.height * ratio);
  map.style.width = `${map.width / devicePixelRatio}px`;
  const small = map.getContext("2d");
  small.drawImage(first.bitmap, 0, 0, map.width, map.height);
  const [x0, y0, x1, y1] = view.visible().map((value) => value * ratio);
  small.fillStyle = "rgba(0, 0, 0, 0.55)";
  small.beginPath();
  small.rect(0, 0, map.width, map.height);
  small.rect(x0, y0, x1 - x0, y1 - y0);
  small.fill("evenodd");
  small.lineWidth = devicePixelRatio;
  small.strokeStyle = "#fff";
  small.strokeRect(x0, y0, x1 - x0, y1 - y0);
}

// What the view is, in words for the reader and as data for a test.
function describe() {
  const first = layers.values().next().value;
  const step = first ? STEPS[first.step] : "nothing";
  Object.assign(root.dataset, {
    kind: scene.kind,
    scene: scene.id,
    scale: view.scale.toFixed(4),
    cx: view.cx.toFixed(2),
    cy: view.cy.toFixed(2),
    step,
    fitted: view.fitted,
    waiting: waiting ? waiting.id : "",
  });
  find("zoom").textContent = `${(view.scale * 100).toFixed(view.scale < 0.1 ? 1 : 0)} %`;
  find("exact").classList.toggle("on", step === "master");
  find("exact").title = step === "master" ? "Exact pixels: the lossless master is shown" : "Load the lossless master";
  find("title").textContent = hasPicture() ? scene.title : "";
  root.ariaLabel = hasPicture() && scene.description ? `Picture: ${scene.description}` : "Picture viewer";
  find("message").textContent = scene.message || "Nothing on the stage yet";
  find("hint").hidden = scene.kind !== "empty";
  find("failed").textContent = first?.failed ?? "";
  const arrival = waiting ? waiting.title : scene.arrival;
  find("arrival").hidden = !arrival;
  canvas.style.touchAction = view.overflows ? "none" : "pan-y";
  readOut();
}

function readOut() {
  const output = find("readout");
  const first = layers.values().next().value;
  const [x, y] = pointer ? view.toPicture(...pointer).map(Math.floor) : [-1, -1];
  const inside = x >= 0 && y >= 0 && x < view.picture.width && y < view.picture.height;
  output.hidden = !inside || !first?.bitmap || !hasPicture();
  if (output.hidden) return;
  const rgb = colourAt(view, first, x, y);
  const hex = `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  output.firstElementChild.style.background = hex;
  const nearly = first.step === 3 ? "" : "≈";
  output.lastElementChild.textContent = `x ${x}  y ${y}  ${nearly}${hex}  ${rgb.join(" ")}`;
}

function show(next) {
  const another = next.id !== scene.id;
  waiting = null;
  for (const [id, layer] of layers) {
    if (!next.layers.some((one) => one.id === id)) {
      layer.close();
      layers.delete(id);
    }
  }
  if (another) {
    // Pictures of one size are compared: the same place stays in view at the same scale.
    const isAlike = hasPicture() && next.width_px === scene.width_px && next.height_px === scene.height_px;
    if (!isAlike) [view.fitted, exactAsked] = [true, false];
    layers.forEach((layer) => layer.close());
  }
  scene = next;
  if (hasPicture()) view.setPicture(scene.width_px, scene.height_px);
  for (const one of next.layers) {
    if (!layers.has(one.id)) layers.set(one.id, new LayerBitmap(request));
    layers.get(one.id).setSources(one);
  }
  request();
}

// An empty viewer may be hidden, and what is hidden takes no focus: the kind is written before the next frame does.
function takeKeys() {
  root.dataset.kind = scene.kind;
  root.scrollIntoView({ block: "nearest" });
  root.focus({ preventScroll: true });
}

// A scene that nobody asked for never takes the stage from a reader who is looking closely.
function receive() {
  const next = props.value;
  if (!next) return;
  if (next.demand < scene.demand) return; // an answer to an older wish, overtaken on its way
  const asked = next.demand > scene.demand;
  const lookingClosely = scene.kind === "picture" && !view.fitted;
  if (next.id !== scene.id && !asked && lookingClosely) {
    waiting = next;
    request();
  } else {
    show(next);
    if (asked) sendTurn();
    // A viewer that was opened over something else takes the keys at once, so that Escape leads back.
    if (asked && hasPicture() && !find("close").hidden) takeKeys();
  }
}

// To a neighbour; one of the same size is shown at the same place and scale.
// Presses that come before the answer to the last one are sent together after it: none is lost, none counts twice.
let owed = 0;
let turnedAt = -Infinity;

function turn(delta) {
  if (!hasPicture()) return;
  owed += delta;
  if (performance.now() - turnedAt > TURN_PATIENCE_MS) sendTurn();
}

function sendTurn() {
  turnedAt = owed ? performance.now() : -Infinity;
  if (owed) trigger("turn", { delta: owed, picture: scene.picture });
  owed = 0;
}

function actualSize(x = canvas.width / 2, y = canvas.height / 2) {
  view.zoomAt(x, y, 1);
  request();
}

function fit() {
  view.fit();
  request();
}

function zoomBy(factor, x = canvas.width / 2, y = canvas.height / 2) {
  view.zoomAt(x, y, view.scale * factor);
  request();
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen();
}

function toggleExact() {
  exactAsked = !exactAsked;
  request();
}

function resize(entries) {
  // The exact box where the browser tells it; an emulated screen tells CSS pixels there, a device never does.
  const box = entries[0].devicePixelContentBoxSize?.[0];
  const exact = box && Math.abs(box.inlineSize - canvas.clientWidth * devicePixelRatio) < 2;
  const width = exact ? box.inlineSize : Math.round(canvas.clientWidth * devicePixelRatio);
  const height = exact ? box.blockSize : Math.round(canvas.clientHeight * devicePixelRatio);
  if (!width || !height) return;
  canvas.width = width;
  canvas.height = height;
  view.resize(width, height);
  draw(); // at once: a cleared canvas must not flash
}

find("arrival").addEventListener("click", () => (waiting ? show(waiting) : trigger("show_newest")));
find("before").addEventListener("click", () => turn(-1));
find("after").addEventListener("click", () => turn(1));
find("fit").addEventListener("click", fit);
find("actual").addEventListener("click", () => actualSize());
find("closer").addEventListener("click", () => zoomBy(Math.SQRT2));
find("farther").addEventListener("click", () => zoomBy(Math.SQRT1_2));
find("exact").addEventListener("click", toggleExact);
find("full").addEventListener("click", toggleFullScreen);
find("close").addEventListener("click", () => trigger("leave"));

listenToHands();
listenToKeys();
listenToMenu();
const sizes = new ResizeObserver(resize);
try {
  sizes.observe(canvas, { box: "device-pixel-content-box" });
} catch {
  sizes.observe(canvas); // Safari measures CSS pixels only
}
watch("value", receive);
receive();
