// Which settings are seen, and what is wrong beside its field. Written as style rules, so that fields which are built
// later (in a step that is closed) follow them too. The switch is the page's own and is remembered by the browser.
const box = element.querySelector(".ft-sight");
const [rules, advanced, problem] = [
  element.querySelector("style"),
  box.querySelector("input"),
  box.querySelector(".ft-problem"),
];
const advancedKeys = box.dataset.advancedKeys.split(" ");
const room = new Map(box.dataset.room.split(" ").map((pair) => pair.split("=")));
const selector = (key) => `#${room.get(key) ?? `ft-${key.replace(".", "-")}`}`;
const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", " ")}"`;

function refresh() {
  const value = props.value;
  if (!value) return;
  // An advanced field is seen, too, where something is wrong with it.
  const hidden = [...value.silent, ...(advanced.checked ? [] : advancedKeys)].filter((key) => key !== value.key);
  const lines = hidden.map((key) => `${selector(key)} { display: none !important; }`);
  if (value.key) {
    lines.push(`${selector(value.key)}::after { content: ${quoted(value.problem)}; }`);
    lines.push(`${selector(value.key)} :is(input, textarea) { border-color: var(--bad-text) !important; }`);
  }
  rules.textContent = lines.join("\n");
  problem.textContent = value.problem;
  problem.hidden = !value.problem;
}

advanced.checked = localStorage.getItem("d4k-advanced") === "yes";
advanced.addEventListener("change", () => {
  localStorage.setItem("d4k-advanced", advanced.checked ? "yes" : "no");
  refresh();
});
// Gradio's own text fields tell of keys that write a letter, not of a paste, a cut, a drop or a backspace; the browser
// tells of all, and never of what a program writes, so that the form's own answer is no edit again.
let telling = null;
function written(event) {
  if (!element.isConnected) return document.removeEventListener("input", written);
  if (!event.target.matches("textarea, input[type=text], input:not([type])")) return;
  if (!event.target.closest('.ft-form [id^="ft-"]')) return;
  clearTimeout(telling);
  telling = setTimeout(() => trigger("written", {}), 150);
}
document.addEventListener("input", written);

watch("value", refresh);
refresh();
