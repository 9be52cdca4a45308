use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_tests::{Request, Server, respond, serve};
use tempfile::TempDir;

use super::super::catalogue::Product;
use super::*;

/// The file that everyone wants: 3,000 bytes, none like its neighbours.
fn content() -> Vec<u8> {
    (0..3_000_u32).map(|at| (at * 7 + at / 256) as u8).collect()
}

fn file(size: Size) -> RemoteFile {
    RemoteFile {
        name: "faces.bin",
        addresses: Vec::new(),
        size,
        sha256: format!("{:x}", Sha256::digest(content())),
        product: Product::File("faces.bin"),
    }
}

const EXACTLY: Size = Size::Exactly(3_000);

/// A folder to download into, and all that was said meanwhile.
struct Place {
    folder: TempDir,
    troubles: Vec<String>,
    stall: Duration,
    most_tries: u32,
    progress: u64,
    slow: Duration,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            troubles: Vec::new(),
            stall: Duration::from_secs(5),
            most_tries: 100,
            progress: 1 << 20,
            slow: Duration::from_secs(60),
        }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("new/faces.bin")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("new/faces.bin.part")
    }

    /// What an earlier run has left.
    fn with_part(self, bytes: &[u8]) -> Self {
        fs::create_dir(self.folder.path().join("new")).unwrap();
        fs::write(self.part(), bytes).unwrap();
        self
    }

    fn fetch(&mut self, size: Size, addresses: &[String]) -> Result<()> {
        let milliseconds = Duration::from_millis;
        let patience = Patience {
            connect: milliseconds(1_000),
            stall: self.stall,
            tries: 3,
            most_tries: self.most_tries,
            progress: self.progress,
            slow: self.slow,
            pause: milliseconds(1),
        };
        let (client, target) = (Client::new(patience, None), self.target());
        client.fetch(&file(size), addresses, &target, &mut |event| {
            if let Event::Trouble { reason, .. } = event {
                self.troubles.push(reason.to_owned());
            }
        })
    }

    /// All is well, and nothing but the file is left.
    #[track_caller]
    fn fetched(&mut self, addresses: &[String]) {
        self.fetch(EXACTLY, addresses).unwrap();
        self.assert_whole();
    }

    #[track_caller]
    fn assert_whole(&self) {
        assert_eq!(fs::read(self.target()).unwrap(), content());
        assert_eq!(fs::read_dir(self.target().parent().unwrap()).unwrap().count(), 1, "{:?}", self.troubles);
    }

    /// Nothing is under the final name, and so many bytes wait for the next run.
    #[track_caller]
    fn failed(&mut self, size: Size, addresses: &[String], kept: Option<u64>) -> String {
        let error = format!("{:#}", self.fetch(size, addresses).unwrap_err());
        assert!(!self.target().exists());
        assert_eq!(fs::metadata(self.part()).ok().map(|part| part.len()), kept, "{error}");
        error
    }
}

fn good() -> Server {
    Server::start(|request, stream| serve(request, stream, &content()))
}

/// Tells its length and sends the first bytes only; honours ranges in the same manner.
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
fn a_file_comes_whole() {
    let (mut place, server) = (Place::new(), good());
    place.fetched(&[server.address("a/faces.bin")]);
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!((request.path.as_str(), request.start), ("/a/faces.bin", None));
    assert_eq!(request.user_agent, concat!("facenet-xtask/", env!("CARGO_PKG_VERSION")));
    assert!(place.troubles.is_empty());
}

#[test]
fn a_cut_connection_is_resumed() {
    let mut place = Place::new();
    let server = Server::start(|request, stream| match request.start {
        None => cut(request, stream, 1_000),
        Some(1_000) => cut(request, stream, 500),
        Some(_) => serve(request, stream, &content()),
    });
    place.fetched(&[server.address("")]);
    assert_eq!(server.starts(), [None, Some(1_000), Some(1_500)]);
    assert_eq!(place.troubles.len(), 2, "{:?}", place.troubles);
}

#[test]
fn a_server_that_always_cuts_is_left_for_the_next() {
    let (mut place, better) = (Place::new(), good());
    let server = Server::start(|request, stream| cut(request, stream, 100));
    place.fetched(&[server.address(""), better.address("")]);
    assert_eq!(server.starts(), [None, Some(100), Some(200)]);
    assert_eq!(better.starts(), [Some(300)]);

    // Alone it brings the file nearer with each run.
    let mut place = Place::new();
    let error = place.failed(EXACTLY, &[server.address("")], Some(300));
    assert!(error.contains("the connection broke after 300 bytes") && error.contains("faces.bin.part"), "{error}");
    place.failed(EXACTLY, &[server.address("")], Some(600));
}

