// The grid of a dataset: a page of cards, what is going on in the background, undo. It asks the server how things
// stand, for little, and sends for the page's content only when something has changed.
const LOOK_MS = 800;
const box = element.querySelector(".dataset");
const piece = (name) => box.querySelector(`.dataset-${name}`);
const gridOf = () => piece("grid");
let said = ""; // the last refusal, until something succeeds
let asking = false;

function say(error) {
  said = error || "";
  const words = said || props.value?.message || "";
  piece("message").textContent = words;
  piece("message").hidden = !words;
}

async function look() {
  const source = props.value?.source;
  if (!source || asking) return;
  asking = true;
  try {
    const found = await server.look(source);
    if (props.value.source === source) {
      drawTasks(found.tasks);
      if (found.version !== props.value.version || isOvertaken()) sendFor([found.version, ...asks()].join(" "));
    }
  } catch {
    // A server that is away is asked again.
  }
  asking = false;
}

// The shelf and the words that the reader sees chosen.
const asks = () => ["#dataset-shelf input:checked", "#dataset-search :is(input, textarea)"]
  .map((place) => document.querySelector(place)?.value ?? "");

// News that was asked for before another shelf was chosen, and came after it, shows the shelf of before.
function isOvertaken() {
  const [shelf, search] = asks();
  return shelf !== "" && (shelf !== props.value.shelf || search !== props.value.search);
}

// An answer takes a moment: the same news is not sent for twice meanwhile.
let awaited = { wanted: "", until: 0 };
function sendFor(wanted) {
  if (awaited.wanted === wanted && Date.now() < awaited.until) return;
  awaited = { wanted, until: Date.now() + 2 * LOOK_MS };
  trigger("news", {});
}

function drawTasks(tasks) {
  const shown = tasks.filter((task) => task.running || task.failed || task.words);
  reconcile(
    piece("tasks"),
    shown.map((task) => ({ ...task, id: task.name })),
    () => {
      const row = make("div", "dataset-task");
      row.setAttribute("role", "status");
      const bar = make("div", "dataset-progress");
      bar.append(make("i"));
      row.append(make("span"), bar);
      return row;
    },
    (row, task) => {
      row.classList.toggle("failed", task.failed);
      row.classList.toggle("running", task.running);
      row.querySelector("span").textContent = [
        task.running && task.total ? `${task.verb} ${task.done} of ${task.total}` : task.running ? task.verb : "",
        task.words,
      ]
        .filter(Boolean)
        .join(" · ");
      row.querySelector(".dataset-progress").hidden = !task.running;
      row.querySelector("i").style.width = `${task.total ? (100 * task.done) / task.total : 0}%`;
    },
  );
}

function drawChips(chips) {
  piece("chips").replaceChildren(
    ...chips.map(([words, number, hint]) => {
      const chip = make("span", "dataset-chip");
      chip.title = hint;
      chip.append(make("b", "", number), make("span", "", words));
      return chip;
    }),
  );
}

function drawNotes(notes) {
  piece("notes").hidden = !notes.length;
  piece("notes").querySelector("summary").textContent = `${notes.length} ${notes.length === 1 ? "note" : "notes"}`;
  piece("notes").querySelector("ul").replaceChildren(...notes.map((note) => make("li", "", note)));
}

let shownSource = "";
let shownPage = -1;
function refresh() {
  const value = props.value;
  if (!value) return;
  if (value.source !== shownSource) {
    unsaved.clear();
    said = "";
    drawTasks([]);
    gridOf().replaceChildren();
  }
  say(said);
  drawChips(value.chips);
  drawNotes(value.notes);
  reconcile(gridOf(), value.cards, createCard, updateCard);
  if (value.source !== shownSource || value.page !== shownPage) gridOf().scrollTop = 0;
  [shownSource, shownPage] = [value.source, value.page];
  piece("nothing").hidden = value.cards.length > 0;
  piece("nothing").textContent = value.nothing;
  piece("undo").hidden = !value.undo;
  piece("undo").title = `Take back: ${value.undo}`;
  piece("pages").hidden = value.pages < 2;
  piece("pages").querySelector("span").textContent = `Page ${value.page + 1} of ${value.pages}`;
  piece("before").disabled = value.page < 1;
  piece("after").disabled = value.page >= value.pages - 1;
  look();
}

piece("before").addEventListener("click", () => trigger("turn", { page: props.value.page - 1 }));
piece("after").addEventListener("click", () => trigger("turn", { page: props.value.page + 1 }));
piece("undo").addEventListener("click", async () => {
  await Promise.all([...unsaved.keys()].map(saveText));
  say(await wish("undo", []));
  look();
});

const visible = () => !document.hidden && box.offsetParent !== null;
const timer = setInterval(() => {
  if (!element.isConnected) return clearInterval(timer);
  if (visible()) look();
}, LOOK_MS);
addEventListener("beforeunload", () => unsaved.forEach((_, id) => saveText(id)));
watch("value", refresh);
refresh();
