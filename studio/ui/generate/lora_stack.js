// The LoRA stack of the form. The page owns its rows; the server gives a picture's. What there is to add is asked for
// apart from them, whenever the stack comes into sight: an answer must never take back an edit.
const box = element.querySelector(".loras");
const [add, rows, strengths] = [box.querySelector("select"), box.querySelector("ul"), box.querySelector("input")];
let options = [];

function change(next) {
  props.value = { ...props.value, ...next };
  refresh();
  trigger("change", {});
}

const edit = (path, next) =>
  change({ rows: props.value.rows.map((row) => (row.path === path ? { ...row, ...next } : row)) });

function create(row) {
  const item = make("li", "loras-row");
  const on = make("input");
  on.type = "checkbox";
  on.addEventListener("change", () => edit(item.dataset.key, { on: on.checked }));
  const weight = make("input", "loras-weight");
  Object.assign(weight, { type: "number", min: -4, max: 4, step: 0.05 });
  weight.setAttribute("aria-label", "Weight");
  weight.addEventListener("change", () => {
    if (Number.isFinite(weight.valueAsNumber)) edit(item.dataset.key, { weight: weight.valueAsNumber });
    else weight.value = props.value.rows.find((one) => one.path === item.dataset.key).weight;
  });
  const drop = makeButton("text-button", "×", "Take it away", () =>
    change({ rows: props.value.rows.filter((one) => one.path !== item.dataset.key) }),
  );
  const label = make("label", "loras-title");
  label.append(on, make("span"));
  item.append(label, weight, drop);
  return item;
}

function update(item, row) {
  const option = options.find((one) => one.path === row.path);
  item.classList.toggle("off", !row.on);
  item.querySelector("input[type=checkbox]").checked = row.on;
  item.querySelector("span").textContent = option?.title ?? row.path;
  item.title = option ? [option.path, option.note, option.trigger && `trigger: ${option.trigger}`].filter(Boolean).join("\n") : `${row.path} is not in this studio's home`;
  item.classList.toggle("missing", !option && !row.path.startsWith("/"));
  const weight = item.querySelector(".loras-weight");
  if (document.activeElement !== weight) weight.value = row.weight;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  const used = new Set(value.rows.map((row) => row.path));
  const free = options.filter((option) => !used.has(option.path));
  const hint = new Option(options.length ? "Add a LoRA" : "No LoRA in this studio yet: train one, or put it into loras/", "");
  add.replaceChildren(
    hint,
    ...free.map((option) => {
      const choice = new Option([option.title, option.note].filter(Boolean).join("  ·  "), option.path);
      choice.disabled = Boolean(option.broken);
      choice.title = option.broken;
      return choice;
    }),
  );
  add.disabled = !free.length;
  reconcile(rows, value.rows.map((row) => ({ ...row, id: row.path })), create, update);
  strengths.parentElement.hidden = !value.rows.length;
  if (document.activeElement !== strengths) strengths.value = value.strengths;
}

add.addEventListener("change", () => {
  if (add.value) change({ rows: [...props.value.rows, { path: add.value, weight: 1, on: true }] });
});
strengths.addEventListener("change", () => change({ strengths: strengths.value }));
watch("value", refresh);
refresh();

new IntersectionObserver(async (entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  try {
    options = (await server.list_loras()) ?? options;
  } catch {
    return; // a server that is away: the list stays as it is
  }
  refresh();
}).observe(box);
