// The page that shows a secret once: it can be copied, and is gone when the page is left.
import { enableCopying } from "./copy.js";

const secret = document.querySelector(".secret code");

enableCopying(document.getElementById("copied"));

addEventListener("pagehide", () => {
  secret.textContent = "";
});

// A page that comes back from the browser's cache has nothing to show any more.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    secret.textContent = "no longer shown";
  }
});
