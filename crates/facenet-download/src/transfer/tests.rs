use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_tests::{Request, Server, respond, serve};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::file_set::Layout;

/// The published file: 3,000 bytes, none like its neighbours.
fn content() -> Vec<u8> {
    (0..3_000_u32).map(|at| (at * 7 + at / 256) as u8).collect()
}

fn file(size: Size) -> RemoteFile {
    RemoteFile {
        name: "faces.bin",
        addresses: Vec::new(),
        size,
        sha256: format!("{:x}", Sha256::digest(content())),
        layout: Layout::File("faces.bin"),
    }
}

const EXACTLY: Size = Size::Exactly(3_000);

/// A folder to download into, and the failures that were reported.
struct Fixture {
    folder: TempDir,
    reasons: Vec<String>,
    read_timeout: Duration,
    total_attempts: u32,
    progress_bytes: u64,
    rate_window: Duration,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            reasons: Vec::new(),
            read_timeout: Duration::from_secs(5),
            total_attempts: 100,
            progress_bytes: 1 << 20,
            rate_window: Duration::from_secs(60),
        }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("new/faces.bin")
    }

    fn partial(&self) -> PathBuf {
        self.folder.path().join("new/faces.bin.part")
    }

    /// With what an earlier run has left.
    fn with_partial(self, bytes: &[u8]) -> Self {
        fs::create_dir(self.folder.path().join("new")).unwrap();
        fs::write(self.partial(), bytes).unwrap();
        self
    }

    fn fetch(&mut self, size: Size, addresses: &[String]) -> Result<(), Error> {
        let milliseconds = Duration::from_millis;
        let policy = RetryPolicy {
            connect_timeout: milliseconds(1_000),
            read_timeout: self.read_timeout,
            attempts: 3,
            total_attempts: self.total_attempts,
            progress_bytes: self.progress_bytes,
            rate_window: self.rate_window,
            backoff: milliseconds(1),
        };
        let (client, target) = (Client::new(policy, None), self.target());
        client.fetch(&file(size), addresses, &target, &mut |event| {
            if let Event::Retrying { reason, .. } | Event::AddressFailed { reason, .. } = event {
                self.reasons.push(reason.to_string());
            }
        })
    }

    /// The download succeeds, and nothing but the file is left.
    #[track_caller]
    fn assert_fetched(&mut self, addresses: &[String]) {
        self.fetch(EXACTLY, addresses).unwrap();
        self.assert_whole();
    }

    #[track_caller]
    fn assert_whole(&self) {
        assert_eq!(fs::read(self.target()).unwrap(), content());
        assert_eq!(fs::read_dir(self.target().parent().unwrap()).unwrap().count(), 1, "{:?}", self.reasons);
    }

    /// The download fails with nothing at the target, and this many bytes kept for the next run.
    #[track_caller]
    fn assert_fails(&mut self, size: Size, addresses: &[String], kept: Option<u64>) -> String {
        let error = self.fetch(size, addresses).unwrap_err().to_string();
        assert!(!self.target().exists());
        assert_eq!(fs::metadata(self.partial()).ok().map(|partial| partial.len()), kept, "{error}");
        error
    }
}

fn good() -> Server {
    Server::start(|request, stream| serve(request, stream, &content()))
}

/// Announces the whole length but sends only the first bytes; the same for ranges.
fn cut(request: &Request, stream: &mut TcpStream, bytes: usize) -> io::Result<()> {
    let start = request.start.unwrap_or(0);
    let content = content();
    let rest = &content[start..];
    let length = format!("Content-Length: {}", rest.len());
    let range = format!("Content-Range: bytes {start}-2999/3000");
    let status = if start == 0 { "200 OK" } else { "206 Partial Content" };
    respond(stream, status, &[&length, &range], &rest[..bytes.min(rest.len())])
}

#[test]
fn a_file_is_downloaded() {
    let (mut fixture, server) = (Fixture::new(), good());
    fixture.assert_fetched(&[server.address("a/faces.bin")]);
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!((request.path.as_str(), request.start), ("/a/faces.bin", None));
    assert_eq!(request.user_agent, concat!("facenet-download/", env!("CARGO_PKG_VERSION")));
    assert!(fixture.reasons.is_empty());
}

