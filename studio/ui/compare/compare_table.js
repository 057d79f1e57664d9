// A table of scores: sorted by a click on a header, opened by a click on one or two rows. Bars let eyes compare.
const section = element.querySelector(".compare-table");
const head = section.querySelector("thead tr");
const body = section.querySelector("tbody");
let sorted = { column: -1, down: true };
let chosen = [];

const written = (value) => {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.01 || size >= 1e5) ? value.toExponential(2) : Number(value.toPrecision(4)).toString();
};

function sortBy(column) {
  sorted = { column, down: sorted.column === column ? !sorted.down : true };
  refresh();
}

function choose(key) {
  chosen = chosen.includes(key) ? chosen.filter((one) => one !== key) : [...chosen.slice(-1), key];
  refresh();
  const column = props.value.columns[Math.max(0, sorted.column)];
  if (chosen.length) trigger("open", { keys: chosen, metric: column?.name ?? "" });
}

function headCell(column, index) {
  const cell = make("th");
  cell.scope = "col";
  cell.title = column.card;
  cell.setAttribute("aria-sort", sorted.column === index ? (sorted.down ? "descending" : "ascending") : "none");
  const mark = sorted.column === index ? (sorted.down ? " ▾" : " ▴") : "";
  cell.append(makeButton("", `${column.title} ${column.arrow}${mark}`, column.card || "Sort by name", () => sortBy(index)));
  if (column.unit) cell.append(make("i", "", column.unit));
  return cell;
}

function scoreCell(cell, range) {
  const made = make("td", cell.best ? "best" : "");
  made.append(make("b", "", written(cell.value)));
  if (cell.low !== null) made.append(make("small", "", `${written(cell.low)} … ${written(cell.high)}`));
  if (cell.best) made.title = "The difference to every other set is real (95 % bootstrap interval)";
  if (cell.value !== null && range[1] > range[0]) {
    const bar = make("span", "bar-of-score");
    bar.style.width = `${(100 * (cell.value - range[0])) / (range[1] - range[0])}%`;
    made.append(bar);
  }
  return made;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  const { columns, rows, done, total } = value;
  const progress = section.querySelector(".compare-progress");
  progress.hidden = done >= total;
  progress.firstElementChild.style.width = `${total ? (100 * done) / total : 0}%`;
  progress.lastElementChild.textContent = `${done} of ${total} pictures`;
  section.querySelector(".compare-message").textContent = value.message;
  section.dataset.rows = rows.length;
  section.dataset.done = total > 0 && done >= total;
  head.replaceChildren(...(columns.length ? [headCell({ title: "Picture", arrow: "", card: "" }, -1)] : []), ...columns.map(headCell));
  const ranges = columns.map((_, i) => {
    const values = rows.map((row) => row.cells[i]?.value).filter((one) => one !== null && one !== undefined);
    return [Math.min(0, ...values), Math.max(...values)];
  });
  const order = [...rows];
  if (sorted.column >= 0) {
    const at = (row) => row.cells[sorted.column]?.value ?? -Infinity;
    order.sort((a, b) => (sorted.down ? at(b) - at(a) : at(a) - at(b)));
  }
  chosen = chosen.filter((key) => rows.some((row) => row.key === key));
  body.replaceChildren(
    ...order.map((row) => {
      const line = make("tr", chosen.includes(row.key) ? "chosen" : "");
      line.tabIndex = 0;
      line.dataset.key = row.key;
      line.setAttribute("aria-selected", chosen.includes(row.key));
      const name = make("th", "row-name");
      name.scope = "row";
      if (row.thumbnail) {
        const picture = make("img");
        picture.src = row.thumbnail.url;
        picture.alt = "";
        name.append(picture);
      }
      name.append(make("span", "", row.name));
      name.title = [row.name, row.note].filter(Boolean).join("\n");
      if (row.note) name.append(make("small", "", row.note));
      line.append(name, ...row.cells.map((cell, i) => scoreCell(cell, ranges[i])));
      line.addEventListener("click", () => choose(row.key));
      line.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose(row.key);
      });
      return line;
    }),
  );
}

// The stage below takes what the table leaves.
new ResizeObserver(() => {
  section.closest(".stage")?.style.setProperty("--table-height", `${section.offsetHeight}px`);
}).observe(section);
watch("value", refresh);
refresh();
