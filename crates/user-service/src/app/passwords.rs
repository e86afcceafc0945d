//! Password hashes: argon2id, in threads that yield to those who move money, on at most half of the cores. Each takes
//! 19 MiB.

use std::{
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use common::{ApiError, Result};
use money::text;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::codes;

/// Shortest and longest password, in characters.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;

/// A password that may be set: 8–128 characters without control characters, in Unicode's composed form (NFC). It never
/// prints itself.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(inline, extend("format" = "password", "minLength" = PASSWORD_CHARS.start(), "maxLength" = PASSWORD_CHARS.end()))]
pub struct NewPassword(#[schemars(with = "String")] pub SecretString);

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        // the same password typed on another keyboard is the same
        let text = text::composed(&String::deserialize(deserializer)?);
        if text.chars().any(char::is_control) {
            return Err(D::Error::custom("must not contain control characters"));
        }
        if !PASSWORD_CHARS.contains(&text.chars().count()) {
            return Err(D::Error::custom("must be 8 to 128 characters long"));
        }
        Ok(Self(text.into()))
    }
}

/// The fewest guesses that a new password must take in production, as a power of ten: those that are tried first take fewer.
const MIN_GUESSES: f64 = 6.0;
/// Characters that are looked at: what is longer is no easier to guess.
const GUESSED_CHARS: usize = 64;
/// The shortest part of a name that a password must not contain, in characters: shorter ones are in many words.
const MIN_NAME_PART: usize = 4;

impl NewPassword {
    /// Refuses a password that would be guessed: one of those that are tried first, or one with the name or the address of
    /// its own user in it.
    pub fn must_be_hard_to_guess(&self, full_name: &str, email: &str) -> Result<()> {
        let password = self.0.expose_secret().to_lowercase();
        let (name, local) = (full_name.to_lowercase(), email.split('@').next().unwrap_or_default());
        let own: Vec<&str> = name.split_whitespace().chain([&*name, email, local]).collect();
        let is_own = |part: &&str| part.chars().count() >= MIN_NAME_PART && password.contains(*part);
        if own.iter().any(is_own) {
            return Err(ApiError::invalid("password", "must not contain your name or your e-mail address"));
        }
        let looked_at: String = password.chars().take(GUESSED_CHARS).collect();
        if zxcvbn::zxcvbn(&looked_at, &own).guesses_log10() < MIN_GUESSES {
            return Err(ApiError::invalid(
                "password",
                "must not be one of those that are tried first: take a few more words",
            ));
        }
        Ok(())
    }
}

/// What a check of a password found.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password, or no such user.
    Wrong,
    /// The password.
    Right,
    /// The password, under a hash whose parameters are no longer the current ones.
    RightButOutdated,
}

/// How far hashing stands back: on busy cores it gets a third of what each of the other threads gets, on idle ones all that
/// it wants (nice(2)).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Passwords that may be hashed or wait for it; more are refused at once, so that waiting stays within seconds.
const MAX_WAITING: usize = 100;

/// How long a thread that has nothing to hash stays. New ones would take their 19 MiB before the allocator has given back
/// those of the threads that ended.
const THREAD_STAYS: Duration = Duration::from_hours(1);

/// The threads that hash, half as many as there are cores: a lower priority is for good, so no others will do.
static HASHERS: LazyLock<Runtime> = LazyLock::new(|| {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Builder::new_current_thread()
        .thread_name("password")
        .max_blocking_threads(cores.div_ceil(2))
        .thread_keep_alive(THREAD_STAYS)
        .on_thread_start(yield_to_others)
        .build()
        .expect("it needs nothing of the system before a thread is asked for")
});

/// Hashes and checks passwords, a few at a time.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

/// The right to have passwords hashed and checked.
pub struct Permit(Arc<OwnedSemaphorePermit>);

/// Stands in for the hash of a user who does not exist, so that a check costs the same.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody has this password"));

impl Default for Passwords {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_WAITING)) }
    }
}

impl Passwords {
    /// A permit to wait for the threads that hash, or 503 at once: to be taken before anything else is done.
    pub fn acquire(&self) -> Result<Permit> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| codes::OVERLOADED)?;
        Ok(Permit(permit.into()))
    }
}

