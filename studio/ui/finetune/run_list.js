// The list of runs. Up and down move the choice.
const section = element.querySelector(".runs");
const rows = section.querySelector(".runs-rows");
const trashed = section.querySelector(".runs-trashed");

function ago(seconds) {
  const age = Date.now() / 1000 - seconds;
  if (age < 90) return "now";
  if (age < 5400) return `${Math.round(age / 60)} min ago`;
  if (age < 129600) return `${Math.round(age / 3600)} h ago`;
  return new Date(1000 * seconds).toLocaleDateString();
}

function create(row) {
  const item = make("li", "runs-row");
  item.tabIndex = 0;
  item.setAttribute("role", "option");
  const line = make("div", "runs-line");
  line.append(make("b"), make("span", "runs-state"));
  const small = make("div", "runs-small");
  small.append(make("span", "runs-detail"), make("time"));
  const bar = make("div", "runs-bar");
  bar.append(make("i"));
  item.append(line, small, make("div", "runs-parent"), make("div", "runs-note"), bar);
  item.addEventListener("click", () => trigger("pick", { name: item.dataset.key }));
  item.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") item.click();
    else if (event.key === "ArrowDown") item.nextElementSibling?.focus();
    else if (event.key === "ArrowUp") item.previousElementSibling?.focus();
    else return;
    event.preventDefault();
  });
  return item;
}

function fill(item, selector, text) {
  const found = item.querySelector(selector);
  found.textContent = text;
  found.hidden = !text;
}

function update(item, row) {
  item.dataset.state = row.state;
  item.setAttribute("aria-selected", row.id === props.value.chosen);
  item.title = row.sentence;
  fill(item, "b", row.id);
  fill(item, ".runs-state", row.state);
  fill(item, ".runs-detail", row.detail);
  fill(item, "time", row.changed_at ? ago(row.changed_at) : "");
  fill(item, ".runs-parent", row.parent ? `from ${row.parent}` : "");
  fill(item, ".runs-note", row.note);
  item.querySelector(".runs-bar i").style.width = `${100 * row.fraction}%`;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  section.querySelector(".runs-count").textContent = value.rows.length ? `${value.rows.length}` : "";
  section.querySelector(".runs-none").hidden = value.rows.length > 0;
  trashed.hidden = !value.trashed;
  trashed.firstElementChild.textContent = `${value.trashed.replace(/\.\d+$/, "")} is in the trash`;
  reconcile(rows, value.rows, create, update);
}

trashed.lastElementChild.addEventListener("click", () => trigger("restore", { name: props.value.trashed }));
watch("value", refresh);
refresh();
