//! The first administrator, where the environment names one.

use super::setting::BadSetting;
use crate::model::email::Email;
use crate::model::password::Password;

/// The first administrator comes from the environment alone: a password on the command line can be
/// read by everybody on the machine.
pub(super) fn read(
    email: Option<String>,
    password: Option<String>,
) -> Result<Option<(Email, Password)>, BadSetting> {
    match (email, password) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(BadSetting("BITTING_ADMIN_PASSWORD: must be set too".to_owned())),
        (None, Some(_)) => Err(BadSetting("BITTING_ADMIN_EMAIL: must be set too".to_owned())),
        (Some(email), Some(password)) => {
            let bad = |name: &str, why: String| BadSetting(format!("{name}: {why}"));
            let email = Email::choose(&email).map_err(|why| bad("BITTING_ADMIN_EMAIL", why))?;
            if password.trim() != password {
                let why = "begins or ends with a space, which nobody sees; take it off";
                return Err(bad("BITTING_ADMIN_PASSWORD", why.to_owned()));
            }
            let password = Password::choose(&password, &email);
            Ok(Some((email, password.map_err(|why| bad("BITTING_ADMIN_PASSWORD", why))?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_administrator_is_named_whole_or_not_at_all() {
        let named = |email: &str, password: &str| {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            read(given(email), given(password)).map_err(|bad| bad.to_string())
        };
        assert!(named("", "").unwrap().is_none());
        assert!(named("Ada@example.com", "a long enough one").unwrap().is_some());
        for (email, password, variable) in [
            ("ada@example.com", "", "BITTING_ADMIN_PASSWORD"),
            ("ada@example.com", "too short", "BITTING_ADMIN_PASSWORD"),
            ("", "a long enough one", "BITTING_ADMIN_EMAIL"),
            ("ada", "a long enough one", "BITTING_ADMIN_EMAIL"),
        ] {
            let message = named(email, password).unwrap_err();
            assert!(message.starts_with(variable), "{message}");
            assert!(password.is_empty() || !message.contains(password), "{message}");
        }
    }
}
