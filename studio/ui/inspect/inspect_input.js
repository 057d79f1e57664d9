// Hands on the stage of Inspect: a click picks a patch, Shift and drag a region, the slider has a handle; and keys.

// The pane under a point of the canvas, and the pixel of its own picture there.
function under([x, y]) {
  const at = cells.at(x, y);
  let pane = cells.several ? board.panes[at.index] : shownPane();
  if (mode() === "slider") pane = board.panes[x > wipe * canvas.width ? 1 : 0];
  if (!pane) return { inside: false };
  const [px, py] = view.toPicture(at.x, at.y);
  const inside = px >= 0 && py >= 0 && px < view.picture.width && py < view.picture.height;
  const [ownX, ownY] = [pane.width_px / view.picture.width, pane.height_px / view.picture.height];
  return { pane, x: Math.floor(px * ownX), y: Math.floor(py * ownY), shared: [Math.floor(px), Math.floor(py)], inside };
}

function listenForParts() {
  let pressed = null;
  let clicked = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      (event.clientX - box.left) * (canvas.width / box.width),
      (event.clientY - box.top) * (canvas.height / box.height),
    ];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!hasPicture() || event.button > 0) return;
    const point = place(event);
    const at = under(point);
    const onHandle = mode() === "slider" && Math.abs(point[0] - wipe * canvas.width) < 14 * devicePixelRatio;
    pressed = { point, at, kind: event.shiftKey && at.pane ? "region" : onHandle ? "wipe" : "click" };
    if (pressed.kind === "click") return;
    canvas.setPointerCapture(event.pointerId);
    root.focus({ preventScroll: true });
    event.stopImmediatePropagation();
  });
  canvas.addEventListener("pointermove", (event) => {
    const point = place(event);
    if (!pressed) {
      const onHandle = mode() === "slider" && Math.abs(point[0] - wipe * canvas.width) < 14 * devicePixelRatio;
      canvas.style.cursor = onHandle ? "ew-resize" : "";
    }
    if (!pressed || pressed.kind === "click") return;
    pointer = point;
    if (pressed.kind === "wipe") wipe = Math.min(1, Math.max(0, point[0] / canvas.width));
    else drag = between(pressed.at.shared, under(point).shared ?? pressed.at.shared);
    event.stopImmediatePropagation();
    request();
  });
  canvas.addEventListener("pointerup", (event) => {
    const was = pressed;
    pressed = null;
    if (!was) return;
    const point = place(event);
    const moved = Math.hypot(point[0] - was.point[0], point[1] - was.point[1]) > 4 * devicePixelRatio;
    if (was.kind === "region" && drag) trigger("region", { ...ofPane(drag, was.at.pane), pane: was.at.pane.id });
    else if (was.kind === "click" && !moved && was.at.inside && event.isPrimary) {
      clearTimeout(clicked); // a double click zooms and picks nothing
      const { x, y, pane } = was.at;
      if (event.timeStamp - (listenForParts.last ?? -1e9) > 350) {
        clicked = setTimeout(() => trigger("pick", { x, y, pane: pane.id }), 220);
      }
      listenForParts.last = event.timeStamp;
    }
    drag = null;
    request();
  });
  canvas.addEventListener("pointercancel", () => (pressed = drag = null));
  canvas.addEventListener("dblclick", () => clearTimeout(clicked));
}

// The whole pixels between two, both included; pixels of the first picture, kept within it.
function between([ax, ay], [bx, by]) {
  const clamp = (value, side) => Math.min(side - 1, Math.max(0, value));
  const [x0, x1] = [ax, bx].map((x) => clamp(x, view.picture.width)).sort((a, b) => a - b);
  const [y0, y1] = [ay, by].map((y) => clamp(y, view.picture.height)).sort((a, b) => a - b);
  return { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 };
}

function ofPane(box, pane) {
  const [x, y] = [pane.width_px / view.picture.width, pane.height_px / view.picture.height];
  return {
    x: Math.floor(box.x * x),
    y: Math.floor(box.y * y),
    width: Math.max(1, Math.round(box.width * x)),
    height: Math.max(1, Math.round(box.height * y)),
  };
}

function changeMode(next) {
  changeLook({ mode: next });
  // The list in the rail follows when the keys rest: of events that overtake each other the page drops some.
  clearTimeout(changeMode.telling);
  changeMode.telling = setTimeout(() => trigger("mode", { mode: board.look.mode }), 150);
}

function listenToStageKeys() {
  let hovered = false;
  root.addEventListener("pointerenter", () => (hovered = true));
  root.addEventListener("pointerleave", () => (hovered = false));
  const pan = (x, y) => {
    view.panBy(x * canvas.width * PAN_STEP, y * canvas.height * PAN_STEP);
    request();
  };
  const nudge = (delta) => {
    if (mode() === "slider") wipe = Math.min(1, Math.max(0, wipe + delta));
    else if (mode() === "blend") fade = Math.min(1, Math.max(0, fade + delta));
    else turn = (turn + (delta > 0 ? 1 : board.panes.length - 1)) % board.panes.length;
    describeBoard();
    request();
  };
  const keys = {
    0: fit,
    z: () => (view.fitted ? actualSize(...(pointer ?? [])) : fit()),
    "+": () => zoomBy(Math.SQRT2),
    "=": () => zoomBy(Math.SQRT2),
    "-": () => zoomBy(Math.SQRT1_2),
    f: toggleFullScreen,
    s: saveView,
    m: () => board.panes.length > 1 && changeMode(STAGE_MODES[(STAGE_MODES.indexOf(mode()) + 1) % STAGE_MODES.length]),
    c: () => board.panes.length > 1 && trigger("swap", {}),
    "[": () => nudge(-0.05),
    "]": () => nudge(0.05),
    arrowleft: () => pan(1, 0),
    arrowright: () => pan(-1, 0),
    arrowup: () => pan(0, 1),
    arrowdown: () => pan(0, -1),
    escape: () => {
      const measured = board.panes.some((pane) => pane.marks.some((mark) => mark.kind !== "artefact"));
      if (measured && !document.fullscreenElement) trigger("whole", {});
    },
  };
  for (const number of [1, 2, 3, 4]) keys[number] = () => pressLayer(number);
  const onKey = (event) => {
    if (!root.isConnected) return window.removeEventListener("keydown", onKey);
    if (!root.offsetParent && document.fullscreenElement !== root) return;
    if (event.ctrlKey || event.metaKey || event.altKey || !hasPicture()) return;
    const typing = document.activeElement?.closest("input:not([type=radio], [type=range]), textarea, select, [contenteditable]");
    if (typing) return;
    const free = hovered || root.contains(document.activeElement) || document.activeElement === document.body;
    const act = free && keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  };
  window.addEventListener("keydown", onKey);
}
