//! One file over HTTP.

mod partial_file;

use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body, Proxy};

use crate::error::{Error, FailedAddress, FetchError};
use crate::event::Event;
use crate::file_set::{RemoteFile, Size};
use crate::transfer::partial_file::PartialFile;

pub use partial_file::sha256_of;

/// Timeouts, and how often requests are repeated.
pub struct RetryPolicy {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a server may send nothing.
    pub read_timeout: Duration,
    /// How many requests in a row may fail without progress before an address is given up.
    pub attempts: u32,
    /// How many requests an address gets in all, whatever their progress.
    pub total_attempts: u32,
    /// How many bytes more than ever before count as progress.
    pub progress_bytes: u64,
    /// The time in which a server must send at least [`MIN_WINDOW_BYTES`].
    pub rate_window: Duration,
    /// The pause before the second request; doubled before each further one.
    pub backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect_timeout: seconds(20),
            read_timeout: seconds(30),
            attempts: 4,
            total_attempts: 1_000,
            progress_bytes: 1 << 20,
            rate_window: seconds(60),
            backoff: seconds(1),
        }
    }
}

/// How many redirections are followed.
const MAX_REDIRECTIONS: u32 = 8;
/// A server that sends fewer bytes in a [`RetryPolicy::rate_window`] is given up.
const MIN_WINDOW_BYTES: u64 = 64 << 10;

/// An HTTP client that resumes downloads.
pub struct Client {
    agent: Agent,
    policy: RetryPolicy,
}

/// What requests to one address know of each other.
struct AddressState {
    /// Whether the partial file may hold bytes from elsewhere.
    foreign: bool,
    /// Whether to ask for the bytes after those of the partial file only.
    resume: bool,
    /// Whether the address has begun to send the file.
    answered: bool,
}

/// Why a request brought no file.
enum Failure {
    /// The same address may do better next time.
    Transient(FetchError),
    /// Another address is needed.
    Permanent(FetchError),
    /// No address can help.
    Local(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Local(error)
    }
}

impl Client {
    /// A client that uses the proxies of the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`
    /// and `NO_PROXY`.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(RetryPolicy::default(), Proxy::try_from_env())
    }

    pub(crate) fn new(policy: RetryPolicy, proxy: Option<Proxy>) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("facenet-download/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(policy.connect_timeout))
            .timeout_recv_response(Some(policy.read_timeout))
            .timeout_per_read(Some(policy.read_timeout))
            // Followed by hand, without waiting for their bodies.
            .max_redirects(0)
            .proxy(proxy)
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), policy }
    }

    /// Downloads a file from the first of the addresses that has it.
    ///
    /// The bytes received are kept in a file beside the target, with `.part` appended to its name,
    /// whatever happens; a later call continues after them. At the target is either nothing or a
    /// file with the right hash.
    ///
    /// # Errors
    ///
    /// If no address had the file; if the file can't be written.
    pub(crate) fn fetch(
        &self,
        file: &RemoteFile,
        addresses: &[String],
        target: &Path,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let mut partial = PartialFile::open(target, file.size.limit())?;
        if partial.sha256() == file.sha256 {
            return partial.finish();
        }
        on_event(Event::Received(partial.received()));
        let mut failures = Vec::new();
        for address in addresses {
            match self.fetch_from(address, file, &mut partial, on_event) {
                Ok(()) => return partial.finish(),
                Err(Failure::Local(error)) => return Err(error),
                Err(Failure::Transient(reason) | Failure::Permanent(reason)) => {
                    on_event(Event::AddressFailed { address, reason: &reason });
                    failures.push(FailedAddress { address: address.clone(), reason });
                }
            }
        }
        if partial.received() == 0 {
            partial.remove()?;
        }
        Err(Error::Unavailable {
            name: file.name,
            sha256: file.sha256.clone(),
            target: target.to_owned(),
            failures,
            received: partial.received(),
            partial: partial.path().to_owned(),
        })
    }

    /// Repeats requests to an address until the file is complete or there is no point in going on.
    fn fetch_from(
        &self,
        address: &str,
        file: &RemoteFile,
        partial: &mut PartialFile,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let (mut attempts, mut pause) = (0, self.policy.backoff);
        let mut state = AddressState { foreign: partial.received() > 0, resume: true, answered: false };
        let (mut best, mut total_attempts) = (partial.received(), 0);
        loop {
            total_attempts += 1;
            if !state.resume {
                partial.clear()?;
            }
            state.foreign &= partial.received() > 0;
            let reason = match self.receive(address, file, partial, &mut state, on_event) {
                Ok(()) if partial.sha256() == file.sha256 => return Ok(()),
                Ok(()) => {
                    let found = partial.sha256();
                    partial.clear()?;
                    if state.foreign {
                        // The bytes from before may be the wrong ones.
                        state.foreign = false;
                        continue;
                    }
                    return Err(Failure::Permanent(FetchError::WrongHash { found, expected: file.sha256.clone() }));
                }
                Err(Failure::Transient(reason)) => reason,
                Err(failure) => return Err(failure),
            };
            // Further than ever: a server that starts over again and again makes no progress.
            if partial.received() >= best.saturating_add(self.policy.progress_bytes) {
                (attempts, pause, best) = (0, self.policy.backoff, partial.received());
            }
            attempts += 1;
            if attempts >= self.policy.attempts || total_attempts >= self.policy.total_attempts {
                return Err(Failure::Transient(reason));
            }
            on_event(Event::Retrying { address, reason: &reason });
            thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Requests the bytes from `start` on, wherever redirections lead.
    fn request(&self, address: &str, file: &RemoteFile, start: u64, answered: bool) -> Result<Response<Body>, Failure> {
        // Bounds what the rate alone does not: bytes of the protocol that carry none of the file.
        let longest = self.policy.read_timeout + Duration::from_secs(file.size.limit() / 4096);
        let mut address = address.to_owned();
        for _ in 0..=MAX_REDIRECTIONS {
            let request = self.agent.get(&address).config().timeout_recv_body(Some(longest)).build();
            let mut request = request.header(header::ACCEPT_ENCODING, "identity");
            if start > 0 {
                request = request.header(header::RANGE, format!("bytes={start}-"));
            }
            let response = request.call().map_err(|error| request_failure(error, answered))?;
            match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => address = redirection(&address, &response)?,
                _ => return Ok(response),
            }
        }
        Err(Failure::Permanent(FetchError::TooManyRedirections { limit: MAX_REDIRECTIONS }))
    }

    /// One request for the missing bytes, and all of its answer.
    fn receive(
        &self,
        address: &str,
        file: &RemoteFile,
        partial: &mut PartialFile,
        state: &mut AddressState,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let requested = partial.received();
        let response = self.request(address, file, requested, state.answered)?;
        let start = match response.status() {
            // Servers that don't know ranges send everything.
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if requested > 0 && range_start(&response) == Some(requested) => requested,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if requested > 0 => {
                state.resume = false;
                return Err(Failure::Transient(FetchError::CannotResume { received: requested }));
            }
            status => return Err(status_failure(status, partial.target())),
        };

        let limit = file.size.limit();
        if let Some(coming) = response.body().content_length() {
            let found = start.saturating_add(coming);
            match file.size {
                Size::Exactly(expected) if found != expected => {
                    return Err(Failure::Permanent(FetchError::WrongSize { found, expected }));
                }
                Size::About { limit, .. } if found > limit => {
                    return Err(Failure::Permanent(FetchError::SizeOverLimit { found, limit }));
                }
                _ => on_event(Event::Length(found)),
            }
        } else if start == 0 && is_web_page(&response) {
            return Err(Failure::Permanent(FetchError::WebPage));
        }
        // Not before: an answer of another length, from a login page for example, must not cost the
        // bytes at hand.
        if start == 0 {
            partial.clear()?;
            state.foreign = false;
        }
        (state.resume, state.answered) = (true, true);
        let mut body = response.into_body().into_reader();
        let (mut window, mut window_start) = (Instant::now(), partial.received());
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(Failure::Transient(FetchError::Broken { received: partial.received(), source }));
                }
            };
            if partial.received() + count as u64 > limit {
                partial.clear()?;
                return Err(Failure::Permanent(FetchError::TooLong { limit }));
            }
            partial.append(&buffer[..count])?;
            on_event(Event::Received(partial.received()));
            let elapsed = window.elapsed();
            if elapsed >= self.policy.rate_window {
                let received = partial.received() - window_start;
                if received < MIN_WINDOW_BYTES {
                    return Err(Failure::Transient(FetchError::TooSlow { received, elapsed }));
                }
                (window, window_start) = (Instant::now(), partial.received());
            }
        }
        match file.size {
            Size::Exactly(expected) if partial.received() < expected => {
                Err(Failure::Transient(FetchError::Truncated { received: partial.received(), expected }))
            }
            _ => Ok(()),
        }
    }
}

