// Gradio names each radio of a group differently, which makes each a group and a Tab stop of its own, deaf to arrows.
// They are put together just before a key that walks is acted on, since fields are built and built again at any time.
(() => {
  const names = new WeakMap();
  let count = 0;

  function nameOf(group) {
    if (!names.has(group)) names.set(group, `d4k-radios-${(count += 1)}`);
    return names.get(group);
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Tab" && !event.key.startsWith("Arrow")) return;
      for (const radio of document.querySelectorAll("fieldset input[type=radio]")) {
        const name = nameOf(radio.closest("fieldset"));
        if (radio.name !== name) radio.name = name;
      }
    },
    true,
  );
})();