#[test]
fn an_earlier_run_is_gone_on_with() {
    let (mut place, server) = (Place::new().with_part(&content()[..1_234]), good());
    place.fetched(&[server.address("")]);
    assert_eq!(server.starts(), [Some(1_234)]);

    // All bytes are there: nothing is asked for.
    let (mut place, server) = (Place::new().with_part(&content()), good());
    place.fetched(&[server.address("")]);
    assert!(server.requests().is_empty());
}

#[test]
fn wrong_bytes_of_an_earlier_run_start_anew() {
    for (part, starts) in [
        // Found out by the hash, in the end.
        (vec![0; 1_000], vec![Some(1_000), None]),
        // As long as the file: nothing is behind it.
        (vec![0; 3_000], vec![Some(3_000), None]),
        // Longer than the file can be.
        (vec![0; 3_001], vec![None]),
    ] {
        let (mut place, server) = (Place::new().with_part(&part), good());
        place.fetched(&[server.address("")]);
        assert_eq!(server.starts(), starts);
    }
}

#[test]
fn a_server_that_begins_anew_again_and_again_is_left() {
    // Cuts at 1,000 bytes and can't send what is behind; or has no ranges and cuts at ever other places.
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
        let mut place = Place { progress: 100, ..Place::new() };
        assert!(place.fetch(EXACTLY, &[server.address("faces.bin")]).is_err());
        assert!(server.requests().len() < 12, "{}", server.requests().len());
    }
    // Whoever gets on is not left, however often it cuts.
    let mut place = Place { progress: 100, ..Place::new() };
    let server = Server::start(|request, stream| cut(request, stream, 200));
    place.fetched(&[server.address("faces.bin")]);
    assert_eq!(server.requests().len(), 15);
    // But not for ever.
    let mut place = Place { progress: 100, most_tries: 5, ..Place::new() };
    place.failed(EXACTLY, &[server.address("faces.bin")], Some(1_000));
}

#[test]
fn an_answer_of_another_length_costs_nothing() {
    let mut place = Place::new().with_part(&content()[..1_000]);
    let login = Server::start(|_, stream| respond(stream, "200 OK", &["Content-Length: 17"], b"<html>Log in!</h>"));
    place.failed(EXACTLY, &[login.address("faces.bin")], Some(1_000));
    let server = good();
    place.fetched(&[login.address("faces.bin"), server.address("faces.bin")]);
    assert_eq!(server.starts(), [Some(1_000)]);
}

#[test]
fn a_server_that_drips_is_left() {
    let mut place = Place { slow: Duration::from_millis(100), ..Place::new() };
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
    place.fetched(&[drip.address("faces.bin"), server.address("faces.bin")]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(place.troubles[0].contains("bytes in "), "{:?}", place.troubles);
}

#[test]
fn a_server_without_ranges_starts_anew() {
    let mut place = Place::new().with_part(&content()[..1_000]);
    let server = Server::start(|_, stream| respond(stream, "200 OK", &["Content-Length: 3000"], &content()));
    place.fetched(&[server.address("")]);
    assert_eq!(server.starts(), [Some(1_000)]);
}

#[test]
fn ranges_that_were_not_asked_for_start_anew() {
    for range in ["Content-Range: bytes 0-1999/3000", "Content-Range: nonsense", "X: y"] {
        let mut place = Place::new().with_part(&content()[..1_000]);
        let server = Server::start(move |request, stream| match request.start {
            None => serve(request, stream, &content()),
            Some(_) => respond(stream, "206 Partial Content", &[range, "Content-Length: 2000"], &content()[..2_000]),
        });
        place.fetched(&[server.address("")]);
        assert_eq!(server.starts(), [Some(1_000), None], "{range}");
    }
    // A part of the file without being asked for one.
    let server =
        Server::start(|_, stream| respond(stream, "206 Partial Content", &["Content-Length: 3000"], &content()));
    let error = Place::new().failed(EXACTLY, &[server.address("")], None);
    assert!(error.contains("206"), "{error}");
}

#[test]
fn a_silent_server_is_not_waited_for() {
    let impatient = || Place { stall: Duration::from_millis(100), ..Place::new() };
    let (mut place, better) = (impatient(), good());
    let server = Server::start(|request, stream| {
        cut(request, stream, 700)?;
        thread::sleep(Duration::from_secs(2));
        Ok(())
    });
    let start = Instant::now();
    place.fetched(&[server.address(""), better.address("")]);
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    assert_eq!(better.starts(), [Some(2_100)]);

    // Nor one that never begins.
    let (mut place, better) = (impatient(), good());
    let server = Server::start(|_, _| {
        thread::sleep(Duration::from_secs(2));
        Ok(())
    });
    let start = Instant::now();
    place.fetched(&[server.address(""), better.address("")]);
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    assert_eq!(better.starts(), [None]);
}

#[test]
fn other_lengths_are_other_files() {
    for (length, reason) in [
        ("Content-Length: 2999", "a file of 2999 bytes, not of 3000"),
        ("Content-Length: 3001", "a file of 3001 bytes"),
    ] {
        let (mut place, better) = (Place::new(), good());
        let server = Server::start(move |_, stream| respond(stream, "200 OK", &[length], &content()));
        place.fetched(&[server.address(""), better.address("")]);
        assert!(place.troubles[0].contains(reason), "{:?}", place.troubles);
        assert_eq!((server.starts(), better.starts()), (vec![None], vec![None]));
    }
}

#[test]
fn bodies_without_a_length_are_held_to_the_known_one() {
    let long = Server::start(|_, stream| respond(stream, "200 OK", &[], &[content(), vec![0]].concat()));
    let error = Place::new().failed(EXACTLY, &[long.address("")], None);
    assert!(error.contains("it sent more than 3000 bytes"), "{error}");
    let short = Server::start(|_, stream| respond(stream, "200 OK", &[], &content()[..2_999]));
    let error = Place::new().failed(EXACTLY, &[short.address("")], Some(2_999));
    assert!(error.contains("the connection ended after 2999 of 3000 bytes"), "{error}");
    let exact = Server::start(|_, stream| respond(stream, "200 OK", &[], &content()));
    Place::new().fetched(&[exact.address("")]);
}

#[test]
fn endless_bodies_end() {
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
        let error = Place::new().failed(size, &[server.address("")], None);
        assert!(error.contains("it sent more than"), "{error}");
    }
    assert!(sent.load(Ordering::SeqCst) < 64 << 20);
}

