// Sends each form once: a second click would put another answer in the place of the first, which may show
// what is shown only once, such as a new key.
const WAIT = 10000;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  // Whoever has stopped the page from loading may send it again.
  setTimeout(() => delete form.dataset.sent, WAIT);
});

// A page that comes back out of the browser's memory is as it was left.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
