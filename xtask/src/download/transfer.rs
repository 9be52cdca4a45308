//! One file over HTTP.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body, Proxy};

use super::catalogue::{RemoteFile, Size};

/// How patient downloads are.
pub struct Patience {
    /// How long a server may take to answer a connection.
    pub connect: Duration,
    /// How long a server may be silent.
    pub stall: Duration,
    /// How often an address is tried in a row without getting on.
    pub tries: u32,
    /// How often an address is tried at all, however well it gets on.
    pub most_tries: u32,
    /// So many bytes more than ever before are getting on.
    pub progress: u64,
    /// How long a server may bring fewer than [`SLOWEST`] bytes.
    pub slow: Duration,
    /// How long to wait before the second try; twice as long before each one after it.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(20),
            stall: seconds(30),
            tries: 4,
            most_tries: 1_000,
            progress: 1 << 20,
            slow: seconds(60),
            pause: seconds(1),
        }
    }
}

/// How many redirections are followed.
const REDIRECTIONS: u32 = 8;
/// A server that takes longer than [`Patience::slow`] for so many bytes is left.
const SLOWEST: u64 = 64 << 10;

/// What is going on.
pub enum Event<'a> {
    /// So many bytes the whole file has.
    Length(u64),
    /// So many bytes of the file are there.
    Bytes(u64),
    /// An address failed, for now or for good.
    Trouble {
        /// Where the file was asked for.
        address: &'a str,
        /// What went wrong.
        reason: &'a str,
    },
}

/// What gets files.
pub struct Client {
    agent: Agent,
    patience: Patience,
}

/// What tries of one address know of each other.
struct Attempts {
    /// Whether bytes from elsewhere may be in the part.
    foreign: bool,
    /// Whether to ask for what is behind the part.
    resume: bool,
    /// Whether the file began to arrive from there.
    answered: bool,
}

/// Why a try brought no file.
enum Failure {
    /// The same address may do better next time.
    Passing(String),
    /// Another address has to do.
    Lasting(String),
    /// No address can help.
    Here(anyhow::Error),
}

