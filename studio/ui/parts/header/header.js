// The bar at the top: product, worker status, and two switches that live in the page alone.
const bar = element.querySelector(".bar");
const dark = () => document.body.classList.contains("dark");

bar.querySelector(".bar-theme").addEventListener("click", () => {
  localStorage.setItem("d4k-theme", dark() ? "light" : "dark"); // first: colours.js holds the page to it
  document.body.classList.toggle("dark", localStorage.getItem("d4k-theme") === "dark");
});

bar.querySelector(".bar-models").addEventListener("click", () => window.dispatchEvent(new Event("d4k-models")));

// Open is the rule in a wide window and the exception on a phone, so the mark names the exception of each.
bar.querySelector(".bar-rail").addEventListener("click", () => {
  const rooms = document.querySelector("#rooms");
  const exception = narrow.matches ? "open" : "closed";
  rooms.dataset.controls = rooms.dataset.controls === exception ? "" : exception;
  tellControls();
});

const narrow = matchMedia("(max-width: 720px)");
function tellControls() {
  const controls = document.querySelector("#rooms")?.dataset.controls;
  bar.querySelector(".bar-rail").setAttribute("aria-expanded", narrow.matches ? controls === "open" : controls !== "closed");
}
narrow.addEventListener("change", tellControls);
tellControls();

window.addEventListener("keydown", (event) => {
  const generate = document.querySelector("button#generate");
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && generate?.offsetParent) generate.click();
  const typing = document.activeElement?.closest("input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable]");
  if (event.key === "?" && !typing) (sheet.open ? sheet.close() : sheet.showModal());
});

const sheet = element.querySelector(".shortcuts");
bar.querySelector(".bar-keys").addEventListener("click", () => sheet.showModal());
sheet.querySelector(".shortcuts-close").addEventListener("click", () => sheet.close());
sheet.addEventListener("click", (event) => event.target === sheet && sheet.close()); // beside it

// What the worker did when the server was last heard of is not what it does.
let linked = true;
window.addEventListener("d4k-link", (event) => {
  linked = event.detail;
  refresh();
});

function refresh() {
  const value = linked ? props.value : { mood: "ill", text: "the studio does not answer; it is asked again and again" };
  if (!value) return;
  bar.querySelector(".bar-status").dataset.mood = value.mood;
  bar.querySelector(".bar-status span").textContent = value.text;
  bar.querySelector(".bar-status").title = value.text;
}

watch("value", refresh);
refresh();