#[test]
fn a_cut_connection_is_resumed() {
    let mut fixture = Fixture::new();
    let server = Server::start(|request, stream| match request.start {
        None => cut(request, stream, 1_000),
        Some(1_000) => cut(request, stream, 500),
        Some(_) => serve(request, stream, &content()),
    });
    fixture.assert_fetched(&[server.address("")]);
    assert_eq!(server.starts(), [None, Some(1_000), Some(1_500)]);
    assert_eq!(fixture.reasons.len(), 2, "{:?}", fixture.reasons);
}

#[test]
fn a_server_that_keeps_cutting_is_given_up_for_the_next() {
    let (mut fixture, better) = (Fixture::new(), good());
    let server = Server::start(|request, stream| cut(request, stream, 100));
    fixture.assert_fetched(&[server.address(""), better.address("")]);
    assert_eq!(server.starts(), [None, Some(100), Some(200)]);
    assert_eq!(better.starts(), [Some(300)]);

    // Alone it adds to the file with each run.
    let mut fixture = Fixture::new();
    let error = fixture.assert_fails(EXACTLY, &[server.address("")], Some(300));
    assert!(error.contains("the connection broke after 300 bytes") && error.contains("faces.bin.part"), "{error}");
    fixture.assert_fails(EXACTLY, &[server.address("")], Some(600));
}

#[test]
fn an_earlier_run_is_resumed() {
    let (mut fixture, server) = (Fixture::new().with_partial(&content()[..1_234]), good());
    fixture.assert_fetched(&[server.address("")]);
    assert_eq!(server.starts(), [Some(1_234)]);

    // All bytes are there: nothing is requested.
    let (mut fixture, server) = (Fixture::new().with_partial(&content()), good());
    fixture.assert_fetched(&[server.address("")]);
    assert!(server.requests().is_empty());
}

#[test]
fn wrong_bytes_of_an_earlier_run_are_dropped() {
    for (part, starts) in [
        // Detected by the hash at the end.
        (vec![0; 1_000], vec![Some(1_000), None]),
        // As long as the file: nothing follows.
        (vec![0; 3_000], vec![Some(3_000), None]),
        // Longer than the file can be.
        (vec![0; 3_001], vec![None]),
    ] {
        let (mut fixture, server) = (Fixture::new().with_partial(&part), good());
        fixture.assert_fetched(&[server.address("")]);
        assert_eq!(server.starts(), starts);
    }
}

#[test]
fn a_server_that_keeps_starting_over_is_given_up() {
    // Cuts at 1,000 bytes and can't resume; or has no ranges and cuts at varying places.
    let refusing = Server::start(|request, stream| match request.start {
        None => cut(request, stream, 1_000),
        Some(_) => respond(stream, "416 Range Not Satisfiable", &["Content-Length: 0"], &[]),
    });
    let turn = AtomicUsize::new(0);
    let wavering = Server::start(move |_, stream| {
        let bytes = if turn.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { 2_000 } else { 1_000 };
        respond(stream, "200 OK", &["Content-Length: 3000"], &content()[..bytes])
    });
    for server in [refusing, wavering] {
        let mut fixture = Fixture { progress_bytes: 100, ..Fixture::new() };
        assert!(fixture.fetch(EXACTLY, &[server.address("faces.bin")]).is_err());
        assert!(server.requests().len() < 12, "{}", server.requests().len());
    }
    // A server that makes progress is kept, however often it cuts.
    let mut fixture = Fixture { progress_bytes: 100, ..Fixture::new() };
    let server = Server::start(|request, stream| cut(request, stream, 200));
    fixture.assert_fetched(&[server.address("faces.bin")]);
    assert_eq!(server.requests().len(), 15);
    // But not forever.
    let mut fixture = Fixture { progress_bytes: 100, total_attempts: 5, ..Fixture::new() };
    fixture.assert_fails(EXACTLY, &[server.address("faces.bin")], Some(1_000));
}

#[test]
fn an_answer_of_another_length_keeps_the_bytes_at_hand() {
    let mut fixture = Fixture::new().with_partial(&content()[..1_000]);
    let login = Server::start(|_, stream| respond(stream, "200 OK", &["Content-Length: 17"], b"<html>Log in!</h>"));
    fixture.assert_fails(EXACTLY, &[login.address("faces.bin")], Some(1_000));
    let server = good();
    fixture.assert_fetched(&[login.address("faces.bin"), server.address("faces.bin")]);
    assert_eq!(server.starts(), [Some(1_000)]);
}