impl Client {
    /// Connects by way of a proxy, if there is one.
    pub fn new(patience: Patience, proxy: Option<Proxy>) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("facenet-xtask/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            // By hand: their bodies are not waited for.
            .max_redirects(0)
            .proxy(proxy)
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), patience }
    }

    /// Gets a file from the first of the addresses that has it.
    ///
    /// What arrives is kept in a file beside the target, with `.part` at the end of its name, whatever happens, and a later call
    /// goes on behind it. Under the target's name is either nothing or a file with the right hash.
    ///
    /// # Errors
    /// If no address had the file, with the reason of each; if the file can't be written.
    pub fn fetch(
        &self,
        file: &RemoteFile,
        addresses: &[String],
        target: &Path,
        told: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let mut part = Part::open(target, file.size.limit())?;
        if part.hash() == file.sha256 {
            return part.keep();
        }
        told(Event::Bytes(part.bytes));
        let mut reasons = Vec::new();
        for address in addresses {
            match self.fetch_from(address, file, &mut part, told) {
                Ok(()) => return part.keep(),
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::Passing(reason) | Failure::Lasting(reason)) => {
                    told(Event::Trouble { address, reason: &reason });
                    reasons.push(format!("\n  {address}: {reason}"));
                }
            }
        }
        let kept = match part.bytes {
            0 => part.remove().map(|()| String::new())?,
            bytes => format!("; the {bytes} bytes that came are kept in {}", part.path.display()),
        };
        bail!(
            "can't download {}:{}\nrun the command again later to go on, name another place with --mirror URL, or put the file \
             (sha256 {}) at {} and run the command again{kept}",
            file.name,
            reasons.concat(),
            file.sha256,
            target.display()
        )
    }

    /// Tries an address until there is the file, or no sense in going on.
    fn fetch_from(
        &self,
        address: &str,
        file: &RemoteFile,
        part: &mut Part,
        told: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let (mut tries, mut pause) = (0, self.patience.pause);
        let mut state = Attempts { foreign: part.bytes > 0, resume: true, answered: false };
        let (mut best, mut all_tries) = (part.bytes, 0);
        loop {
            all_tries += 1;
            if !state.resume {
                part.clear()?;
            }
            state.foreign &= part.bytes > 0;
            let failure = match self.receive(address, file, part, &mut state, told) {
                Ok(()) if part.hash() == file.sha256 => return Ok(()),
                Ok(()) => {
                    let found = part.hash();
                    part.clear()?;
                    if state.foreign {
                        // The bytes from before may be the wrong ones.
                        state.foreign = false;
                        continue;
                    }
                    return Err(Failure::Lasting(format!("wrong bytes: their sha256 is {found}, not {}", file.sha256)));
                }
                Err(Failure::Passing(reason)) => reason,
                Err(failure) => return Err(failure),
            };
            // Farther than ever: a server that begins anew again and again does not get on.
            if part.bytes >= best.saturating_add(self.patience.progress) {
                (tries, pause, best) = (0, self.patience.pause, part.bytes);
            }
            tries += 1;
            if tries >= self.patience.tries || all_tries >= self.patience.most_tries {
                return Err(Failure::Passing(failure));
            }
            told(Event::Trouble { address, reason: &format!("{failure}; trying again") });
            thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Asks for what is behind a byte, wherever redirections lead.
    fn request(&self, address: &str, file: &RemoteFile, start: u64, answered: bool) -> Result<Response<Body>, Failure> {
        // What the rate alone does not bound: bytes of the protocol that bring none of the file.
        let longest = self.patience.stall + Duration::from_secs(file.size.limit() / 4096);
        let mut address = address.to_owned();
        for _ in 0..=REDIRECTIONS {
            let request = self.agent.get(&address).config().timeout_recv_body(Some(longest)).build();
            let mut request = request.header(header::ACCEPT_ENCODING, "identity");
            if start > 0 {
                request = request.header(header::RANGE, format!("bytes={start}-"));
            }
            let response = request.call().map_err(|error| request_failure(&error, answered))?;
            match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => address = redirection(&address, &response)?,
                _ => return Ok(response),
            }
        }
        Err(Failure::Lasting(format!("more than {REDIRECTIONS} redirections")))
    }

    /// One request for what is still missing, and all of its answer.
    fn receive(
        &self,
        address: &str,
        file: &RemoteFile,
        part: &mut Part,
        state: &mut Attempts,
        told: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let asked = part.bytes;
        let response = self.request(address, file, asked, state.answered)?;
        let start = match response.status() {
            // Whoever does not know ranges sends everything.
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if asked > 0 && range_start(&response) == Some(asked) => asked,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if asked > 0 => {
                state.resume = false;
                return Err(Failure::Passing(format!("it can't send what is behind byte {asked}")));
            }
            status
                if status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status) =>
            {
                return Err(Failure::Passing(format!("the server answered {status}")));
            }
            status @ (StatusCode::ACCEPTED | StatusCode::FORBIDDEN) => {
                return Err(Failure::Lasting(format!(
                    "the server answered {status}: it refuses programs; fetch the file in a browser and put it at {}",
                    part.target.display()
                )));
            }
            status => return Err(Failure::Lasting(format!("the server answered {status}"))),
        };

        let limit = file.size.limit();
        if let Some(coming) = response.body().content_length() {
            let whole = start.saturating_add(coming);
            match file.size {
                Size::Exactly(bytes) if whole != bytes => {
                    return Err(Failure::Lasting(format!("it has a file of {whole} bytes, not of {bytes}")));
                }
                Size::About { limit, .. } if whole > limit => {
                    return Err(Failure::Lasting(format!("it has a file of {whole} bytes, more than {limit}")));
                }
                _ => told(Event::Length(whole)),
            }
        } else if start == 0 && is_web_page(&response) {
            return Err(Failure::Lasting("it sent a web page in place of the file".to_owned()));
        }
        // Only now: an answer of another length, from whoever is between, must not cost what is there.
        if start == 0 {
            part.clear()?;
            state.foreign = false;
        }
        (state.resume, state.answered) = (true, true);
        let mut body = response.into_body().into_reader();
        let (mut window, mut window_start) = (Instant::now(), part.bytes);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Failure::Passing(format!("the connection broke after {} bytes: {error}", part.bytes)));
                }
            };
            if part.bytes + count as u64 > limit {
                part.clear()?;
                return Err(Failure::Lasting(format!("it sent more than {limit} bytes")));
            }
            part.append(&buffer[..count])?;
            told(Event::Bytes(part.bytes));
            if window.elapsed() >= self.patience.slow {
                if part.bytes - window_start < SLOWEST {
                    return Err(Failure::Passing(format!(
                        "it sent only {} bytes in {:.0?}",
                        part.bytes - window_start,
                        window.elapsed()
                    )));
                }
                (window, window_start) = (Instant::now(), part.bytes);
            }
        }
        match file.size {
            Size::Exactly(bytes) if part.bytes < bytes => {
                Err(Failure::Passing(format!("the connection ended after {} of {bytes} bytes", part.bytes)))
            }
            _ => Ok(()),
        }
    }
}

