// A file that is dropped anywhere on a tab reaches the field of that tab which takes files; a miss never leaves the page.
(() => {
  const FIELDS = [
    ["#drop", "Drop it to restore its settings, or onto “begin from” to begin from it"],
    ["#inspect-drop", "Drop it to look into it"],
    ["#compare-files", "Drop it to measure it"],
    ["#dataset-drop", "Drop a zip to unpack it as a dataset"],
  ];
  const SEEN_MS = 200; // a drag over the page tells of itself every 50 ms or so, and its end outside not at all
  const veil = document.createElement("div");
  veil.className = "drop-veil";
  veil.hidden = true;
  let ending = 0;

  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const isOwnZone = (target) => Boolean(target.closest?.("#init-drop")) || FIELDS.some(([name]) => target.closest?.(name));
  // The picture that is begun from hides the zone that it came through; another that is dropped onto it takes its place.
  const isReplaced = (target) => Boolean(target.closest?.("#init"));

  // Of the tab that is seen; its controls may be folded away on a phone.
  function fieldOfTab() {
    for (const [name, words] of FIELDS) {
      const field = document.querySelector(name);
      if (field?.closest("[role=tabpanel]")?.getClientRects().length && field.querySelector("input[type=file]")) return { field, words };
    }
    return null;
  }

  function hide() {
    clearTimeout(ending);
    veil.hidden = true;
  }

  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    const found = fieldOfTab();
    if (!isOwnZone(event.target)) {
      event.preventDefault();
      event.dataTransfer.dropEffect = found ? "copy" : "none";
    }
    if (!found) return;
    if (!veil.isConnected) document.body.append(veil);
    veil.textContent = found.words;
    veil.hidden = false;
    clearTimeout(ending);
    ending = setTimeout(hide, SEEN_MS);
  });

  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    hide();
    if (isOwnZone(event.target)) return;
    event.preventDefault();
    const field = isReplaced(event.target) ? document.querySelector("#init-drop") : fieldOfTab()?.field;
    const input = field?.querySelector("input[type=file]");
    if (!input) return;
    const taken = new DataTransfer();
    for (const file of [...event.dataTransfer.files].slice(0, input.multiple ? undefined : 1)) taken.items.add(file);
    input.files = taken.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