#[test]
fn a_dripping_server_is_given_up() {
    let mut fixture = Fixture { rate_window: Duration::from_millis(100), ..Fixture::new() };
    let drip = Server::start(|request, stream| {
        cut(request, stream, 1)?;
        for byte in 1..200_u8 {
            thread::sleep(Duration::from_millis(10));
            stream.write_all(&[byte])?;
        }
        Ok(())
    });
    let start = Instant::now();
    let server = good();
    fixture.assert_fetched(&[drip.address("faces.bin"), server.address("faces.bin")]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(fixture.reasons[0].contains("bytes in "), "{:?}", fixture.reasons);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let mut fixture = Fixture::new().with_partial(&content()[..1_000]);
    let server = Server::start(|_, stream| respond(stream, "200 OK", &["Content-Length: 3000"], &content()));
    fixture.assert_fetched(&[server.address("")]);
    assert_eq!(server.starts(), [Some(1_000)]);
}

#[test]
fn other_ranges_than_requested_start_over() {
    for range in ["Content-Range: bytes 0-1999/3000", "Content-Range: nonsense", "X: y"] {
        let mut fixture = Fixture::new().with_partial(&content()[..1_000]);
        let server = Server::start(move |request, stream| match request.start {
            None => serve(request, stream, &content()),
            Some(_) => respond(stream, "206 Partial Content", &[range, "Content-Length: 2000"], &content()[..2_000]),
        });
        fixture.assert_fetched(&[server.address("")]);
        assert_eq!(server.starts(), [Some(1_000), None], "{range}");
    }
    // A part of the file although all was requested.
    let server =
        Server::start(|_, stream| respond(stream, "206 Partial Content", &["Content-Length: 3000"], &content()));
    let error = Fixture::new().assert_fails(EXACTLY, &[server.address("")], None);
    assert!(error.contains("206"), "{error}");
}

#[test]
fn a_stalled_server_is_given_up() {
    let impatient = || Fixture { read_timeout: Duration::from_millis(100), ..Fixture::new() };
    let (mut fixture, better) = (impatient(), good());
    let server = Server::start(|request, stream| {
        cut(request, stream, 700)?;
        thread::sleep(Duration::from_secs(2));
        Ok(())
    });
    let start = Instant::now();
    fixture.assert_fetched(&[server.address(""), better.address("")]);
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    assert_eq!(better.starts(), [Some(2_100)]);

    // Nor does it wait for one that never answers.
    let (mut fixture, better) = (impatient(), good());
    let server = Server::start(|_, _| {
        thread::sleep(Duration::from_secs(2));
        Ok(())
    });
    let start = Instant::now();
    fixture.assert_fetched(&[server.address(""), better.address("")]);
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    assert_eq!(better.starts(), [None]);
}

#[test]
fn files_of_other_lengths_are_refused() {
    for (length, reason) in [
        ("Content-Length: 2999", "a file of 2999 bytes, not of 3000"),
        ("Content-Length: 3001", "a file of 3001 bytes"),
    ] {
        let (mut fixture, better) = (Fixture::new(), good());
        let server = Server::start(move |_, stream| respond(stream, "200 OK", &[length], &content()));
        fixture.assert_fetched(&[server.address(""), better.address("")]);
        assert!(fixture.reasons[0].contains(reason), "{:?}", fixture.reasons);
        assert_eq!((server.starts(), better.starts()), (vec![None], vec![None]));
    }
}

#[test]
fn bodies_without_a_length_must_have_the_known_one() {
    let long = Server::start(|_, stream| respond(stream, "200 OK", &[], &[content(), vec![0]].concat()));
    let error = Fixture::new().assert_fails(EXACTLY, &[long.address("")], None);
    assert!(error.contains("it sent more than 3000 bytes"), "{error}");
    let short = Server::start(|_, stream| respond(stream, "200 OK", &[], &content()[..2_999]));
    let error = Fixture::new().assert_fails(EXACTLY, &[short.address("")], Some(2_999));
    assert!(error.contains("the connection ended after 2999 of 3000 bytes"), "{error}");
    let exact = Server::start(|_, stream| respond(stream, "200 OK", &[], &content()));
    Fixture::new().assert_fetched(&[exact.address("")]);
}

#[test]
fn endless_bodies_are_cut_off() {
    let sent = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let server = Server::start(move |_, stream| {
        respond(stream, "200 OK", &[], &[])?;
        loop {
            stream.write_all(&[7; 4_096])?;
            counter.fetch_add(4_096, Ordering::SeqCst);
        }
    });
    for size in [EXACTLY, Size::About { bytes: 2_000, limit: 3_500 }] {
        let error = Fixture::new().assert_fails(size, &[server.address("")], None);
        assert!(error.contains("it sent more than"), "{error}");
    }
    assert!(sent.load(Ordering::SeqCst) < 64 << 20);
}

#[test]
fn sizes_may_be_unknown() {
    for part in [0, 1_000] {
        let (mut fixture, server) = (Fixture::new().with_partial(&content()[..part]), good());
        fixture.fetch(Size::About { bytes: 2_000, limit: 5_000 }, &[server.address("")]).unwrap();
        fixture.assert_whole();
    }
    let server = good();
    let error = Fixture::new().assert_fails(Size::About { bytes: 2_000, limit: 2_999 }, &[server.address("")], None);
    assert!(error.contains("a file of 3000 bytes, more than 2999"), "{error}");
}

#[test]
fn redirections_are_followed_up_to_a_limit() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/here" => respond(stream, "302 Found", &["Location: /there", "Content-Length: 0"], &[]),
        "/there" => serve(request, stream, &content()),
        _ => respond(stream, "302 Found", &["Location: /round", "Content-Length: 0"], &[]),
    });
    let mut fixture = Fixture::new().with_partial(&content()[..10]);
    fixture.assert_fetched(&[server.address("here")]);
    assert_eq!(server.starts(), [Some(10), Some(10)], "the range is requested again");

    let error = Fixture::new().assert_fails(EXACTLY, &[server.address("round")], None);
    assert!(error.contains("redirect"), "{error}");
    assert!(server.requests().len() <= 2 + MAX_REDIRECTIONS as usize + 1);
}

