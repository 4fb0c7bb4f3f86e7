// Revoking asks in a dialog instead of on a page of its own.

const dialog = document.getElementById("revoke-dialog");

if (dialog) {
  document.getElementById("revoke").addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
}
