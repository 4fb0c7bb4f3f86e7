// The forms of users and admin tokens.
import { enablePermissions } from "./permissions.js";

const form = document.getElementById("rights-form");
if (form) {
  enablePermissions(form);
  // What is hidden, since only a member needs it, is not sent either.
  const grants = form.querySelector("#may_grant");
  const role = () => {
    if (form.elements.role) grants.disabled = form.elements.role.value !== "member";
  };
  form.addEventListener("change", role);
  role();
}
