//! How the connection to the database is protected.

use std::{fs, path::PathBuf};

use mysql::DatabaseTls;

use super::Env;

/// What a file with a certificate has.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl Env {
    /// `DB_TLS` and `DB_CA_FILE`, which must fit together: a file that nobody looks at would only seem to protect.
    pub(super) fn database_tls(&mut self) -> (DatabaseTls, Option<PathBuf>) {
        const WORDS: &str = "disabled, preferred, required, verify_ca or verify_identity";
        const EXAMPLE: &str = "/etc/ssl/database-ca.pem";
        let tls = self.parse("DB_TLS", "preferred", WORDS);
        let file = self.optional("DB_CA_FILE").map(PathBuf::from);
        match (&file, tls) {
            (Some(file), DatabaseTls::VerifyCa | DatabaseTls::VerifyIdentity) => {
                if !fs::read_to_string(file).is_ok_and(|text| text.contains(CERTIFICATE)) {
                    self.problem("DB_CA_FILE", "a PEM file with a certificate that can be read", EXAMPLE);
                }
            }
            (Some(_), _) => {
                self.problem("DB_TLS", "verify_ca or verify_identity where DB_CA_FILE is set", "verify_identity");
            }
            (None, DatabaseTls::VerifyCa) => {
                self.problem("DB_CA_FILE", "the authority's certificate where DB_TLS is verify_ca", EXAMPLE);
            }
            (None, _) => {}
        }
        (tls, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(variables: &'static [(&str, &str)]) -> usize {
        let mut env = Env::new(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned()));
        env.database_tls();
        env.problems.len()
    }

    #[test]
    fn a_certificate_is_asked_for_where_it_is_looked_at_and_nowhere_else() {
        const NO_PEM: (&str, &str) = ("DB_CA_FILE", "Cargo.toml");
        for tls in ["disabled", "preferred", "required", "verify_identity"] {
            assert_eq!(problems(vec![("DB_TLS", tls)].leak()), 0, "{tls}");
        }
        assert_eq!(problems(&[]), 0);
        assert_eq!(problems(&[("DB_TLS", "on")]), 1);
        assert_eq!(problems(&[("DB_TLS", "verify_ca")]), 1);
        assert_eq!(problems(&[("DB_TLS", "required"), NO_PEM]), 1);
        assert_eq!(problems(&[("DB_TLS", "verify_identity"), NO_PEM]), 1);
        assert_eq!(problems(&[("DB_TLS", "verify_ca"), ("DB_CA_FILE", "/nowhere.pem")]), 1);
    }
}
