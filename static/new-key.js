// Helps to fill in the form of a new key. Everything works without: the server checks the same,
// and says the same sentence.
import { enablePermissions } from "./permissions.js";

const form = document.getElementById("new-key-form");
const sentence = document.getElementById("sentence");

function boxes(row) {
  return [...row.querySelectorAll("input[type=checkbox]")];
}

function listed(parts) {
  return parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0];
}

function grants() {
  return [...form.querySelectorAll("tr[data-resource]")].flatMap((row) => {
    const ticked = boxes(row).filter((box) => box.checked).map((box) => box.value.split(":")[1]);
    return ticked.length ? [`${ticked.join(" and ")} ${row.dataset.resource.replaceAll("_", " ").replace("@", " at ")}`] : [];
  });
}

function until() {
  const chosen = form.querySelector("input[name=expires]:checked");
  if (chosen?.value === "date") {
    const day = form.elements.expires_on.valueAsDate;
    if (!day) return "until a date you have not chosen yet";
    const words = { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
    return `until the end of ${new Intl.DateTimeFormat("en-GB", words).format(day)}`;
  }
  return chosen?.dataset.until || "until somebody revokes it";
}

function say() {
  const may = grants();
  sentence.hidden = false;
  sentence.textContent = may.length
    ? `This key will be able to ${listed(may)} ${until()}.`
    : "This key will not be able to do anything: select at least one box.";
}

if (form) {
  enablePermissions(form);
  form.addEventListener("input", say);
  say();
}
