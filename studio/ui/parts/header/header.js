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
  const exception = matchMedia("(max-width: 720px)").matches ? "open" : "closed";
  rooms.dataset.controls = rooms.dataset.controls === exception ? "" : exception;
});

window.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") document.querySelector("#generate")?.click();
});

function refresh() {
  const value = props.value;
  if (!value) return;
  bar.querySelector(".bar-status").dataset.mood = value.mood;
  bar.querySelector(".bar-status span").textContent = value.text;
  bar.querySelector(".bar-status").title = value.text;
}

watch("value", refresh);
refresh();
