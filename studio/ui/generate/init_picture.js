// The picture that the form begins from. The page owns its strength; the server gives which picture it is.
const box = element.querySelector(".init");
const part = (name) => box.querySelector(`.init-${name}`);
const [range, told] = [box.querySelector("input"), box.querySelector("output")];

function refresh() {
  const value = props.value;
  box.hidden = !value?.id;
  if (box.hidden) return;
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
  element.closest(".settings")?.querySelector("#init-drop input[type=file]")?.focus({ preventScroll: true });
});
watch("value", refresh);
refresh();
