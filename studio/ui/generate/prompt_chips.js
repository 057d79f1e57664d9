// Example prompts as chips under the prompt.
const chips = element.querySelector(".prompt-chips");
chips.replaceChildren(
  ...props.value.prompts.map(([name, text]) => makeButton("chip-button", name, text, () => trigger("pick", { text }))),
);
