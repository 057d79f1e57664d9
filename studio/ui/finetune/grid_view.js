// Checkpoints down, strengths across. Arrow keys walk over the cells; Enter or a press opens a picture.
const section = element.querySelector(".adapter-grid");
const grid = section.querySelector(".samples-grid");
let place = [0, 0]; // row, column
let run = "";
let drawn = "";

const cellAt = (row, column) => grid.querySelector(`[data-row="${row}"][data-column="${column}"]`);

function mark(focus) {
  const { steps, strengths } = props.value;
  place = [Math.min(place[0], steps.length - 1), Math.min(place[1], strengths.length - 1)];
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
  const { steps, strengths } = props.value;
  const within = (value, count) => Math.min(count - 1, Math.max(0, value));
  place = [within(place[0] + move[0], steps.length), within(place[1] + move[1], strengths.length)];
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

function about() {
  const { cells, prompt } = props.value;
  const done = cells.filter((cell) => cell.state === "done").length;
  const failed = cells.find((cell) => cell.state === "failed");
  return failed ? failed.words : `${done} of ${cells.length} drawn · ${prompt}`;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  section.hidden = !value.cells.length;
  if (value.run !== run) [run, place] = [value.run, [0, 0]];
  const wanted = JSON.stringify([value.run, value.steps, value.strengths, value.cells]);
  if (wanted === drawn) return;
  drawn = wanted;
  const { steps, strengths, cells } = value;
  const focused = grid.contains(document.activeElement);
  section.querySelector(".adapter-grid-about").textContent = cells.length ? about() : "";
  grid.style.setProperty("--columns", strengths.length);
  grid.replaceChildren(
    make("span", "samples-corner"),
    ...strengths.map((strength) => make("span", "samples-step", strength ? `× ${strength}` : "base")),
    ...steps.flatMap((step, row) => [
      make("span", "samples-prompt", `step ${step}`),
      ...strengths.map((_, column) => cellOf(cells[row * strengths.length + column], row, column)),
    ]),
  );
  if (cells.length) mark(focused);
}

grid.addEventListener("keydown", walk);
watch("value", refresh);
refresh();
