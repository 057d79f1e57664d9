// The right rail: numbers and settings of one picture, and what can be done with them.
const details = element.querySelector(".details");
const part = (name) => details.querySelector(`.details-${name}`);
const act = (action) => trigger("act", { action, id: props.value.id });

part("remix").addEventListener("click", () => act("remix"));
part("redraw").addEventListener("click", () => act("redraw"));
part("seed").addEventListener("click", () => act("use_seed"));
part("all").addEventListener("click", () => act("use_all"));
part("inspect").addEventListener("click", () => trigger("inspect", { ids: [props.value.id] }));
part("vary").addEventListener("click", () => trigger("vary", { id: props.value.id }));
part("star").addEventListener("click", () => act(props.value.starred ? "unstar" : "star"));
part("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(props.value.prompt);
  part("copy").textContent = "Copied";
  setTimeout(() => (part("copy").textContent = "Copy"), 1500);
});

// The whole number, and a press copies it.
function offerCopy(chip, text) {
  chip.type = "button";
  chip.title = "Copy the seed";
  chip.setAttribute("aria-label", `Seed ${text}, copy it`);
  chip.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    chip.firstElementChild.textContent = "seed, copied";
    setTimeout(() => (chip.firstElementChild.textContent = "seed"), 1500);
  });
}

function refresh() {
  const value = props.value;
  if (!value) return;
  details.hidden = !value.title;
  details.dataset.id = value.id;
  part("title").textContent = value.title;
  part("prompt").textContent = value.prompt;
  part("negative").textContent = value.negative_prompt;
  part("negative").hidden = !value.negative_prompt;
  part("chips").replaceChildren(
    ...value.chips.map(({ name, text, unit }) => {
      const chip = make(name === "seed" ? "button" : "div", "chip");
      chip.append(make("span", "", name), make("b", "", text));
      if (name === "seed") offerCopy(chip, text);
      if (unit) chip.lastElementChild.append(make("i", "", unit));
      return chip;
    }),
  );
  part("rows").replaceChildren(
    ...value.rows.flatMap(([name, text]) => [make("dt", "", name), make("dd", "", text)]),
  );
  part("actions").hidden = !value.id;
  part("star").classList.toggle("on", value.starred);
  part("star").setAttribute("aria-pressed", value.starred);
  part("star").hidden = !value.id;
  const download = part("download");
  download.hidden = !value.master;
  if (value.master) {
    download.href = value.master.url;
    download.download = value.file_name;
  }
}

watch("value", refresh);
refresh();
