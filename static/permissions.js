// Helps to tick a table of scopes, and to choose a date. Everything works without.

function tick(list) {
  const all = list.every((box) => box.checked);
  for (const box of list) box.checked = !all;
  list[0]?.dispatchEvent(new Event("input", { bubbles: true }));
}

export function enablePermissions(form) {
  for (const button of form.querySelectorAll("[data-both]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      tick([...button.closest("tr").querySelectorAll("input[type=checkbox]")]);
    });
  }
  const everything = form.querySelector("[data-read-everything]");
  if (everything) {
    everything.hidden = false;
    everything.addEventListener("click", () => {
      tick([...form.querySelectorAll("input[value$=':read']")]);
    });
  }
  form.elements.expires_on?.addEventListener("input", () => {
    form.querySelector("input[name=expires][value=date]").checked = true;
  });
}
