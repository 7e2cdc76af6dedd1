//! The smallest HTTP/1.1 server that the SDKs accept: one request a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// One request, read to its end.
pub struct Request {
    /// Request line and headers as they came, without the empty line.
    pub head: String,
    /// Without the framing of chunks.
    pub body: Vec<u8>,
    /// Port at the other end of the connection: whose it is tells which process asks.
    pub peer: u16,
}

impl Request {
    /// Whether head or body holds the text.
    pub fn has(&self, text: &str) -> bool {
        self.head.contains(text) || String::from_utf8_lossy(&self.body).contains(text)
    }

    /// Value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// Value of a header in the text of a request, whatever its case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What goes back.
pub enum Reply {
    /// Status, headers and body.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Bytes as they are: another server's whole answer.
    Raw(Vec<u8>),
    /// The connection ends without an answer.
    Close,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        let headers = vec![("content-type".to_owned(), "application/x-amz-json-1.0".to_owned())];
        Reply::Answer { status, headers, body: body.into() }
    }
}

/// Serves until the process ends.
pub struct Server {
    port: u16,
}

impl Server {
    pub fn start(handle: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        Server::on(0, handle)
    }

    /// The same on a port that others know already.
    pub fn on(port: u16, handle: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let handle = Arc::new(handle);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let handle = Arc::clone(&handle);
                // A client that goes away in the middle is its own test's business.
                std::thread::spawn(move || drop(serve(stream, handle.as_ref())));
            }
        });
        Server { port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn serve(mut stream: TcpStream, handle: &(dyn Fn(&Request) -> Reply + Send + Sync)) -> std::io::Result<()> {
    let Some(request) = read(&stream)? else { return Ok(()) };
    let bytes = match handle(&request) {
        Reply::Close => return stream.shutdown(std::net::Shutdown::Both),
        Reply::Raw(bytes) => bytes,
        Reply::Answer { status, headers, body } => {
            let mut bytes = format!("HTTP/1.1 {status} Stand-in\r\ncontent-length: {}\r\n", body.len()).into_bytes();
            for (name, value) in headers {
                bytes.extend(format!("{name}: {value}\r\n").bytes());
            }
            bytes.extend(b"connection: close\r\n\r\n");
            bytes.extend(body);
            bytes
        }
    };
    stream.write_all(&bytes)?;
    stream.flush()
}

fn read(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim_end().is_empty() {
            break;
        }
        head.push_str(line.trim_end());
        head.push('\n');
    }
    let mut request = Request { head: head.trim_end().to_owned(), body: Vec::new(), peer: stream.peer_addr()?.port() };
    if request.header("expect").is_some() {
        (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some() {
        request.body = chunks(&mut reader)?;
    } else if let Some(length) = request.header("content-length") {
        request.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

fn chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend(&chunk[..size]);
    }
}
