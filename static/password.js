// Lets a password be seen while it is typed.

for (const field of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", `${button.textContent} the password`);
  };
  button.setAttribute("aria-controls", field.id);
  button.addEventListener("click", () => show(field.type === "password"));
  // Browsers remember what is sent as ordinary text.
  field.form.addEventListener("submit", () => show(false));
  const row = document.createElement("div");
  row.className = "reveal";
  const focused = document.activeElement === field;
  field.replaceWith(row);
  row.append(field, button);
  show(false);
  if (focused) field.focus();
}
