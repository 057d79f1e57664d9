// The log's end. Who reads further up is left there.
const details = element.querySelector(".run-log");
const text = details.querySelector("pre");

function refresh() {
  const value = props.value;
  if (!value) return;
  const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 24;
  details.hidden = !value.text;
  text.textContent = value.text;
  if (atEnd) text.scrollTop = text.scrollHeight;
}

details.addEventListener("toggle", () => (text.scrollTop = text.scrollHeight));
watch("value", refresh);
refresh();
