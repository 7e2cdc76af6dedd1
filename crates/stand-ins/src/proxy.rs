//! Stands before a stand-in and fails on request: what the network and the service may do to a call.

use crate::server::{Reply, Request, Server, header};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The service says no and does nothing: a code such as `ThrottlingException`, as JSON.
    Refuse { status: u16, code: &'static str },
    /// The same as XML, which S3 speaks.
    RefuseXml { status: u16, code: &'static str },
    /// The service does it and says that it failed.
    DoneButFailed,
    /// The service does it and says no, as XML.
    DoneButRefusedXml { status: u16, code: &'static str },
    /// The service does it and the answer is lost.
    DoneButLost,
    /// The connection ends before the service sees anything.
    Reset,
    /// It takes this much longer.
    Slow(Duration),
}

struct Rule {
    needle: String,
    /// Requests still to be passed on untouched, then to be met by the fault.
    skip: usize,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<String>,
}

/// A proxy before one stand-in.
pub struct Proxy {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// `upstream` is `http://127.0.0.1:PORT`.
    pub fn before(upstream: &str) -> Proxy {
        let address = upstream.trim_start_matches("http://").to_owned();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let fault = shared.lock().unwrap().meet(request);
            pass(&address, request, fault)
        });
        Proxy { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The next `times` requests whose head or body holds `needle` meet the fault.
    pub fn inject(&self, needle: &str, times: usize, fault: Fault) {
        self.inject_after(needle, 0, times, fault);
    }

    /// The same after the first `skip` of them.
    pub fn inject_after(&self, needle: &str, skip: usize, times: usize, fault: Fault) {
        self.state.lock().unwrap().rules.push(Rule { needle: needle.to_owned(), skip, times, fault });
    }

    /// Faults that no request has met yet are forgotten.
    pub fn clear(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    /// The values that a header had in the requests so far that had it.
    pub fn header(&self, name: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter_map(|request| header(request, name).map(str::to_owned)).collect()
    }

    /// Requests so far whose head or body holds `needle`.
    pub fn seen(&self, needle: &str) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|request| request.contains(needle)).count()
    }
}

impl State {
    fn meet(&mut self, request: &Request) -> Option<Fault> {
        self.seen.push(format!("{}\n\n{}", request.head, String::from_utf8_lossy(&request.body)));
        for rule in self.rules.iter_mut().filter(|rule| request.has(&rule.needle)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

fn pass(address: &str, request: &Request, fault: Option<Fault>) -> Reply {
    match fault {
        None => Reply::Raw(forward(address, request)),
        Some(Fault::Slow(delay)) => {
            std::thread::sleep(delay);
            Reply::Raw(forward(address, request))
        }
        Some(Fault::Reset) => Reply::Close,
        Some(Fault::DoneButLost) => {
            forward(address, request);
            Reply::Close
        }
        Some(Fault::DoneButFailed) => {
            forward(address, request);
            refuse(500, "InternalServerError")
        }
        Some(Fault::Refuse { status, code }) => refuse(status, code),
        Some(Fault::RefuseXml { status, code }) => refuse_xml(request, status, code),
        Some(Fault::DoneButRefusedXml { status, code }) => {
            forward(address, request);
            refuse_xml(request, status, code)
        }
    }
}

/// As S3 words it: an answer to a HEAD has no body.
fn refuse_xml(request: &Request, status: u16, code: &str) -> Reply {
    let body = match request.head.starts_with("HEAD ") {
        true => String::new(),
        false => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>"),
    };
    Reply::Answer { status, headers: vec![("content-type".to_owned(), "application/xml".to_owned())], body: body.into_bytes() }
}

fn refuse(status: u16, code: &str) -> Reply {
    let headers = vec![
        ("content-type".to_owned(), "application/x-amz-json-1.0".to_owned()),
        ("x-amzn-errortype".to_owned(), code.to_owned()),
    ];
    let body = format!("{{\"__type\":\"com.amazonaws#{code}\",\"message\":\"injected\"}}");
    Reply::Answer { status, headers, body: body.into_bytes() }
}

/// The request as it came, but for the framing of its body and of the connection. An upstream that is gone is a closed connection.
pub fn forward(address: &str, request: &Request) -> Vec<u8> {
    let dropped = ["connection", "content-length", "transfer-encoding", "expect"];
    let mut text = String::new();
    for line in request.head.lines() {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        if text.is_empty() || !dropped.contains(&name.as_str()) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len()));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    closing(answer)
}

/// Says that the connection ends with this answer, so that no client sends another request into it.
fn closing(answer: Vec<u8>) -> Vec<u8> {
    let Some(line) = answer.windows(2).position(|pair| pair == b"\r\n") else { return answer };
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    if String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase().contains("\r\nconnection: close") {
        return answer;
    }
    [&answer[..line + 2], b"connection: close\r\n", &answer[line + 2..]].concat()
}