impl Permit {
    /// The PHC string of `password` under a fresh salt.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.run(move || hash_now(password.expose_secret())).await
    }

    /// Checks `password`, in whichever form of Unicode, against the user's hash, at the same cost when there is none.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<Verdict> {
        self.run(move || {
            let password = SecretString::from(text::composed(password.expose_secret()));
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| NOBODY.clone());
            let Ok(parsed) = PasswordHash::new(&text) else { return Verdict::Wrong };
            let right = Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok();
            match (right && known, has_current_parameters(&text)) {
                (false, _) => Verdict::Wrong,
                (true, true) => Verdict::Right,
                (true, false) => Verdict::RightButOutdated,
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let permit = self.0.clone();
        let work = move || {
            let _permit = permit; // until the work is done, whoever waits for it
            work()
        };
        HASHERS.spawn_blocking(work).await.map_err(ApiError::internal)
    }
}

/// Lowers the priority of this thread. Elsewhere than on Linux, nice(2) would lower that of the whole process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    rustix::process::nice(NICENESS).ok();
}

fn hash_now(password: &str) -> String {
    // `Argon2::default()` is argon2id with m = 19456 KiB, t = 2, p = 1 (OWASP's first choice).
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes()).expect("a salt can be drawn");
    hash.to_string()
}

fn has_current_parameters(hash: &str) -> bool {
    hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_only_its_own_password() {
        let passwords = Passwords::default().acquire().unwrap();
        let hash = passwords.hash("password123".into()).await.unwrap();
        assert!(has_current_parameters(&hash), "{hash}");
        assert_eq!(passwords.verify("password123".into(), Some(hash.clone())).await.unwrap(), Verdict::Right);
        assert_eq!(passwords.verify("password124".into(), Some(hash)).await.unwrap(), Verdict::Wrong);
        assert_eq!(passwords.verify("nobody has this password".into(), None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_password_is_the_same_in_every_form_of_unicode() {
        let passwords = Passwords::default().acquire().unwrap();
        let set: NewPassword = serde_json::from_str("\"pa\u{308}ssword\"").unwrap();
        let hash = passwords.hash(set.0).await.unwrap();
        for typed in ["p\u{e4}ssword", "pa\u{308}ssword"] {
            assert_eq!(passwords.verify(typed.into(), Some(hash.clone())).await.unwrap(), Verdict::Right, "{typed:?}");
        }
    }

    #[test]
    fn a_password_that_would_be_guessed_is_refused() {
        let refusal = |password: &str| {
            let password = NewPassword(password.to_owned().into());
            password
                .must_be_hard_to_guess("Jane Doe-Müller", "jane.doe@example.com")
                .map_err(|e| e.body()["fields"].clone())
        };
        for common in ["password123", "mypassword", "12345678", "qwertyuiop", "iloveyou1", "aaaaaaaaaaaa", "P@ssw0rd"] {
            let refused = refusal(common).unwrap_err();
            assert!(refused["password"].as_str().unwrap().contains("tried first"), "{common}: {refused}");
        }
        for own in ["Jane-in-the-garden-7", "the garden of jane.doe", "xxJANE DOE-MÜLLERxx", "7 jane.doe@example.com"]
        {
            let refused = refusal(own).unwrap_err();
            assert!(refused["password"].as_str().unwrap().contains("your name"), "{own}: {refused}");
        }
        let long = "river ".repeat(20) + "stone";
        for good in ["correct horse battery staple", "tR7#kq2!mZ", "sepeda biru di hujan", &long] {
            assert!(refusal(good).is_ok(), "{good}");
        }
    }

    #[tokio::test]
    async fn a_hash_with_old_parameters_is_outdated() {
        let old = Argon2::new(
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            argon2::Params::new(8192, 1, 1, None).unwrap(),
        );
        let hash: PasswordHash = old.hash_password(b"password123").unwrap();
        let verdict =
            Passwords::default().acquire().unwrap().verify("password123".into(), Some(hash.to_string())).await.unwrap();
        assert_eq!(verdict, Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn when_too_many_wait_the_next_one_is_refused_at_once() {
        let passwords = Passwords::default();
        let mut permits: Vec<Permit> = (0..MAX_WAITING).map(|_| passwords.acquire().unwrap()).collect();
        let refused = passwords.acquire().map(|_| ()).unwrap_err();
        assert_eq!(refused.body()["code"], "overloaded");
        permits.pop();
        assert!(passwords.acquire().is_ok());
    }
}
