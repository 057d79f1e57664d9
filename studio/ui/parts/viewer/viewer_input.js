// Wheel, drag, pinch, double click and keys of the deep viewer.
const PAN_STEP = 0.15; // of the canvas, for one arrow key
const SWIPE_PX = 48; // CSS pixels to the side that turn to a neighbour

function listenToHands() {
  const fingers = new Map(); // pointer id -> [x, y] in device pixels of the canvas
  let swipe = null; // where one finger came down on a picture that fits
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      (event.clientX - box.left) * (canvas.width / box.width),
      (event.clientY - box.top) * (canvas.height / box.height),
    ];
  };
  const middle = () => {
    const [[ax, ay], [bx, by]] = [...fingers.values()];
    return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.hypot(ax - bx, ay - by) };
  };

  canvas.addEventListener("wheel", (event) => {
    if (!hasPicture()) return;
    event.preventDefault();
    const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
    // A trackpad's pinch arrives as a wheel with ctrl and small steps.
    zoomBy(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0018)), ...place(event));
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    root.focus({ preventScroll: true });
    if (!hasPicture() || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    const mayTurn = event.pointerType === "touch" && fingers.size === 1 && !view.overflows;
    swipe = mayTurn ? [event.clientX, event.clientY] : null;
    root.classList.add("dragging");
  });

  canvas.addEventListener("pointermove", (event) => {
    pointer = place(event);
    const before = fingers.get(event.pointerId);
    if (before && fingers.size === 1) {
      if (view.overflows) view.panBy(pointer[0] - before[0], pointer[1] - before[1]);
      fingers.set(event.pointerId, pointer);
    } else if (before && fingers.size === 2) {
      const then = middle();
      fingers.set(event.pointerId, pointer);
      const now = middle();
      view.panBy(now.x - then.x, now.y - then.y);
      view.zoomAt(now.x, now.y, view.scale * (now.apart / Math.max(1, then.apart)));
    }
    request();
  });

  const release = (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) root.classList.remove("dragging");
  };
  canvas.addEventListener("pointerup", (event) => {
    release(event);
    if (!swipe) return;
    const [x, y] = [event.clientX - swipe[0], event.clientY - swipe[1]];
    swipe = null;
    if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) turn(x < 0 ? 1 : -1);
  });
  canvas.addEventListener("pointercancel", (event) => {
    release(event);
    swipe = null;
  });
  canvas.addEventListener("pointerleave", () => {
    pointer = null;
    request();
  });
  canvas.addEventListener("dblclick", (event) => {
    if (!hasPicture()) return;
    if (view.fitted) actualSize(...place(event));
    else fit();
  });

  const steer = (event) => {
    if (!event.buttons) return;
    const box = map.getBoundingClientRect();
    view.centreOn(
      ((event.clientX - box.left) / box.width) * view.picture.width,
      ((event.clientY - box.top) / box.height) * view.picture.height,
    );
    request();
  };
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    steer(event);
  });
  map.addEventListener("pointermove", steer);
}

// Keys work while the viewer has the focus, or while the pointer rests on it and no field is being typed in.
function listenToKeys() {
  let hovered = false;
  root.addEventListener("pointerenter", () => (hovered = true));
  root.addEventListener("pointerleave", () => (hovered = false));
  const pan = (x, y) => {
    if (!view.overflows) return;
    view.panBy(x * canvas.width * PAN_STEP, y * canvas.height * PAN_STEP);
    request();
  };
  const act = (action) => scene.kind === "picture" && trigger("act", { action, picture: scene.picture });
  // These change what is kept: only where the reader is at the viewer, not from anywhere on the page.
  const atViewer = {
    delete: () => act("trash"),
    backspace: () => act("trash"),
    "ctrl z": () => trigger("act", { action: "undo", picture: scene.picture }),
  };
  const turnOrPan = (delta, x, y) => (view.overflows ? pan(x, y) : turn(delta));
  const keys = {
    0: fit,
    1: () => actualSize(),
    z: () => (view.fitted ? actualSize(...(pointer ?? [])) : fit()),
    "+": () => zoomBy(Math.SQRT2),
    "=": () => zoomBy(Math.SQRT2),
    "-": () => zoomBy(Math.SQRT1_2),
    f: toggleFullScreen,
    e: toggleExact,
    s: () => act("star"),
    "[": () => turn(-1),
    "]": () => turn(1),
    arrowleft: () => turnOrPan(-1, 1, 0),
    arrowright: () => turnOrPan(1, -1, 0),
    arrowup: () => pan(0, 1),
    arrowdown: () => pan(0, -1),
    escape: () => !find("close").hidden && !document.fullscreenElement && trigger("leave"),
  };
  const onKey = (event) => {
    if (!root.isConnected) return window.removeEventListener("keydown", onKey);
    if (!root.offsetParent && document.fullscreenElement !== root) return;
    if (event.altKey || (event.shiftKey && (event.ctrlKey || event.metaKey))) return;
    const typing = document.activeElement?.closest("input, textarea, select, [contenteditable]");
    const focused = root.contains(document.activeElement);
    if (typing || (!focused && !hovered && document.activeElement !== document.body)) return;
    const key = (event.ctrlKey || event.metaKey ? "ctrl " : "") + event.key.toLowerCase();
    const does = (hasPicture() && keys[key]) || ((focused || hovered) && atViewer[key]);
    if (!does) return;
    event.preventDefault();
    does();
  };
  window.addEventListener("keydown", onKey);
}
