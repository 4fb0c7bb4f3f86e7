// Revoking a token asks in a dialog instead of on a page of its own.

const dialog = document.getElementById("revoke-dialog");

if (dialog) {
  const form = dialog.querySelector("form");
  for (const link of document.querySelectorAll("[data-revoke]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      form.action = link.href;
      document.getElementById("revoke-name").textContent = link.dataset.revoke;
      dialog.showModal();
    });
  }
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
}