/// What a status that brings no file means.
fn status_failure(status: StatusCode, target: &Path) -> Failure {
    let text = status.to_string();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Failure::Transient(FetchError::Status { status: text })
        }
        _ if status.is_server_error() => Failure::Transient(FetchError::Status { status: text }),
        StatusCode::ACCEPTED | StatusCode::FORBIDDEN => {
            Failure::Permanent(FetchError::Refused { status: text, target: target.to_owned() })
        }
        _ => Failure::Permanent(FetchError::Status { status: text }),
    }
}

/// The address that a redirection leads to; its location may be an address, or a path with or
/// without the host.
fn redirection(address: &str, response: &Response<Body>) -> Result<String, Failure> {
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let refused = || Failure::Permanent(FetchError::NoLocation { status: response.status().to_string() });
    let location = location.map(|location| location.split('#').next().unwrap_or_default()).ok_or_else(refused)?;
    let (scheme, rest) = address.split_once("://").ok_or_else(refused)?;
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let host = path.split('/').next().unwrap_or_default();
    Ok(if location.contains("://") && !location.starts_with(['/', '?']) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else {
        let folder = path.rsplit_once('/').map_or(host, |(folder, _)| folder);
        format!("{scheme}://{folder}/{location}")
    })
}

/// Whether a host name could not be resolved for the moment. Only the system's text says so.
fn is_temporary_lookup_failure(error: &io::Error) -> bool {
    let text = error.to_string();
    text.contains("lookup") && ["Temporary failure", "Try again"].iter().any(|detail| text.contains(detail))
}

/// Whether a request without an answer is worth repeating. A host that was reached before may come
/// back.
fn request_failure(error: ureq::Error, answered: bool) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::Transient(FetchError::NoAnswer { source: error.into() }),
        ureq::Error::Io(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed if answered => {
            Failure::Transient(FetchError::ConnectionLost { source: error.into() })
        }
        ureq::Error::Io(io) => match io.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::TimedOut => Failure::Transient(FetchError::NoAnswer { source: io.into() }),
            _ if is_temporary_lookup_failure(&io) => Failure::Transient(FetchError::Request { source: io.into() }),
            _ => Failure::Permanent(FetchError::Request { source: io.into() }),
        },
        _ => Failure::Permanent(FetchError::Request { source: error.into() }),
    }
}

/// Whether an answer is a page for people: a login, or an apology.
fn is_web_page(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
}

/// Where the bytes of an answer begin: the 5 of `bytes 5-9/10`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests;
