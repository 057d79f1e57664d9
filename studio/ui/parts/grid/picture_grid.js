// The gallery's grid: selection with click, ctrl, shift and keys. Selecting is the page's own matter; what changes
// pictures is sent as an action, what narrows or orders the list as `narrow`. Menus and slider: grid_bar.js.
const gallery = element.querySelector(".gallery");
const part = (name) => gallery.querySelector(`.gallery-${name}`);
const grid = part("grid");
const selected = new Set();
const MOST_BESIDE = 4; // panes of Inspect
let anchor = null; // where a shift-click range starts
let current = null; // what the keys act on

const leaving = new Set(); // for the trash, asked for here; news of it may come before the answer
function act(action, ids = [...selected]) {
  leaving.clear();
  if (action === "trash") ids.forEach((id) => leaving.add(id));
  trigger("act", { action, ids });
}

const ids = () => props.value.pictures.map((picture) => picture.id);
const inOrder = () => ids().filter((id) => selected.has(id)); // as they stand in the grid
const starred = (id) => props.value.pictures.find((picture) => picture.id === id)?.starred;

part("open").addEventListener("click", () => trigger("open", { id: current }));
part("star").addEventListener("click", () => act([...selected].every(starred) ? "unstar" : "star"));
part("delete").addEventListener("click", () => act("trash"));
part("restore").addEventListener("click", () => act("restore"));
part("beside").addEventListener("click", () => trigger("inspect", { ids: inOrder() }));
part("download").addEventListener("click", downloadSelected);
part("none").addEventListener("click", () => choose(null));
part("empty").addEventListener("click", confirmEmpty);
part("more").addEventListener("click", () => act("more"));
part("undo").addEventListener("click", () => {
  part("toast").hidden = true;
  act("undo", undoable);
  undoable = [];
});
part("dismiss").addEventListener("click", () => (part("toast").hidden = true));

// One file after another: a browser asks once whether a page may save several, and drops those that come at once.
async function downloadSelected() {
  for (const { master, id } of props.value.pictures.filter((picture) => selected.has(picture.id))) {
    const link = make("a");
    link.href = master.url;
    link.download = `${id}.png`;
    link.click();
    await new Promise((done) => setTimeout(done, 300));
  }
}

// Emptying the trash cannot be undone: the button asks once more, in place.
function confirmEmpty(event) {
  const button = event.currentTarget;
  if (button.dataset.sure) return act("empty");
  button.dataset.sure = "yes";
  button.textContent = "Delete for good?";
  setTimeout(() => {
    delete button.dataset.sure;
    button.textContent = "Empty trash";
  }, 4000);
}

function create(picture) {
  const card = make("div", "gallery-card");
  card.tabIndex = -1;
  card.setAttribute("role", "option");
  const image = make("img");
  image.alt = picture.prompt;
  image.loading = "lazy";
  image.decoding = "async";
  image.draggable = false;
  // For the pointer alone: an option of a list holds nothing that takes the keys, S stars what is selected.
  const star = make("span", "gallery-card-star", "★");
  star.title = "Star (S)";
  star.setAttribute("aria-hidden", "true");
  star.addEventListener("click", (event) => {
    event.stopPropagation();
    act(card.dataset.starred === "true" ? "unstar" : "star", [card.dataset.key]);
  });
  star.addEventListener("dblclick", (event) => event.stopPropagation());
  card.append(image, star, make("span", "gallery-card-size"));
  card.addEventListener("click", (event) => choose(card.dataset.key, event));
  card.addEventListener("dblclick", () => trigger("open", { id: card.dataset.key }));
  return card;
}

function update(card, picture) {
  const image = card.querySelector("img");
  if (image.dataset.source !== picture.thumbnail.url) {
    image.dataset.source = picture.thumbnail.url;
    image.src = picture.thumbnail.url;
  }
  card.dataset.starred = picture.starred;
  card.title = picture.damage || picture.prompt;
  card.setAttribute("aria-label", `${card.title}${picture.starred ? ", starred" : ""}`);
  card.dataset.damaged = Boolean(picture.damage);
  card.querySelector(".gallery-card-size").textContent =
    picture.damage ? "damaged" : `${picture.width_px} × ${picture.height_px}`;
}

function choose(id, event = {}) {
  const all = ids();
  if (event.shiftKey && anchor && all.includes(anchor)) {
    const [from, to] = [all.indexOf(anchor), all.indexOf(id)].sort((a, b) => a - b);
    selected.clear();
    all.slice(from, to + 1).forEach((one) => selected.add(one));
  } else if (event.ctrlKey || event.metaKey) {
    if (!selected.delete(id)) selected.add(id);
    anchor = id;
  } else {
    selected.clear();
    if (id) selected.add(id);
    anchor = id;
  }
  current = id;
  mark();
  if (id) {
    cardOf(id)?.focus({ preventScroll: true });
    cardOf(id)?.scrollIntoView({ block: "nearest" });
    tellChosen(id);
  }
}

// Of choices that come while one is answered the page tells the server the newest, which it reads here.
function tellChosen(id) {
  grid.dataset.chosen = id;
  trigger("choose");
}

const cardOf = (id) => [...grid.children].find((card) => card.dataset.key === id);