/// Where a redirection leads: addresses, and paths with the host or without.
fn redirection(address: &str, response: &Response<Body>) -> Result<String, Failure> {
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let refused = || Failure::Lasting(format!("the server answered {} without a place to go to", response.status()));
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

/// Whether a name could not be looked up just now: the system's text is all that tells.
fn is_lookup_trouble(error: &io::Error) -> bool {
    let text = error.to_string();
    text.contains("lookup") && ["Temporary failure", "Try again"].iter().any(|detail| text.contains(detail))
}

/// Whether a request that brought no answer is worth another try; a network that was there once may come back.
fn request_failure(error: &ureq::Error, answered: bool) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::Passing(format!("no answer: {error}")),
        ureq::Error::Io(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed if answered => {
            Failure::Passing(format!("no connection any more: {error}"))
        }
        ureq::Error::Io(io) => match io.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::TimedOut => Failure::Passing(format!("no answer: {io}")),
            _ if is_lookup_trouble(io) => Failure::Passing(io.to_string()),
            _ => Failure::Lasting(io.to_string()),
        },
        _ => Failure::Lasting(error.to_string()),
    }
}

/// Whether an answer calls itself a page for people: a login, or an apology.
fn is_web_page(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
}

/// Where the bytes of an answer begin: the 5 of `bytes 5-9/10`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

/// SHA-256 of all bytes, as hexadecimal digits.
pub fn sha256_of(mut bytes: impl Read) -> io::Result<String> {
    let mut sha256 = Sha256::new();
    io::copy(&mut bytes, &mut sha256)?;
    Ok(format!("{:x}", sha256.finalize()))
}

/// Where the bytes of a file lie until all of them are there: `pairs.txt.part`.
pub fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// The first bytes of a file, on disk.
struct Part {
    /// The name of the complete file.
    target: PathBuf,
    path: PathBuf,
    file: File,
    bytes: u64,
    sha256: Sha256,
}

impl Part {
    /// With the bytes that are there already; with none, if there are more than the file can have.
    fn open(target: &Path, limit: u64) -> Result<Self> {
        let path = part_of(target);
        let unwritable = || format!("can't write {}; may files be written there?", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(unwritable)?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).with_context(unwritable)?;
        let metadata = file.metadata().with_context(unwritable)?;
        // A pipe waits for readers, a device keeps nothing.
        ensure!(metadata.is_file(), "{} is no file; move it away", path.display());
        let bytes = metadata.len();
        let mut part = Self { target: target.to_owned(), path: path.clone(), file, bytes, sha256: Sha256::new() };
        if bytes > limit {
            part.clear().map_err(|failure| match failure {
                Failure::Here(error) => error,
                Failure::Passing(reason) | Failure::Lasting(reason) => anyhow::Error::msg(reason),
            })?;
        }
        part.bytes = io::copy(&mut (&part.file).take(part.bytes), &mut part.sha256).with_context(unwritable)?;
        Ok(part)
    }

    fn hash(&self) -> String {
        format!("{:x}", self.sha256.clone().finalize())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| self.failed(error))?;
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Starts anew.
    fn clear(&mut self) -> Result<(), Failure> {
        if self.bytes == 0 {
            return Ok(());
        }
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map_err(|error| self.failed(error))?;
        self.bytes = 0;
        self.sha256 = Sha256::new();
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Failure {
        let path = self.path.display();
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room and run the command again to go on",
            _ => "run the command again to go on",
        };
        Failure::Here(anyhow::Error::new(error).context(format!("can't write {path}; {advice}")))
    }

    fn remove(&self) -> Result<()> {
        fs::remove_file(&self.path).with_context(|| format!("can't remove {}", self.path.display()))
    }

    /// Gives the complete file its name.
    fn keep(&self) -> Result<()> {
        let kept = self.file.sync_all().and_then(|()| fs::rename(&self.path, &self.target));
        kept.with_context(|| format!("can't write {}", self.target.display()))
    }
}

#[cfg(test)]
mod tests;