#[test]
fn sizes_may_be_unknown() {
    for part in [0, 1_000] {
        let (mut place, server) = (Place::new().with_part(&content()[..part]), good());
        place.fetch(Size::About { bytes: 2_000, limit: 5_000 }, &[server.address("")]).unwrap();
        place.assert_whole();
    }
    let server = good();
    let error = Place::new().failed(Size::About { bytes: 2_000, limit: 2_999 }, &[server.address("")], None);
    assert!(error.contains("a file of 3000 bytes, more than 2999"), "{error}");
}

#[test]
fn redirections_are_followed_up_to_a_bound() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/here" => respond(stream, "302 Found", &["Location: /there", "Content-Length: 0"], &[]),
        "/there" => serve(request, stream, &content()),
        _ => respond(stream, "302 Found", &["Location: /round", "Content-Length: 0"], &[]),
    });
    let mut place = Place::new().with_part(&content()[..10]);
    place.fetched(&[server.address("here")]);
    assert_eq!(server.starts(), [Some(10), Some(10)], "the range is asked for again");

    let error = Place::new().failed(EXACTLY, &[server.address("round")], None);
    assert!(error.contains("redirect"), "{error}");
    assert!(server.requests().len() <= 2 + REDIRECTIONS as usize + 1);
}

#[test]
fn wrong_bytes_never_get_the_name() {
    let wrong = Server::start(|request, stream| serve(request, stream, &[9; 3_000]));
    let better = good();
    Place::new().fetched(&[wrong.address(""), better.address("")]);
    let mut place = Place::new();
    let error = place.failed(EXACTLY, &[wrong.address("x"), wrong.address("y")], None);
    let (found, expected) = (format!("{:x}", Sha256::digest([9; 3_000])), file(EXACTLY).sha256);
    for part in [
        "can't download faces.bin",
        &wrong.address("x: wrong bytes"),
        &wrong.address("y: wrong bytes"),
        &found,
        &expected,
        "--mirror URL",
        &place.target().display().to_string(),
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(wrong.starts(), [None; 3]);

    // Bytes of two servers, of which one sends wrong ones: the hash tells, and the other is asked again for all.
    let broken = Server::start(|_, stream| respond(stream, "200 OK", &["Content-Length: 3000"], &[9; 500]));
    let mut place = Place::new();
    place.fetched(&[broken.address(""), better.address("")]);
    assert_eq!(better.starts(), [None, Some(500), None]);
}

#[test]
fn answers_without_a_file() {
    for (status, tries) in [
        ("404 Not Found", 1),
        ("403 Forbidden", 1),
        ("202 Accepted", 1),
        ("416 Range", 1),
        ("500 Oops", 3),
        ("503 Busy", 3),
        ("429 Slowly", 3),
    ] {
        let (mut place, better) = (Place::new(), good());
        let server = Server::start(move |_, stream| respond(stream, status, &["Content-Length: 0"], &[]));
        place.fetched(&[server.address(""), better.address("")]);
        assert_eq!(server.requests().len(), tries, "{status}");
        assert!(place.troubles.iter().all(|reason| reason.contains(&status[..3])), "{:?}", place.troubles);
    }
    // A server that knows nothing behind a byte, whatever it is: then all is asked for, once.
    let (mut place, server) = (
        Place::new().with_part(&content()[..5]),
        Server::start(|_, stream| respond(stream, "416 Range", &["Content-Length: 0"], &[])),
    );
    place.failed(EXACTLY, &[server.address("")], None);
    assert_eq!(server.starts(), [Some(5), None]);
}

#[test]
fn nobody_listens_or_speaks_http() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let rubbish = Server::start(|_, stream| stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n"));
    let error = Place::new().failed(EXACTLY, &[nobody, rubbish.address(""), "gopher://127.0.0.1/".to_owned()], None);
    assert_eq!(error.lines().filter(|line| line.starts_with("  ")).count(), 3, "{error}");
    let better = good();
    Place::new().fetched(&[rubbish.address(""), better.address("")]);
}

#[test]
fn what_cannot_be_written_is_named() {
    let server = good();
    let mut place = Place::new();
    fs::write(place.folder.path().join("new"), "a file where a folder should be").unwrap();
    let error = format!("{:#}", place.fetch(EXACTLY, &[server.address("")]).unwrap_err());
    assert!(error.contains("can't write") && error.contains("faces.bin.part"), "{error}");
    assert!(server.requests().is_empty(), "nothing is asked for in vain");

    // Neither pipe nor device is written to, whatever it is called.
    #[cfg(unix)]
    for device in ["/dev/null", "/dev/zero"] {
        let mut place = Place::new();
        fs::create_dir(place.folder.path().join("new")).unwrap();
        std::os::unix::fs::symlink(device, place.part()).unwrap();
        let error = format!("{:#}", place.fetch(EXACTLY, &[server.address("")]).unwrap_err());
        assert!(error.contains("faces.bin.part is no file; move it away"), "{error}");
        assert!(server.requests().is_empty() && !place.target().exists());
    }
}

#[test]
fn a_full_disk_is_nobody_elses_trouble() {
    let place = Place::new();
    let part = Part::open(&place.target(), 3_000).unwrap();
    let Failure::Here(error) = part.failed(io::ErrorKind::StorageFull.into()) else { panic!("no other address helps") };
    assert!(format!("{error:#}").contains("faces.bin.part; make room and run the command again"), "{error:#}");
}

#[test]
fn bodies_of_redirections_are_not_waited_for() {
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
    let mut place = Place::new();
    place.fetched(&[server.address("deep/here?x=/y")]);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(place.troubles.is_empty(), "{:?}", place.troubles);

    let nowhere = Server::start(|_, stream| respond(stream, "302 Found", &["Content-Length: 0"], &[]));
    let error = Place::new().failed(EXACTLY, &[nowhere.address("")], None);
    assert!(error.contains("302 Found without a place to go to"), "{error}");
}

#[test]
fn hosts_that_refuse_programs_leave_it_to_people() {
    for status in ["202 Accepted", "403 Forbidden"] {
        let mut place = Place::new();
        let server = Server::start(move |_, stream| respond(stream, status, &["Content-Length: 0"], &[]));
        let error = place.failed(EXACTLY, &[server.address("")], None);
        let advice = format!(
            "{status}: it refuses programs; fetch the file in a browser and put it at {}",
            place.target().display()
        );
        assert!(error.contains(&advice), "{error}");
    }
}

#[test]
fn a_page_without_a_length_costs_nothing() {
    let mut place = Place::new().with_part(&content()[..1_000]);
    let login =
        Server::start(|_, stream| respond(stream, "200 OK", &["Content-Type: text/html"], b"<html>Log in!</h>"));
    let error = place.failed(EXACTLY, &[login.address("")], Some(1_000));
    assert!(error.contains("a web page"), "{error}");
    assert_eq!(login.requests().len(), 1);
}

#[test]
fn networks_may_come_back() {
    let lookup =
        |detail: &str| ureq::Error::Io(io::Error::other(format!("failed to lookup address information: {detail}")));
    let refused = || ureq::Error::Io(io::ErrorKind::ConnectionRefused.into());
    for (error, answered, passes) in [
        (lookup("Temporary failure in name resolution"), false, true),
        (lookup("Try again"), false, true),
        (lookup("Name or service not known"), false, false),
        (lookup("Name or service not known"), true, true),
        (refused(), false, false),
        (refused(), true, true),
    ] {
        let failure = request_failure(&error, answered);
        assert_eq!(matches!(failure, Failure::Passing(_)), passes, "{error}, {answered}");
    }
}
