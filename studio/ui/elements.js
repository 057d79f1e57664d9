// Small DOM helpers put in front of each component's script. Text always goes in as text, never as markup.
function make(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function makeButton(name, text, hint, onClick) {
  const made = make("button", name, text);
  made.type = "button";
  made.title = hint;
  made.setAttribute("aria-label", hint);
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    onClick(event);
  });
  return made;
}

// Make `container` show `rows` in order and keep the elements of rows that stay, with their focus and images.
function reconcile(container, rows, create, update) {
  const kept = new Map([...container.children].map((child) => [child.dataset.key, child]));
  rows.forEach((row, index) => {
    const key = String(row.id);
    const child = kept.get(key) ?? create(row);
    kept.delete(key);
    child.dataset.key = key;
    update(child, row);
    if (container.children[index] !== child) container.insertBefore(child, container.children[index] ?? null);
  });
  kept.forEach((child) => child.remove());
}
