//! What can be wrong with credentials; never a word of what they are.

/// Why credentials could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
    /// A certificate could not be made for this name.
    #[error("no certificate can be made for \"{name}\": {problem}")]
    Certificate {
        /// Whose.
        name: String,
        /// What the library says.
        problem: String,
    },
    /// The authority's key or certificate cannot be used.
    #[error("the authority cannot sign: {0}")]
    Authority(String),
    /// There is nothing for a server that needs something.
    #[error("there are no credentials for {0}")]
    Missing(String),
    /// A meter has none.
    #[error("meter {number} ({endpoint}) has no credentials for {server}")]
    NoneFor {
        /// Which meter.
        number: u32,
        /// What it is called.
        endpoint: String,
        /// For which server.
        server: String,
    },
    /// A fault that these credentials cannot be given.
    #[error("{0}")]
    Fault(String),
}

/// A mistake in a list of credentials. Names the column, never what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {name}{problem}", name = if name.is_empty() { String::new() } else { format!("{name}: ") })]
pub struct ListError {
    /// The list, as it was named.
    pub file: String,
    /// Where in it, from 1.
    pub line: usize,
    /// Where in the line, from 1.
    pub column: usize,
    /// The name of the column; may be empty.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}
