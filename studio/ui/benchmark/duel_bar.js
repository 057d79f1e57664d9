// Votes on the pair above, by button or key, while the bar is in sight. Names stand here only once they were asked for.
const bar = element.querySelector(".duel-bar");
const part = (name) => bar.querySelector(`.duel-${name}`);
const CHOICES = { a: "left", d: "right", w: "tie", x: "neither" };
let answered = ""; // the pair that was voted on: a second press before the next one comes is no second vote

function vote(choice) {
  const { key, names } = props.value;
  if (!key || names.length || answered === key) return;
  answered = key;
  refresh();
  trigger("vote", { key, choice });
}

function act(what) {
  if (what === "reveal" && !props.value.key) return;
  trigger("act", { what, key: props.value.key });
}

for (const button of bar.querySelectorAll("[data-choice]")) button.addEventListener("click", () => vote(button.dataset.choice));
for (const button of bar.querySelectorAll("[data-act]")) button.addEventListener("click", () => act(button.dataset.act));

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !bar.getClientRects().length) return;
  if (document.querySelector("dialog[open]") || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  const key = event.key.toLowerCase();
  if (CHOICES[key]) vote(CHOICES[key]);
  else if (key === "u") act("undo");
  else if (key === "n") act(props.value.names.length ? "next" : "reveal");
  else return;
  event.preventDefault();
}
document.addEventListener("keydown", onKey);

function refresh() {
  const value = props.value;
  if (!value) return;
  const { key, prompt, done, total, names, message, ended } = value;
  if (key !== answered) answered = "";
  bar.dataset.key = key;
  bar.dataset.done = done;
  bar.dataset.over = total > 0 && !key && ended;
  part("prompt").textContent = prompt;
  part("count").textContent = total ? `${done} of ${total} pairs judged` : "";
  part("progress").firstElementChild.style.width = total ? `${(100 * done) / total}%` : "0";
  part("progress").hidden = !total;
  part("names").textContent = names.length ? `Left: ${names[0]} · Right: ${names[1]}. A vote on this pair would be void.` : "";
  part("message").textContent = message;
  for (const button of bar.querySelectorAll("[data-choice]")) button.disabled = !key || names.length > 0 || answered === key;
  bar.querySelector("[data-act=reveal]").hidden = !key || names.length > 0;
  bar.querySelector("[data-act=next]").hidden = !names.length;
  bar.querySelector("[data-act=undo]").disabled = !done;
  bar.querySelector("[data-act=end]").hidden = !done || ended;
}
watch("value", refresh);
refresh();
