//! A small local HTTP server that can misbehave.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path: `/pairs.txt`.
    pub path: String,
    /// Start of the requested range: the 7 of `Range: bytes=7-`.
    pub start: Option<usize>,
    /// The `User-Agent`.
    pub user_agent: String,
}

/// A server that stops when dropped.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers the single request of each connection with `answer`, in a thread of its own.
    ///
    /// # Panics
    ///
    /// If no port of the loopback address is free.
    pub fn start(answer: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let (requests, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stop, answer) = (requests.clone(), stopped.clone(), Arc::new(answer));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, answer) = (seen.clone(), answer.clone());
                thread::spawn(move || {
                    let Ok(mut stream) = stream else { return };
                    let Ok(request) = read_request(&stream) else { return };
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                    // A client that disconnects is not an error.
                    let _ = answer(&request, &mut stream);
                });
            }
        });
        Self { address, requests, stopped, thread: Some(thread) }
    }

    /// `http://127.0.0.1:1234/` and the path.
    pub fn address(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts of the requested ranges.
    pub fn starts(&self) -> Vec<Option<usize>> {
        self.requests().into_iter().map(|request| request.start).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_request(stream: &TcpStream) -> io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { path, start: None, user_agent: String::new() };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                request.start = value.strip_prefix("bytes=").and_then(|range| range.trim_end_matches('-').parse().ok());
            }
            "user-agent" => value.clone_into(&mut request.user_agent),
            _ => {}
        }
    }
    Ok(request)
}

/// Sends a response: a `status` such as `200 OK`, header lines, and a body. No `Content-Length` is
/// added.
///
/// # Errors
///
/// If the client has disconnected.
pub fn respond(stream: &mut TcpStream, status: &str, headers: &[&str], body: &[u8]) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Sends a file, or the requested range of it, as a correct server does.
///
/// # Errors
///
/// If the client has disconnected.
pub fn serve(request: &Request, stream: &mut TcpStream, file: &[u8]) -> io::Result<()> {
    let length = |bytes: &[u8]| format!("Content-Length: {}", bytes.len());
    match request.start {
        None => respond(stream, "200 OK", &[&length(file)], file),
        Some(start) if start < file.len() => {
            let (rest, last, all) = (&file[start..], file.len() - 1, file.len());
            let range = format!("Content-Range: bytes {start}-{last}/{all}");
            respond(stream, "206 Partial Content", &[&length(rest), &range], rest)
        }
        Some(_) => respond(stream, "416 Range Not Satisfiable", &["Content-Length: 0"], &[]),
    }
}
