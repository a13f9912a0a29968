//! The database's URL, which two clients read: sqlx for rows, libpq for migrations.
//!
//! Each of them has parameters and habits that the other one lacks, and one that ignored `sslmode` would speak in the
//! clear. So only what both understand alike is taken. Nothing that is said of a URL shows any of it.

/// Parameters that mean the same to both.
const PARAMETERS: [&str; 9] =
    ["host", "port", "dbname", "user", "sslmode", "sslrootcert", "sslcert", "sslkey", "options"];

/// Says why a URL cannot be used, if it cannot.
pub(crate) fn check(url: &str) -> Result<(), String> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err("it does not begin with postgres://".into());
    }
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    if address.matches('@').count() > 1 || query.contains(['@', '?', '#', '+']) {
        return Err("one of @ ? # + stands where it must be written %40, %3F, %23, %2B".into());
    }
    let parameters: Vec<(&str, &str)> =
        query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| pair.split_once('=')).collect();
    let known = |name: &str| PARAMETERS.contains(&name);
    let once = |name: &str| parameters.iter().filter(|(other, _)| *other == name).count() == 1;
    let complete = parameters.len() == query.split('&').filter(|pair| !pair.is_empty()).count();
    if !complete || !parameters.iter().all(|(name, _)| known(name) && once(name)) {
        return Err(format!("its parameters may be {}, each once", PARAMETERS.join(", ")));
    }
    let value = |name| parameters.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    // Without it, one would ask the world's authorities, and the other one a file of the user's.
    if value("sslmode").is_some_and(|mode| mode.starts_with("verify-")) && value("sslrootcert").is_none() {
        return Err(
            "sslmode=verify-ca and verify-full need sslrootcert, a file with who vouches for the server"
                .into(),
        );
    }
    Ok(())
}

/// What libpq says of a URL, without what is in it.
pub(crate) fn without_secrets(url: &str, said: &str) -> String {
    let shows = said.contains("://") || password(url).is_some_and(|password| said.contains(password));
    if shows { "libpq does not take its URL".to_owned() } else { said.trim().replace('\n', " ") }
}

/// The password as it is written.
fn password(url: &str) -> Option<&str> {
    let (user, _) = url.split_once("://")?.1.split_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_clients_understand_is_taken() {
        let good = [
            "postgres://u:secret@h:5432/d?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgresql://u@h/d",
            "postgres:///d?host=/run/postgresql&user=u",
        ];
        for url in good {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_one_of_them_would_read_otherwise_is_refused_without_being_told() {
        let bad = [
            "mysql://u:secret@h/d",
            "postgres://u:se@cret@h/d",
            "postgres://u:sec?ret@h/d",
            "postgres://u:secret@h/d?ssl-mode=require",
            "postgres://u:secret@h/d?sslmode=require&sslmode=disable",
            "postgres://u@h/d?password=secret",
            "postgres://u:secret@h/d?sslmode",
            "postgres://u:secret@h/d?sslmode=verify-full",
            "postgres://u:secret@h/d?sslrootcert=/a+b",
        ];
        for url in bad {
            let refused = check(url).unwrap_err();
            assert!(!refused.contains("secret") && !refused.contains("ret@"), "{url}: {refused}");
        }
    }

    #[test]
    fn what_libpq_says_shows_no_password() {
        let url = "postgres://u:sec%zzret@h/d";
        let said = without_secrets(url, "invalid percent-encoded token: \"sec%zzret\"");
        assert_eq!(said, "libpq does not take its URL");
        assert!(!without_secrets(url, "missing \"]\" in URI: \"postgres://u:\"").contains("u:"));
        let harmless = "connection to server failed:\nFATAL: no such role\n";
        assert_eq!(without_secrets(url, harmless), "connection to server failed: FATAL: no such role");
    }
}
