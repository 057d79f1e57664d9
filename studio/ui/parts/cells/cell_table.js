// Named rows and columns. Arrow keys walk over the cells; Enter or a press opens a picture.
const section = element.querySelector(".cell-table");
const grid = section.querySelector(".samples-grid");
let place = [0, 0]; // row, column
let table = "";
let drawn = "";

const cellAt = (row, column) => grid.querySelector(`[data-row="${row}"][data-column="${column}"]`);

function mark(focus) {
  const { rows, columns } = props.value;
  place = [Math.min(place[0], rows.length - 1), Math.min(place[1], columns.length - 1)];
  for (const cell of grid.querySelectorAll(".samples-cell")) {
    const here = Number(cell.dataset.row) === place[0] && Number(cell.dataset.column) === place[1];
    cell.tabIndex = here ? 0 : -1;
    if (here && focus) cell.focus();
  }
}

function walk(event) {
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  event.stopPropagation();
  const { rows, columns } = props.value;
  const within = (value, count) => Math.min(count - 1, Math.max(0, value));
  place = [within(place[0] + move[0], rows.length), within(place[1] + move[1], columns.length)];
  mark(true);
}

function cellOf(cell, row, column) {
  const made = make("button", "samples-cell");
  made.type = "button";
  Object.assign(made.dataset, { row, column, state: cell.state, picture: cell.picture });
  made.setAttribute("role", "gridcell");
  made.title = cell.words;
  made.setAttribute("aria-label", cell.words);
  if (cell.thumbnail) {
    const picture = make("img");
    picture.src = cell.thumbnail.url;
    picture.alt = "";
    made.append(picture);
  } else made.append(make("i", "", { queued: "…", running: "drawing", absent: "–" }[cell.state] ?? cell.state));
  made.addEventListener("click", () => {
    place = [row, column];
    mark(true);
    if (cell.picture) trigger("open", { id: cell.picture });
  });
  return made;
}

function headOf(role, looks, name) {
  const made = make("span", looks, name);
  made.setAttribute("role", role);
  return made;
}

// For a screen reader alone: its cells lie in the grid's own tracks.
function line(...cells) {
  const made = make("div", "cell-table-row");
  made.setAttribute("role", "row");
  made.append(...cells);
  return made;
}

function told() {
  const { cells, about } = props.value;
  const done = cells.filter((cell) => cell.state === "done").length;
  const failed = cells.find((cell) => cell.state === "failed");
  return failed ? failed.words : `${done} of ${cells.length} drawn · ${about}`;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  section.hidden = !value.cells.length;
  if (value.table !== table) [table, place] = [value.table, [0, 0]];
  const wanted = JSON.stringify(value);
  if (wanted === drawn) return;
  drawn = wanted;
  const { rows, columns, cells } = value;
  const focused = grid.contains(document.activeElement);
  section.querySelector(".cell-table-about").textContent = cells.length ? told() : "";
  grid.style.setProperty("--columns", columns.length);
  grid.replaceChildren(
    line(headOf("columnheader", "samples-corner", ""), ...columns.map((name) => headOf("columnheader", "samples-step", name))),
    ...rows.map((name, row) =>
      line(
        headOf("rowheader", "samples-prompt", name),
        ...columns.map((_, column) => cellOf(cells[row * columns.length + column], row, column)),
      ),
    ),
  );
  if (cells.length) mark(focused);
}

grid.addEventListener("keydown", walk);
watch("value", refresh);
refresh();
