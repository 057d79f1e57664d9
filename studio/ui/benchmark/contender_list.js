// The models of a new benchmark. The page owns its rows; models and LoRAs are asked for when the list comes into sight.
const box = element.querySelector(".contenders");
const [list, add] = [box.querySelector("ul"), box.querySelector("select")];
let options = { models: [], loras: [] };

function change(rows) {
  props.value = { ...props.value, rows };
  refresh();
  trigger("change", {});
}

const rowOf = (item) => props.value.rows.find((row) => String(row.id) === item.dataset.key);
const edit = (item, next) =>
  change(named(props.value.rows.map((row) => (String(row.id) === item.dataset.key ? { ...row, ...next } : row))));
const titleOf = (path) => options.loras.find((one) => one.path === path)?.title ?? path;

// Named by model and LoRAs until somebody writes another name; a second one of the same says its numbers too.
function usualName(row, taken) {
  const stem = [row.model, ...row.loras.map((worn) => titleOf(worn.path))].join(" + ");
  if (!taken.has(stem)) return stem;
  const whole = `${stem}, ${row.steps} steps, guidance ${row.guidance}`;
  let name = whole;
  for (let number = 2; taken.has(name); number += 1) name = `${whole} ${number}`;
  return name;
}

function named(rows) {
  const taken = new Set(rows.filter((row) => row.own).map((row) => row.name));
  return rows.map((row) => {
    const name = row.own ? row.name : usualName(row, taken);
    taken.add(name);
    return { ...row, name };
  });
}

function numberField(name, label, { min, max, step }, read) {
  const field = make("input", name);
  Object.assign(field, { type: "number", min, max, step });
  field.setAttribute("aria-label", label);
  field.addEventListener("change", () => {
    const item = field.closest(".contender");
    if (Number.isFinite(field.valueAsNumber)) read(item, field.valueAsNumber);
    else refresh();
  });
  return field;
}

function labelled(text, field) {
  const made = make("label", "contender-field");
  made.append(make("span", "", text), field);
  return made;
}

function create(row) {
  const item = make("li", "contender");
  const name = make("input", "contender-name");
  name.type = "text";
  name.maxLength = 60;
  name.setAttribute("aria-label", "Name of the model in the table");
  name.addEventListener("change", () => {
    edit(item, { name: name.value.trim(), own: Boolean(name.value.trim()) });
  });
  const drop = makeButton("text-button", "×", "Take this model away", () =>
    change(named(props.value.rows.filter((one) => String(one.id) !== item.dataset.key))),
  );
  const head = make("div", "contender-head");
  head.append(name, drop);
  const steps = numberField("contender-steps", "Steps", { min: 1, max: 200, step: 1 }, (at, value) => edit(at, { steps: Math.round(value) }));
  const guidance = numberField("contender-guidance", "Guidance", { min: 0, max: 30, step: 0.1 }, (at, value) => edit(at, { guidance: value }));
  const numbers = make("div", "contender-numbers");
  numbers.append(labelled("steps", steps), labelled("guidance", guidance));
  const worn = make("ul", "contender-loras");
  const wear = make("select", "contender-wear");
  wear.setAttribute("aria-label", "Add a LoRA to this model");
  wear.addEventListener("change", () => {
    if (!wear.value) return;
    edit(item, { loras: [...rowOf(item).loras, { path: wear.value, weight: 1 }] });
  });
  item.append(head, make("p", "contender-model"), numbers, worn, wear);
  return item;
}

function createWorn(item, lora) {
  const made = make("li");
  const weight = numberField("contender-weight", "Weight", { min: -4, max: 4, step: 0.05 }, (at, value) =>
    edit(at, { loras: rowOf(at).loras.map((one) => (one.path === lora.path ? { ...one, weight: value } : one)) }),
  );
  const drop = makeButton("text-button", "×", "Take this LoRA away", () =>
    edit(item, { loras: rowOf(item).loras.filter((one) => one.path !== lora.path) }),
  );
  made.append(make("span"), weight, drop);
  return made;
}

function fill(field, value) {
  if (document.activeElement !== field) field.value = value;
}

function update(item, row) {
  fill(item.querySelector(".contender-name"), row.name);
  fill(item.querySelector(".contender-steps"), row.steps);
  fill(item.querySelector(".contender-guidance"), row.guidance);
  const more = [row.coarse_first ? `coarse first ${row.coarse_first}` : "", row.rope === "none" ? "" : row.rope, row.speed, row.negative_prompt ? "negative prompt" : ""];
  item.querySelector(".contender-model").textContent = [row.model, ...more.filter(Boolean)].join(" · ");
  reconcile(
    item.querySelector(".contender-loras"),
    row.loras.map((worn) => ({ ...worn, id: worn.path })),
    (worn) => createWorn(item, worn),
    (made, worn) => {
      made.querySelector("span").textContent = titleOf(worn.path);
      fill(made.querySelector("input"), worn.weight);
    },
  );
  const wear = item.querySelector(".contender-wear");
  const free = options.loras.filter((one) => !row.loras.some((worn) => worn.path === one.path));
  wear.hidden = !free.length;
  wear.replaceChildren(new Option("Add a LoRA", ""), ...free.map((one) => new Option(one.title, one.path)));
}

function refresh() {
  const value = props.value;
  if (!value) return;
  add.replaceChildren(new Option("Add a model", ""), ...options.models.map((one) => new Option(one.title, one.id)));
  reconcile(list, value.rows, create, update);
}

add.addEventListener("change", () => {
  const model = options.models.find((one) => one.id === add.value);
  if (!model) return;
  const { rows } = props.value;
  const id = 1 + Math.max(0, ...rows.map((row) => row.id));
  const { steps, guidance, coarse_first } = model;
  change(named([...rows, { id, name: "", model: model.id, steps, guidance, coarse_first, negative_prompt: "", loras: [], rope: "none", speed: "" }]));
});
watch("value", () => {
  const rows = props.value?.rows ?? [];
  if (rows.some((row) => !row.name)) change(named(rows)); // what the server adds has no name yet
  else refresh();
});
refresh();

new IntersectionObserver(async (entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  try {
    const found = await server.contender_options();
    if (found?.models) options = found;
  } catch {
    return; // a server that is away: the list stays as it is
  }
  refresh();
}).observe(box);
