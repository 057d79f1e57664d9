// Prompts down, steps across. The chosen one is shown large; arrow keys walk: left and right through the steps, up and
// down through the prompts. While nobody has chosen, the newest step is shown.
const section = element.querySelector(".samples");
const grid = section.querySelector(".samples-grid");
const large = section.querySelector(".samples-large");
let chosen = null; // {step, index}
let run = "";
let drawn = "";

const at = (step, index) => props.value.cells.find((cell) => cell.step === step && cell.index === index);

function choose(step, index, focus = false) {
  chosen = { step, index };
  mark(focus);
}

function walk(event) {
  const { steps, prompts } = props.value;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!moves[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  const [dx, dy] = moves[event.key];
  const shown = current();
  const column = Math.min(steps.length - 1, Math.max(0, steps.indexOf(shown.step) + dx));
  const line = Math.min(prompts.length - 1, Math.max(0, shown.index + dy));
  choose(steps[column], line, true);
}

function current() {
  const { steps } = props.value;
  return chosen && steps.includes(chosen.step) ? chosen : { step: steps[steps.length - 1], index: chosen?.index ?? 0 };
}

function mark(focus) {
  const { steps, prompts } = props.value;
  if (!steps.length) return;
  const shown = current();
  for (const cell of grid.querySelectorAll(".samples-cell")) {
    const here = Number(cell.dataset.step) === shown.step && Number(cell.dataset.index) === shown.index;
    cell.setAttribute("aria-selected", here);
    cell.tabIndex = here ? 0 : -1;
    if (here && focus) cell.focus({ preventScroll: false });
  }
  const cell = at(shown.step, shown.index);
  const picture = large.querySelector("img");
  large.hidden = !cell;
  large.classList.toggle("failed", Boolean(cell?.error));
  if (cell?.view) {
    if (picture.getAttribute("src") !== cell.view.url) picture.src = cell.view.url;
    picture.alt = prompts[shown.index] ?? "";
  } else picture.removeAttribute("src");
  large.querySelector("p").textContent = cell?.error || `step ${shown.step} · ${prompts[shown.index] ?? ""}`;
  large.dataset.step = shown.step;
  large.dataset.index = shown.index;
}

function cellOf(step, index, prompt) {
  const cell = at(step, index);
  const made = make("button", "samples-cell");
  made.type = "button";
  made.dataset.step = step;
  made.dataset.index = index;
  made.setAttribute("role", "gridcell");
  made.title = cell?.error || `step ${step}: ${prompt}`;
  if (cell?.thumbnail) {
    const picture = make("img");
    picture.src = cell.thumbnail.url;
    picture.alt = "";
    made.append(picture);
  } else made.append(make("i", "", cell ? "failed" : "–"));
  made.addEventListener("click", () => choose(step, index));
  return made;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  section.hidden = !value.steps.length;
  if (value.run !== run) [run, chosen] = [value.run, null];
  const { steps, prompts, hidden } = value;
  section.querySelector(".samples-about").textContent = hidden ? `${hidden} steps between are not shown` : "";
  const wanted = JSON.stringify([run, prompts, value.cells.map((cell) => [cell.step, cell.index, cell.thumbnail?.url, cell.error])]);
  if (wanted !== drawn) {
    drawn = wanted;
    grid.style.setProperty("--columns", steps.length);
    grid.replaceChildren(
      make("span", "samples-corner"),
      ...steps.map((step) => make("span", "samples-step", String(step))),
      ...prompts.flatMap((prompt, index) => {
        const name = make("span", "samples-prompt", prompt);
        name.title = prompt;
        return [name, ...steps.map((step) => cellOf(step, index, prompt))];
      }),
    );
  }
  mark(false);
}

grid.addEventListener("keydown", walk);
watch("value", refresh);
refresh();