#[test]
fn wrong_bytes_never_reach_the_target() {
    let wrong = Server::start(|request, stream| serve(request, stream, &[9; 3_000]));
    let better = good();
    Fixture::new().assert_fetched(&[wrong.address(""), better.address("")]);
    let mut fixture = Fixture::new();
    let error = fixture.assert_fails(EXACTLY, &[wrong.address("x"), wrong.address("y")], None);
    let (found, expected) = (format!("{:x}", Sha256::digest([9; 3_000])), file(EXACTLY).sha256);
    for part in [
        "can't download faces.bin",
        &wrong.address("x: wrong bytes"),
        &wrong.address("y: wrong bytes"),
        &found,
        &expected,
        &fixture.target().display().to_string(),
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(wrong.starts(), [None; 3]);

    // Bytes of two servers, one of which sends wrong ones: the hash differs, and the other one is
    // asked for all.
    let broken = Server::start(|_, stream| respond(stream, "200 OK", &["Content-Length: 3000"], &[9; 500]));
    let mut fixture = Fixture::new();
    fixture.assert_fetched(&[broken.address(""), better.address("")]);
    assert_eq!(better.starts(), [None, Some(500), None]);
}

#[test]
fn error_statuses_move_on_to_the_next_address() {
    for (status, tries) in [
        ("404 Not Found", 1),
        ("403 Forbidden", 1),
        ("202 Accepted", 1),
        ("416 Range", 1),
        ("500 Oops", 3),
        ("503 Busy", 3),
        ("429 Slowly", 3),
    ] {
        let (mut fixture, better) = (Fixture::new(), good());
        let server = Server::start(move |_, stream| respond(stream, status, &["Content-Length: 0"], &[]));
        fixture.assert_fetched(&[server.address(""), better.address("")]);
        assert_eq!(server.requests().len(), tries, "{status}");
        assert!(fixture.reasons.iter().all(|reason| reason.contains(&status[..3])), "{:?}", fixture.reasons);
    }
    // A server that can never resume: all is requested once.
    let (mut fixture, server) = (
        Fixture::new().with_partial(&content()[..5]),
        Server::start(|_, stream| respond(stream, "416 Range", &["Content-Length: 0"], &[])),
    );
    fixture.assert_fails(EXACTLY, &[server.address("")], None);
    assert_eq!(server.starts(), [Some(5), None]);
}

#[test]
fn unreachable_addresses_are_all_listed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let rubbish = Server::start(|_, stream| stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n"));
    let error =
        Fixture::new().assert_fails(EXACTLY, &[nobody, rubbish.address(""), "gopher://127.0.0.1/".to_owned()], None);
    assert_eq!(error.lines().filter(|line| line.starts_with("  ")).count(), 3, "{error}");
    let better = good();
    Fixture::new().assert_fetched(&[rubbish.address(""), better.address("")]);
}

#[test]
fn write_errors_name_the_path() {
    let server = good();
    let mut fixture = Fixture::new();
    fs::write(fixture.folder.path().join("new"), "a file where a folder should be").unwrap();
    let error = fixture.fetch(EXACTLY, &[server.address("")]).unwrap_err().to_string();
    assert!(error.contains("can't write") && error.contains("faces.bin.part"), "{error}");
    assert!(server.requests().is_empty(), "nothing is requested in vain");

    // Devices are never written to.
    #[cfg(unix)]
    for device in ["/dev/null", "/dev/zero"] {
        let mut fixture = Fixture::new();
        fs::create_dir(fixture.folder.path().join("new")).unwrap();
        std::os::unix::fs::symlink(device, fixture.partial()).unwrap();
        let error = fixture.fetch(EXACTLY, &[server.address("")]).unwrap_err().to_string();
        assert!(error.contains("faces.bin.part is not a regular file"), "{error}");
        assert!(server.requests().is_empty() && !fixture.target().exists());
    }
}

#[test]
fn a_full_disk_is_not_blamed_on_an_address() {
    let source = io::ErrorKind::StorageFull.into();
    let failure = Failure::from(Error::Write { path: Fixture::new().partial(), source });
    let Failure::Local(error) = failure else { panic!("another address can't help") };
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("can't write ") && error.to_string().contains("faces.bin.part"), "{error}");
}

