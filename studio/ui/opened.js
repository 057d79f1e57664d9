// Gradio draws what a tab or an accordion holds when it is first opened, and in a later frame gives every field in it the
// value it had at the start. Where frames are late, something has been entered by then: it is put back.
(() => {
  const FRAMES = 10; // after the press; Gradio's is among the first
  const entered = new Map(); // field, or group of radios -> the field that was entered and what it was left with
  let left = 0;

  const isTicked = (field) => field.type === "checkbox" || field.type === "radio";
  const stateOf = (field) => (isTicked(field) ? field.checked : field.value);

  // What a list offers is chosen, not typed.
  const isNoted = (target) => target.matches?.("textarea, input:not([type=file], [role=listbox], [role=combobox])");

  function putBack(field, state) {
    if (isTicked(field)) return field.click();
    field.value = state;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function frame() {
    for (const [field, state] of entered.values()) {
      if (field.isConnected && stateOf(field) !== state) putBack(field, state);
    }
    left -= 1;
    if (left) requestAnimationFrame(frame);
    else entered.clear();
  }

  document.addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.(".label-wrap, [role=tab]")) return;
      if (!left) requestAnimationFrame(frame);
      left = FRAMES;
    },
    true,
  );
  document.addEventListener(
    "input",
    ({ target }) => {
      if (!left || !isNoted(target)) return;
      const group = (target.type === "radio" && target.closest("fieldset")) || target;
      entered.set(group, [target, stateOf(target)]);
    },
    true,
  );
})();
