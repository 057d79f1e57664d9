// The picture that the form begins from. The page owns its strength; the server gives which picture it is.
const box = element.querySelector(".init");
const part = (name) => box.querySelector(`.init-${name}`);
const [range, told] = [box.querySelector("input"), box.querySelector("output")];

const zone = () => element.closest(".settings")?.querySelector("#init-drop");
let isSent = false; // through the zone, which makes room for the picture: whoever stood there stands at its strength

document.addEventListener("change", (event) => (isSent ||= Boolean(event.target.closest?.("#init-drop"))), true);

function refresh() {
  const value = props.value;
  const arrived = box.hidden && Boolean(value?.id);
  const isLost = document.activeElement === document.body || zone()?.contains(document.activeElement);
  box.hidden = !value?.id;
  if (box.hidden) return;
  if (arrived && isSent && isLost) range.focus({ preventScroll: true });
  isSent = false;
  part("title").textContent = value.title;
  part("title").title = value.title;
  part("size").textContent = `${value.size}, scaled and cut to the size below`;
  const thumb = part("thumb");
  if (value.thumb.startsWith("data:image/jpeg;base64,")) thumb.src = value.thumb;
  else thumb.removeAttribute("src");
  range.value = value.strength;
  told.textContent = Number(value.strength).toFixed(2);
  range.setAttribute("aria-valuetext", `${told.textContent}, low keeps the picture`);
}

range.addEventListener("input", () => {
  props.value = { ...props.value, strength: range.valueAsNumber };
  refresh();
});
range.addEventListener("change", () => trigger("change", {}));
part("away").addEventListener("click", () => {
  props.value = { ...props.value, id: "", title: "", size: "", thumb: "" };
  refresh();
  trigger("change", {});
  zone()?.querySelector("button")?.focus({ preventScroll: true });
});
watch("value", refresh);
refresh();
