//! Errors of single addresses.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An address that did not have the file.
#[derive(Debug)]
pub struct FailedAddress {
    /// The address.
    pub address: String,
    /// Why it failed.
    pub reason: FetchError,
}

/// Why an address did not have the file, or why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The bytes received are not those of the published file.
    #[error("wrong bytes: their sha256 is {found}, not {expected}")]
    WrongHash {
        /// SHA-256 of the bytes received.
        found: String,
        /// SHA-256 of the published file.
        expected: String,
    },
    /// The server announced a file of another size.
    #[error("it has a file of {found} bytes, not of {expected}")]
    WrongSize {
        /// The announced size in bytes.
        found: u64,
        /// The size of the published file in bytes.
        expected: u64,
    },
    /// The server announced a file that is too large.
    #[error("it has a file of {found} bytes, more than {limit}")]
    SizeOverLimit {
        /// The announced size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The server sent more than the file can have.
    #[error("it sent more than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// The server sent an HTML page, such as a login.
    #[error("it sent a web page instead of the file")]
    WebPage,
    /// The server answered with a status that brings no file.
    #[error("the server answered {status}")]
    Status {
        /// The status: `404 Not Found`.
        status: String,
    },
    /// The server answered with a status by which some hosts refuse programs.
    #[error(
        "the server answered {status}: it refuses programs; fetch the file in a browser and put it at {}",
        target.display()
    )]
    Refused {
        /// The status: `403 Forbidden`.
        status: String,
        /// Where the file belongs.
        target: PathBuf,
    },
    /// The server can't continue a download.
    #[error("it can't resume after byte {received}")]
    CannotResume {
        /// How many bytes had been received.
        received: u64,
    },
    /// A redirection does not say where to.
    #[error("the server answered {status} without a location")]
    NoLocation {
        /// The status: `302 Found`.
        status: String,
    },
    /// There were too many redirections.
    #[error("more than {limit} redirections")]
    TooManyRedirections {
        /// The limit.
        limit: u32,
    },
    /// The connection ended early.
    #[error("the connection ended after {received} of {expected} bytes")]
    Truncated {
        /// How many bytes of the file have been received.
        received: u64,
        /// The size of the file in bytes.
        expected: u64,
    },
    /// The connection failed while the file was being received.
    #[error("the connection broke after {received} bytes: {source}")]
    Broken {
        /// How many bytes of the file have been received.
        received: u64,
        /// What failed.
        source: io::Error,
    },
    /// The server sends too slowly.
    #[error("it sent only {received} bytes in {elapsed:.0?}")]
    TooSlow {
        /// How many bytes it sent.
        received: u64,
        /// In what time.
        elapsed: Duration,
    },
    /// A server that had answered before can't be reached any more.
    #[error("connection lost: {source}")]
    ConnectionLost {
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server did not answer in time, or closed the connection.
    #[error("no answer: {source}")]
    NoAnswer {
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The request failed otherwise: no such host, a malformed address, an answer that is not HTTP.
    #[error("{source}")]
    Request {
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
}
