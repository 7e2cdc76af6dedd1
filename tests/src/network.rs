//! A network that fails: requests pass through, but for those that the plan spoils.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset before anything is answered; the server never sees the request.
    Reset,
    /// The server does what was asked, and the answer is lost.
    LostAnswer,
    /// `503 Service Unavailable` by something between.
    Unavailable,
    /// The answer's head, and half of the body that it announces.
    HalfABody,
    /// The answer comes so much later.
    Slow(Duration),
    /// A result object that ends at a row's end before its time, with a length that fits: what only a count of rows shows.
    FewerRows,
}

/// Decides by the number of a request, from 0, and its first line.
pub type Plan = Box<dyn FnMut(usize, &str) -> Option<Fault> + Send>;

/// The plan of several proxies, and what came.
#[derive(Clone)]
pub struct Network {
    plan: Arc<Mutex<Plan>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Network {
    pub fn new(plan: impl FnMut(usize, &str) -> Option<Fault> + Send + 'static) -> Network {
        Network { plan: Arc::new(Mutex::new(Box::new(plan))), requests: Arc::default() }
    }

    /// What was asked for so far: Athena's operation, or method and path.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// An address at which `server` is reached through this network.
    pub fn before(&self, server: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (network, server) = (self.clone(), server.strip_prefix("http://").unwrap().to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (network, server) = (network.clone(), server.clone());
                // A broken connection is what this is for.
                std::thread::spawn(move || network.pass(stream, &server).ok());
            }
        });
        url
    }

    fn decide(&self, head: &str) -> Option<Fault> {
        let target = head.lines().find_map(|line| line.to_lowercase().starts_with("x-amz-target").then(|| line.to_owned()));
        let target = target.and_then(|line| line.rsplit('.').next().map(str::to_owned));
        let name = target.unwrap_or_else(|| head.lines().next().unwrap_or_default().to_owned());
        let mut requests = self.requests.lock().unwrap();
        requests.push(name.clone());
        (self.plan.lock().unwrap())(requests.len() - 1, &name)
    }

    fn pass(&self, mut client: TcpStream, server: &str) -> std::io::Result<()> {
        let head = read_head(&mut client)?;
        let fault = self.decide(&head);
        if fault == Some(Fault::Reset) {
            // Closed with the body unread, where there is one: the kernel sends a reset then.
            return Ok(());
        }
        let mut body = vec![0; length(&head)];
        client.read_exact(&mut body)?;
        match fault {
            Some(Fault::Unavailable) => {
                return client.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
            Some(Fault::Slow(delay)) => std::thread::sleep(delay),
            _ => {}
        }
        let answer = ask(server, &head, &body)?;
        let answer = match fault {
            Some(Fault::LostAnswer) => return Ok(()),
            Some(Fault::HalfABody) => answer[..(body_start(&answer) + answer.len()) / 2].to_vec(),
            Some(Fault::FewerRows) => fewer_rows(&answer),
            _ => answer,
        };
        client.write_all(&answer)
    }
}

/// An answer whose body ends with a line near its middle, as if it had never been longer.
fn fewer_rows(answer: &[u8]) -> Vec<u8> {
    let start = body_start(answer);
    let body = &answer[start..(start + answer.len()) / 2];
    let body = &body[..=body.iter().rposition(|byte| *byte == b'\n').unwrap()];
    let head = String::from_utf8_lossy(&answer[..start]).into_owned();
    let is_kept = |line: &&str| {
        let line = line.to_lowercase();
        !line.starts_with("content-length:") && !line.starts_with("x-amz-checksum")
    };
    let head: Vec<&str> = head.trim_end().lines().filter(is_kept).collect();
    [format!("{}\r\ncontent-length: {}\r\n\r\n", head.join("\r\n"), body.len()).as_bytes(), body].concat()
}

/// The head of a request, and not a byte more.
fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.extend(byte);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn length(head: &str) -> usize {
    let value =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::trim).map(str::to_owned));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Where the body of an answer begins.
fn body_start(answer: &[u8]) -> usize {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4)
}

fn ask(server: &str, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    let head =
        head.trim_end().lines().filter(|line| !line.to_lowercase().starts_with("connection:")).collect::<Vec<_>>().join("\r\n");
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
