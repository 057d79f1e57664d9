// What the stage of Inspect says in words and numbers: titles, read-out, scale of colours, and the address.

// Once for each board.
function describeBoard() {
  find("message").textContent = board.message;
  const names = root.querySelector(".inspect-names");
  names.style.setProperty("--columns", cells.columns);
  names.style.setProperty("--rows", cells.rows);
  names.replaceChildren(...(cells.several ? board.panes.map((pane) => make("span", "", titleOf(pane))) : []));
  const label = root.querySelector(".inspect-mode");
  label.hidden = board.panes.length < 2 || cells.several;
  label.textContent = {
    slider: `${board.panes[0]?.title}  |  ${board.panes[1]?.title}`,
    flicker: "flicker",
    blend: `transparency ${Math.round(fade * 100)} %  ( [ ] )`,
    difference: board.panes[0]?.planes.length ? "difference of values" : "difference of colours",
    single: "one of several  ( [ ] )",
  }[mode()];
}

const titleOf = (pane) => `${pane.width_px} × ${pane.height_px}  ${pane.title}`;

// In every frame: only what a view changes.
function describeView() {
  const first = pictures.get(board.panes[0]?.id);
  const shown = shownPane();
  Object.assign(root.dataset, {
    kind: board.panes.length ? "picture" : "empty",
    panes: board.panes.map((pane) => pane.id).join(" "),
    planes: board.panes.map((pane) => pane.planes.map((plane) => plane.name).join(" ")).join("|"),
    marks: board.panes.map((pane) => pane.marks.map((mark) => mark.kind).join(" ")).join("|"),
    ready: board.panes.every((pane) => pane.planes.every((plane) => planes.get(plane.id)?.ready)),
    mode: mode(),
    look: Object.values(board.look).join(" "),
    scale: view.scale.toFixed(4),
    cx: view.cx.toFixed(2),
    cy: view.cy.toFixed(2),
    step: STEPS[first?.step ?? 0],
    shown: shown?.id ?? "",
    at: standing() ?? "",
  });
  find("zoom").textContent = `${(view.scale * 100).toFixed(view.scale < 0.1 ? 1 : 0)} %`;
  find("title").textContent = shown && !cells.several && mode() !== "slider" ? titleOf(shown) : "";
  const failed = [...pictures.values(), ...planes.values()].map((one) => one.failed).find(Boolean);
  find("failed").textContent = failed ?? "";
  canvas.style.touchAction = view.overflows ? "none" : "pan-y";
  describeScale();
  readOut();
  rememberSoon();
}

// The colours of the layer that is shown, lowest to highest.
function describeScale() {
  const bar = root.querySelector(".inspect-scale");
  const pane = shownPane();
  const plane = pane?.planes.find((one) => one.kind !== "mask");
  const signed = plane && (plane.kind === "signed" || mode() === "difference");
  bar.hidden = !plane;
  const said = plane ? `${board.panes.map((one) => one.id).join(" ")} ${plane.id} ${signed} ${Object.values(board.look).join(" ")}` : "";
  if (!plane || bar.dataset.said === said) return;
  bar.dataset.said = said;
  const image = new ImageData(256, 1);
  const kind = signed ? "signed" : plane.kind;
  new Uint32Array(image.data.buffer).set(colourTable(kind, board.look.colour, board.look.gain));
  bar.querySelector("canvas").getContext("2d").putImageData(image, 0, 0);
  const [low, high] = bar.querySelectorAll("span");
  const several = pane.planes.length > 1; // each band has a scale of its own
  const alike = board.panes.flatMap((one) => one.planes.filter((other) => other.name === plane.name));
  const reach = mode() === "difference" ? reachOf(alike[0], alike[1] ?? alike[0]) : 0;
  const ends = reach
    ? [-reach, reach]
    : [Math.min(...alike.map((one) => one.low)), Math.max(...alike.map((one) => one.high))];
  low.textContent = several ? "−" : `${plane.name} ${short(ends[0])}`;
  high.textContent = several ? "+" : `${short(ends[1])} ${plane.unit}`;
}

const short = (value) => String(Number(value.toPrecision(3)));

function readOut() {
  const output = find("readout");
  const at = pointer && board.panes.length ? under(pointer) : { inside: false };
  const layer = at.inside ? pictures.get(at.pane.id) : null;
  output.hidden = !layer?.bitmap;
  if (output.hidden) return;
  const rgb = colourAt({ picture: { width: at.pane.width_px, height: at.pane.height_px } }, layer, at.x, at.y);
  output.firstElementChild.style.background = `rgb(${rgb.join(" ")})`;
  const values = at.pane.planes
    .filter((plane) => plane.kind !== "mask")
    .map((plane) => [plane, planes.get(plane.id)?.finest.valueAt(plane, at.x + 0.5, at.y + 0.5)])
    .filter(([, value]) => typeof value === "number")
    .map(([plane, value]) => `  ${plane.name} ${short(value)} ${plane.unit}`);
  const exact = layer.step === 3 ? "" : "≈";
  output.lastElementChild.textContent = `x ${at.x}  y ${at.y}  ${exact}${rgb.join(" ")}${values.at(-1) ?? ""}`;
}

// Where the slider stands, how far the second picture has faded in, or which one is shown.
function standing() {
  const at = { slider: wipe, blend: fade, single: board.panes.length ? turn % board.panes.length : 0 }[mode()];
  return at === undefined ? undefined : Number(at.toFixed(3));
}

// The address follows settings and view a moment later; nothing is added to the history.
function rememberSoon() {
  clearTimeout(rememberSoon.timer);
  if (board.query && root.offsetParent) rememberSoon.timer = setTimeout(remember, 250);
}

function remember() {
  const asked = new URLSearchParams(board.query);
  for (const [name, value] of Object.entries(board.look)) {
    if (String(value) !== String(USUAL_LOOK[name])) asked.set(name, value);
  }
  const at = standing();
  if (at !== undefined && at !== (mode() === "single" ? 0 : 0.5)) asked.set("at", at);
  if (!view.fitted) asked.set("view", `${view.cx.toFixed(1)},${view.cy.toFixed(1)},${view.scale.toFixed(4)}`);
  writeAddress(asked);
}

function writeAddress(asked) {
  const theme = new URLSearchParams(location.search).get("__theme");
  if (theme) asked.set("__theme", theme);
  const said = asked.toString();
  if (location.search !== `?${said}`) history.replaceState(history.state, "", said ? `?${said}` : location.pathname);
}

async function saveView() {
  const whole = new OffscreenCanvas(canvas.width, canvas.height);
  const ground = whole.getContext("2d");
  ground.fillStyle = getComputedStyle(root).backgroundColor;
  ground.fillRect(0, 0, canvas.width, canvas.height);
  ground.drawImage(canvas, 0, 0);
  const link = make("a");
  link.href = URL.createObjectURL(await whole.convertToBlob({ type: "image/png" }));
  link.download = `${(board.panes[0]?.title ?? "view").replace(/\.[^.]*$/, "").slice(0, 60)}-view.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 5000);
}