function mark() {
  const { trash } = props.value;
  for (const card of grid.children) {
    const on = selected.has(card.dataset.key);
    card.classList.toggle("selected", on);
    card.setAttribute("aria-selected", on);
    card.tabIndex = card.dataset.key === (current ?? grid.firstElementChild.dataset.key) ? 0 : -1;
  }
  const many = selected.size;
  part("selection").textContent = many ? `${many} selected` : "";
  part("open").hidden = many !== 1;
  part("beside").hidden = many < 2 || many > MOST_BESIDE;
  part("download").hidden = !many;
  part("star").hidden = !many || trash;
  part("star").textContent = many && [...selected].every(starred) ? "Unstar" : "Star";
  part("delete").hidden = !many || trash;
  part("restore").hidden = !many || !trash;
  part("none").hidden = !many;
  part("empty").hidden = !trash || !props.value.total;
}

function move(delta, event) {
  const all = ids();
  const from = all.indexOf(current);
  const to = Math.min(all.length - 1, Math.max(0, from + delta));
  if (all.length) choose(all[from < 0 ? 0 : to], event.shiftKey ? event : {});
}

const columns = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;
const keys = {
  arrowleft: (event) => move(-1, event),
  arrowright: (event) => move(1, event),
  arrowup: (event) => move(-columns(), event),
  arrowdown: (event) => move(columns(), event),
  enter: () => current && trigger("open", { id: current }),
  s: () => selected.size && act([...selected].every(starred) ? "unstar" : "star"),
  delete: () => selected.size && !props.value.trash && act("trash"),
  backspace: () => selected.size && !props.value.trash && act("trash"),
  escape: () => choose(null),
  " ": () => {},
};
const ON_SELECTION = ["enter", "s", "delete", "backspace", " "]; // without one, on the card that has the focus
grid.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && key === "a") {
    ids().forEach((id) => selected.add(id));
    mark();
  } else if ((event.ctrlKey || event.metaKey) && key === "z" && !event.shiftKey) {
    part("toast").hidden = true;
    act("undo", undoable);
    undoable = [];
  } else if (event.ctrlKey || event.metaKey || event.altKey || !keys[key]) return;
  else {
    const card = event.target.closest(".gallery-card");
    if (card && !selected.size && ON_SELECTION.includes(key)) choose(card.dataset.key); // Tab led here
    keys[key](event);
  }
  event.preventDefault();
});

let undoable = [];
let toastTimer = 0;
function offerUndo(ids) {
  if (!ids.length || String(ids) === String(undoable)) return;
  undoable = ids;
  part("toast-text").textContent = `${ids.length === 1 ? "1 picture" : `${ids.length} pictures`} in the trash`;
  part("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (part("toast").hidden = true), 20000);
}

function refresh() {
  const value = props.value;
  if (!value) return;
  const shown = new Set(ids());
  [...selected].forEach((id) => shown.has(id) || selected.delete(id));
  const had = grid.contains(document.activeElement);
  const wasAt = [...grid.children].findIndex((card) => card.dataset.key === current);
  // Behind the viewer it is not the grid that says whose details are shown, and nobody sees them on another tab.
  const vanished = current !== null && !shown.has(current) && gallery.offsetParent !== null;
  const deleted = value.undo.length > 0 || leaving.has(current);
  if (vanished) current = null;
  // Newer pictures come in above; what the reader is looking at stays where it is.
  const before = grid.scrollHeight;
  const arrived = grid.scrollTop > 40 && grid.firstElementChild?.dataset.key !== value.pictures[0]?.id;
  reconcile(grid, value.pictures, create, update);
  if (arrived) grid.scrollTop += grid.scrollHeight - before;
  part("total").textContent = `${value.total} ${value.total === 1 ? "picture" : "pictures"}`;
  offerKinds(value);
  part("nothing").hidden = value.pictures.length > 0;
  part("nothing").textContent = value.nothing;
  part("notes").hidden = !value.notes.length;
  part("notes").textContent = value.notes.join("\n");
  part("more").hidden = value.pictures.length >= value.total;
  mark();
  // The keys and the details go on to the neighbour of what was deleted.
  if (vanished) {
    leaving.clear();
    const next = deleted ? value.pictures[Math.min(wasAt, value.pictures.length - 1)]?.id : null;
    choose(next ?? null);
    if (!next) tellChosen("");
    if (had && !next) grid.focus();
  }
  if (value.current && value.demand > answered) {
    answered = value.demand;
    if (shown.has(value.current)) choose(value.current);
    focusOnceSeen();
  }
  if (value.undo.length && !value.pictures.length) focusOnceSeen(); // the viewer closed on its last one
  offerUndo(value.undo);
}

let answered = 0; // the last demand that was met

// The grid may be hidden behind the viewer still, and what is hidden takes no focus.
function focusOnceSeen() {
  const watch = new ResizeObserver(() => {
    if (!grid.offsetParent) return;
    watch.disconnect();
    if (!grid.children.length && document.activeElement?.matches("body, .viewer")) grid.focus();
    cardOf(current)?.focus({ preventScroll: true });
    cardOf(current)?.scrollIntoView({ block: "nearest" });
  });
  watch.observe(grid);
}

watch("value", refresh);
refresh();
