// The form of Generate, as the browser keeps it: per tab, with the tab that was last used as the beginning of a new one.
// Runs before Gradio does, so that whatever is entered while the page still opens is known and never overwritten.
window.d4kForm = (() => {
  const KEY = "d4k.form";
  const touched = new Map(); // id of a field -> when something was last entered there
  let current = {};
  let before = null; // the model when its field was entered

  function touch(event) {
    for (let node = event.target; node instanceof Element; node = node.parentElement) {
      if (node.id) touched.set(node.id, performance.now());
    }
  }
  for (const kind of ["input", "change"]) document.addEventListener(kind, touch, true);
  document.addEventListener("pointerdown", (event) => event.target.closest?.('[role="option"]') && touch(event), true);
  document.addEventListener("focusin", (event) => {
    if (event.target.closest?.("#model")) before = current.model;
  });

  // Gradio opens a dropdown's list a moment after any key but Escape, Tab included, when the field has been left already.
  document.addEventListener(
    "keydown",
    (event) => event.key === "Tab" && event.target.matches?.('input[role="listbox"], input[role="combobox"]') && event.stopPropagation(),
    true,
  );

  // What a tab watches is the tab's own. Gradio keeps it in localStorage, which all tabs share.
  for (const name of ["getItem", "setItem", "removeItem"]) {
    const usual = Storage.prototype[name];
    Storage.prototype[name] = function (key, ...rest) {
      return usual.call(key === "d4k-watch" ? sessionStorage : this, key, ...rest);
    };
  }

  function kept() {
    for (const storage of [sessionStorage, localStorage]) {
      try {
        const form = JSON.parse(storage.getItem(KEY));
        if (form && typeof form === "object") return form;
      } catch {
        // written by something else: as good as nothing
      }
    }
    return {};
  }

  return {
    // The values of the widgets, in the order of `fields` ([name, id of its element]).
    remember(fields, values) {
      current = Object.fromEntries(fields.map(([name], i) => [name, values[i]]));
      const text = JSON.stringify(current);
      for (const storage of [sessionStorage, localStorage]) {
        try {
          storage.setItem(KEY, text);
        } catch {
          // a browser that keeps nothing
        }
      }
    },
    // What the browser kept, but what is there already where a field was touched or nothing fitting was kept.
    restore(fields, values) {
      const form = kept();
      const restored = fields.map(([name, id], i) =>
        touched.has(id) || !(name in form) || typeof form[name] !== typeof values[i] ? values[i] : form[name],
      );
      current = Object.fromEntries(fields.map(([name], i) => [name, restored[i]]));
      return restored;
    },
    // The model that was chosen and when; null where it is the one that was there before.
    chosen(model) {
      if (model === before) return null;
      before = model;
      return { model, at: performance.now() };
    },
    // A preset's size for the two fields, so that a custom size starts from it; a custom size stays as entered.
    sized(preset, width, height) {
      const size = preset.split("x").map(Number);
      return size.length === 2 ? size : [width, height];
    },
    // A model's advice for the fields that were not touched since it was chosen.
    advised(fields, advice, values) {
      return fields.map(([name, id], i) => (advice && !((touched.get(id) ?? 0) > advice.at) ? advice[name] : values[i]));
    },
  };
})();
