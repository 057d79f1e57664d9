// Exports and uploads of a run: what came of each, where it lies, and which keys of the LoRA changed no layer and why.
const list = element.querySelector(".results");

function create(line) {
  const item = make("li", "result");
  item.append(make("b", "result-title"), make("span", "runs-state"), make("p", "result-words"), make("div", "result-more"));
  return item;
}

function more(line) {
  const parts = [];
  if (line.file) {
    const link = make("a", "run-button", "Download");
    link.href = line.file.url;
    link.download = line.path.split(/[\\/]/).pop();
    parts.push(link);
  }
  if (line.link) {
    const link = make("a", "", line.link);
    Object.assign(link, { href: line.link, target: "_blank", rel: "noopener" });
    parts.push(link);
  }
  if (line.path) parts.push(make("code", "result-path", line.path));
  if (line.state === "waiting") parts.push(makeButton("run-button", "Cancel", "Cancel it", () => trigger("cancel", { id: line.id })));
  if (line.num_unused) {
    const box = make("details", "result-unused");
    const rows = make("dl");
    rows.append(...line.unused.flatMap(([key, why]) => [make("dt", "", key), make("dd", "", why)]));
    box.append(make("summary", "", `${line.num_unused} keys of the LoRA change no layer`), rows);
    if (line.num_unused > line.unused.length) box.append(make("p", "", `and ${line.num_unused - line.unused.length} more; d4k export names all`));
    parts.push(box);
  }
  return parts;
}

function update(item, line) {
  const said = JSON.stringify(line);
  if (item.dataset.said === said) return; // what is open or focused stays
  item.dataset.said = said;
  item.dataset.state = line.state;
  item.querySelector(".result-title").textContent = line.title;
  item.querySelector(".runs-state").textContent = line.state;
  item.querySelector(".result-words").textContent = line.words;
  item.querySelector(".result-more").replaceChildren(...more(line));
}

function refresh() {
  if (props.value) reconcile(list, props.value.lines, create, update);
}
watch("value", refresh);
refresh();
