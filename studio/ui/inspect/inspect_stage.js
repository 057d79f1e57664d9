// The stage of Inspect and Compare: up to four pictures on one canvas under one view, and layers over them.
const STAGE_MODES = ["side", "slider", "flicker", "blend", "difference", "single"];
const USUAL_LOOK = { opacity: 0.8, colour: "auto", gain: 1, mode: "side", channel: "rgb" };
const root = element.querySelector(".viewer");
const find = (name) => root.querySelector(`.viewer-${name}`);
const canvas = find("canvas");
const context = canvas.getContext("2d");
const map = find("map");
const view = new SharedView();
const pictures = new Map(); // pane id -> LayerBitmap
const shrunken = new Map(); // pane id -> its picture, or one channel of it, and halves of that
const boards = new Map(); // what was asked for -> its board, the last few
const planes = new Map(); // plane id -> PlaneFiles, those of the last few boards
const differences = new Map(); // two plane ids and how fine -> PlaneBitmap
const mapped = {}; // the navigator's small picture
const KEPT_PLANES = 40;
const KEPT_BOARDS = 12;
let board = { panes: [], look: { ...USUAL_LOOK }, demand: 0 };
let ownLook = {}; // what was changed here since these pictures came; an answer under way does not know of it
let pointer = null;
let wipe = 0.5; // where the slider stands, share of the width
let fade = 0.5; // opacity of the second picture
let turn = 0; // which picture is shown where one is
let drag = null; // a region being drawn, in pixels of the first picture
let flicker = 0;
let awaited = ""; // what was asked for last
let wasShown = false;

const hasPicture = () => board.panes.length > 0;
const mode = () => (board.panes.length > 1 ? board.look.mode : "single");
const shownPane = () => board.panes[["flicker", "single"].includes(mode()) ? turn % board.panes.length : 0];
const request = () => {
  if (!request.frame) request.frame = requestAnimationFrame(draw);
};

function receive() {
  const next = props.value;
  if (!next) return;
  if (next.asked) {
    boards.delete(next.asked);
    boards.set(next.asked, next);
    if (boards.size > KEPT_BOARDS) boards.delete(boards.keys().next().value);
  }
  // Answers come in any order. One to what was asked for before says nothing of layers any more, but what it measured.
  if (next.asked && awaited && next.asked !== awaited) {
    board.panes = withMarks(board.panes, next.panes);
    request();
  } else show(next);
}

// A board that was shown before comes back at once; the server's answer follows.
function foresee(event) {
  if (!root.isConnected) return window.removeEventListener("d4k-ask", foresee);
  if (!root.closest(`#${event.detail.stage}`)) return;
  awaited = event.detail.asked;
  const known = awaited !== board.asked && boards.get(awaited);
  if (known) showAgain(known);
}

// The page's own work on a click takes a tenth of a second: a layer that is ready is drawn before that, and the
// click goes on after the frame.
function foreseeLayer(event) {
  if (!root.isConnected) return window.removeEventListener("click", foreseeLayer, true);
  if (foreseeLayer.passing) return;
  const choice = root.dataset.layersIn && event.target.closest?.(`${root.dataset.layersIn} input`);
  if (!choice || !board.asked) return;
  const [keys, [, ...others]] = JSON.parse(board.asked);
  const asked = JSON.stringify([keys, [choice.value, ...others]]);
  const known = boards.get(asked);
  if (!known) return;
  awaited = asked;
  event.preventDefault();
  event.stopImmediatePropagation();
  showAgain(known);
  requestAnimationFrame(() => setTimeout(passOn, 0, choice));
}

function passOn(choice) {
  foreseeLayer.passing = true;
  choice.click();
  foreseeLayer.passing = false;
}

function showAgain(known) {
  show({ ...known, panes: withMarks(known.panes, board.panes), look: board.look, view: "" });
}

// Panes with the parts that are measured in others of the same pictures.
function withMarks(panes, others) {
  const isPart = (mark) => mark.kind !== "artefact";
  const parts = new Map(others.map((pane) => [pane.id, pane.marks.filter(isPart)]));
  return panes.map((pane) => ({
    ...pane,
    marks: [...pane.marks.filter((mark) => !isPart(mark)), ...(parts.get(pane.id) ?? [])],
  }));
}