#[test]
fn bodies_of_redirections_are_not_read() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/deep/faces.bin" => serve(request, stream, &content()),
        _ => {
            respond(stream, "302 Found", &["Location: faces.bin", "Content-Length: 1000000000"], &[])?;
            loop {
                thread::sleep(Duration::from_millis(10));
                stream.write_all(b"x")?;
            }
        }
    });
    let start = Instant::now();
    let mut fixture = Fixture::new();
    fixture.assert_fetched(&[server.address("deep/here?x=/y")]);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(fixture.reasons.is_empty(), "{:?}", fixture.reasons);

    let nowhere = Server::start(|_, stream| respond(stream, "302 Found", &["Content-Length: 0"], &[]));
    let error = Fixture::new().assert_fails(EXACTLY, &[nowhere.address("")], None);
    assert!(error.contains("302 Found without a location"), "{error}");
}

#[test]
fn refused_downloads_suggest_a_browser() {
    for status in ["202 Accepted", "403 Forbidden"] {
        let mut fixture = Fixture::new();
        let server = Server::start(move |_, stream| respond(stream, status, &["Content-Length: 0"], &[]));
        let error = fixture.assert_fails(EXACTLY, &[server.address("")], None);
        let advice = format!(
            "{status}: it refuses programs; fetch the file in a browser and put it at {}",
            fixture.target().display()
        );
        assert!(error.contains(&advice), "{error}");
    }
}

#[test]
fn a_web_page_keeps_the_bytes_at_hand() {
    let mut fixture = Fixture::new().with_partial(&content()[..1_000]);
    let login =
        Server::start(|_, stream| respond(stream, "200 OK", &["Content-Type: text/html"], b"<html>Log in!</h>"));
    let error = fixture.assert_fails(EXACTLY, &[login.address("")], Some(1_000));
    assert!(error.contains("a web page"), "{error}");
    assert_eq!(login.requests().len(), 1);
}

#[test]
fn only_failures_that_may_pass_are_retried() {
    let lookup =
        |detail: &str| ureq::Error::Io(io::Error::other(format!("failed to lookup address information: {detail}")));
    let refused = || ureq::Error::Io(io::ErrorKind::ConnectionRefused.into());
    for (error, answered, transient) in [
        (lookup("Temporary failure in name resolution"), false, true),
        (lookup("Try again"), false, true),
        (lookup("Name or service not known"), false, false),
        (lookup("Name or service not known"), true, true),
        (refused(), false, false),
        (refused(), true, true),
    ] {
        let text = error.to_string();
        let failure = request_failure(error, answered);
        assert_eq!(matches!(failure, Failure::Transient(_)), transient, "{text}, {answered}");
    }
}
