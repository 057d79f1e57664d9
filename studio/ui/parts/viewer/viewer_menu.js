// What a right click on the picture offers, instead of the browser's own menu, which would save the view.
function listenToMenu() {
  const menu = find("menu");
  const [save, copy] = menu.querySelectorAll("button");
  const file = () => {
    const layer = scene.layers[0];
    return layer?.master ?? layer?.preview;
  };

  function open(event) {
    if (!hasPicture() || !file() || !menu.showPopover) return; // an old browser keeps its own
    event.preventDefault();
    save.textContent = scene.layers[0].master ? "Save the master" : "Save this preview";
    copy.textContent = "Copy the picture";
    copy.hidden = !navigator.clipboard || !scene.layers[0].master; // no clipboard but at home or behind TLS
    menu.showPopover();
    const box = menu.getBoundingClientRect();
    const [x, y] = event.clientX || event.clientY ? [event.clientX, event.clientY] : middle();
    menu.style.left = `${Math.min(x, innerWidth - box.width - 4)}px`;
    menu.style.top = `${Math.min(y, innerHeight - box.height - 4)}px`;
    save.focus();
  }

  // Of the canvas: where the key was pressed there is no pointer.
  function middle() {
    const box = canvas.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  }

  save.addEventListener("click", () => {
    const link = make("a");
    link.href = file().url;
    link.download = file().orig_name ?? file().path.split(/[\\/]/).pop();
    link.click();
    menu.hidePopover();
  });

  copy.addEventListener("click", async () => {
    copy.textContent = "Copying…";
    try {
      const fetched = fetch(file().url).then((answer) => answer.blob());
      await navigator.clipboard.write([new ClipboardItem({ "image/png": fetched })]);
      copy.textContent = "Copied";
    } catch (error) {
      copy.textContent = `Not copied: ${error.message}`;
    }
  });

  // No key of the menu is one for the viewer below it: Escape would leave the picture.
  menu.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") menu.hidePopover();
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    (document.activeElement === save && !copy.hidden ? copy : save).focus();
  });
  menu.addEventListener("toggle", (event) => event.newState === "closed" && root.focus({ preventScroll: true }));
  root.addEventListener("contextmenu", open);
}