function show(next) {
  const newer = next.demand > board.demand;
  const another = next.panes[0]?.width_px !== board.panes[0]?.width_px || next.panes[0]?.height_px !== board.panes[0]?.height_px;
  const same = next.panes.map((pane) => pane.id).join() === board.panes.map((pane) => pane.id).join();
  if (!same) ownLook = {};
  board = { ...next, look: { ...next.look, ...ownLook } };
  takePictures();
  takePlanes();
  if (hasPicture()) {
    if (another) view.fitted = true;
    view.setPicture(board.panes[0].width_px, board.panes[0].height_px);
  }
  if (newer && board.at) standAt(Number(board.at));
  arrange();
  if (!newer || !board.view) return;
  const [x, y, scale] = board.view.split(",").map(Number);
  view.scale = scale;
  view.centreOn(x, y);
  request();
}

// What an address says of the slider, of transparency, or of which picture is shown.
function standAt(place) {
  if (mode() === "slider") wipe = Math.min(1, place);
  else if (mode() === "blend") fade = Math.min(1, place);
  else turn = Math.round(place);
}

function takePictures() {
  const asked = new Map(board.panes.map((pane) => [pane.id, pane]));
  for (const [id, layer] of pictures) {
    if (asked.has(id)) continue;
    layer.close();
    pictures.delete(id);
    shrunken.delete(id);
  }
  for (const [id, pane] of asked) {
    if (!pictures.has(id)) pictures.set(id, new LayerBitmap(request));
    pictures.get(id).setSources(pane.picture);
  }
}

function takePlanes() {
  for (const plane of board.panes.flatMap((pane) => pane.planes)) {
    const known = planes.get(plane.id) ?? new PlaneFiles(request);
    planes.delete(plane.id); // last used goes last
    planes.set(plane.id, known);
    known.take(plane);
  }
  const used = new Set(board.panes.flatMap((pane) => pane.planes.map((plane) => plane.id)));
  for (const id of [...planes.keys()]) if (planes.size > KEPT_PLANES && !used.has(id)) planes.delete(id);
  differences.clear();
}

// After another board, mode or size of the window.
function arrange() {
  clearInterval(flicker);
  if (mode() === "flicker") {
    flicker = setInterval(() => {
      turn += 1;
      if (root.offsetParent) request();
    }, 600);
  }
  cells.arrange();
  view.resize(cells.width, cells.height);
  describeBoard();
  request();
}

function fit() {
  view.fit();
  request();
}

function actualSize(x = cells.width / 2, y = cells.height / 2) {
  view.zoomAt(x, y, 1);
  request();
}

function zoomBy(factor, x = cells.width / 2, y = cells.height / 2) {
  view.zoomAt(x, y, view.scale * factor);
  request();
}

// The keys 1 to 4 press the choices of the layer's control, where there is one.
function pressLayer(number) {
  const { layersIn, layerKeys } = root.dataset;
  if (layersIn) document.querySelector(`${layersIn} input[value="${layerKeys.split(" ")[number - 1]}"]`)?.click();
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen();
}

// Looks change at once, without a way to the server and back.
function takeLook(event) {
  if (!root.isConnected) return window.removeEventListener("d4k-look", takeLook);
  if (!root.closest(`#${event.detail.stage}`)) return;
  changeLook(event.detail.look);
}

function changeLook(look) {
  Object.assign(ownLook, look);
  Object.assign(board.look, look);
  arrange();
}

find("fit").addEventListener("click", fit);
find("actual").addEventListener("click", () => actualSize());
find("closer").addEventListener("click", () => zoomBy(Math.SQRT2));
find("farther").addEventListener("click", () => zoomBy(Math.SQRT1_2));
find("save").addEventListener("click", saveView);
find("full").addEventListener("click", toggleFullScreen);
window.addEventListener("d4k-look", takeLook);
window.addEventListener("d4k-ask", foresee);
window.addEventListener("click", foreseeLayer, true);
listenForParts();
listenToHands();
listenToStageKeys();
new ResizeObserver(() => {
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (!width || !height) {
    // Another tab is shown: its address is the studio's own.
    if (wasShown && board.query) writeAddress(new URLSearchParams());
    wasShown = false;
    return;
  }
  wasShown = true;
  Object.assign(canvas, { width, height });
  arrange();
  draw();
}).observe(canvas);
watch("value", receive);
receive();
