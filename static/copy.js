// Buttons with data-copy="ID" copy the text of the element with that id, and say so.

async function copy(text, source) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  // Without https a page may not write to the clipboard, but may copy what is selected.
  getSelection().selectAllChildren(source);
  return document.execCommand("copy");
}

export function enableCopying(says) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const copied = await copy(source.textContent, source).catch(() => false);
      button.textContent = copied ? "Copied" : "Press Ctrl+C";
      if (!copied) getSelection().selectAllChildren(source);
      if (says) says.textContent = copied ? "Copied to the clipboard" : "Selected: copy it with Ctrl+C";
      setTimeout(() => {
        button.textContent = label;
      }, 3000);
    });
  }
}
