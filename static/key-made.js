// The page that shows a new key: it can be copied, and is gone when the page is left.
import { enableCopying } from "./copy.js";

enableCopying(document.getElementById("copied"));

addEventListener("pagehide", () => {
  document.getElementById("new-key").textContent = "";
});

// A page that comes back from the browser's cache has no key to show any more.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    document.getElementById("new-key").textContent = "no longer shown";
  }
});
