// The forms of users and admin tokens.
import { enablePermissions } from "./permissions.js";

const form = document.getElementById("rights-form");
if (form) enablePermissions(form);
