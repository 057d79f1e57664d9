// The queue: what runs, what waits, what has ended. Every button only sends its action; the table decides.
const act = (action, id = 0) => trigger("act", { action, id });
const panel = element.querySelector(".queue");
const part = (name) => panel.querySelector(`.queue-${name}`);

part("cancel-all").addEventListener("click", () => act("cancel_all"));
part("clear").addEventListener("click", () => act("clear_finished"));

const ACTIONS = {
  running: [["cancel", "×", "Cancel"]],
  queued: [
    ["front", "⇤", "To the front"],
    ["up", "↑", "Earlier"],
    ["down", "↓", "Later"],
    ["cancel", "×", "Cancel"],
  ],
  done: [["open", "◱", "Show on the stage"]],
  failed: [["retry", "↻", "Try again"]],
  cancelled: [["retry", "↻", "Try again"]],
  interrupted: [["retry", "↻", "Try again"]],
};

function create(row) {
  const item = make("li", "queue-row");
  const thumb = make("span", "queue-thumb");
  const body = make("div", "queue-body");
  body.append(make("div", "queue-label"), make("div", "queue-detail"), make("div", "queue-state"));
  const bar = make("div", "queue-bar");
  bar.append(make("i"));
  item.append(thumb, body, make("div", "queue-actions"), bar);
  item.addEventListener("click", () => item.dataset.picture && act("open", Number(item.dataset.key)));
  return item;
}

function update(item, row) {
  item.dataset.picture = row.picture ?? "";
  item.title = row.picture ? "Show on the stage" : "";
  item.querySelector(".queue-label").textContent = row.label;
  item.querySelector(".queue-detail").textContent = row.detail;
  item.querySelector(".queue-state").textContent = item.querySelector(".queue-state").title = row.message;
  const bar = item.querySelector(".queue-bar");
  bar.hidden = row.state !== "running";
  bar.firstElementChild.style.width = `${100 * row.fraction}%`;
  showThumb(item.querySelector(".queue-thumb"), row);
  const face = `${row.state} ${row.picture ? "drawn" : ""}`;
  if (item.dataset.face === face) return;
  [item.dataset.face, item.dataset.state] = [face, row.state];
  item
    .querySelector(".queue-actions")
    .replaceChildren(
      ...ACTIONS[row.state].filter(([action]) => action !== "open" || row.picture).map(([action, sign, hint]) =>
        makeButton("", sign, hint, () => act(action, Number(item.dataset.key))),
      ),
    );
}

function showThumb(thumb, row) {
  const source = row.thumbnail ? `${row.thumbnail.url}?v=${row.stamp}` : "";
  if (thumb.dataset.source === source) return;
  thumb.dataset.source = source;
  if (!source) return thumb.replaceChildren();
  const image = make("img");
  image.alt = "";
  image.decoding = "async";
  image.onload = () => thumb.replaceChildren(image); // the old one stays until the new one is here
  image.src = source;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  const [count, listed] = [value.num_waiting, value.rows.filter((row) => row.state === "queued").length];
  const active = value.rows.some((row) => row.state === "running" || row.state === "queued");
  part("count").textContent = count ? `${count} waiting${listed < count ? `, the first ${listed} listed` : ""}` : "";
  part("cancel-all").hidden = !active;
  part("clear").hidden = value.rows.every((row) => row.state === "running" || row.state === "queued");
  part("none").hidden = value.rows.length > 0;
  reconcile(part("rows"), value.rows, create, update);
}

watch("value", refresh);
refresh();
