//! What all pages share: what guards them, their forms, their size, and text that is shown as text.

mod broken_exports;
mod interrupted_forms;
mod odd_names;
mod page_budget;
mod page_forms;
mod page_sizes;
mod pages;
mod pasted_keys;
mod stale_forms;
mod typed_input;
mod unknown_pages;
