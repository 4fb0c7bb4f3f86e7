//! Users and what is theirs: signing in, roles, passwords, and admin tokens as pages.

mod account_page;
mod login;
mod login_throttle;
mod many_keys;
mod password_links;
mod setup;
mod token_pages;
mod user_pages;
mod user_rights;
mod users;
