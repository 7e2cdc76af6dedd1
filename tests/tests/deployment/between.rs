//! Stands between the functions and all that they call: notes each call, and kills the process that makes it, or holds the call up.

use apportion_stand_ins::{Reply, Request, Server, forward};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FUNCTION: &str = "AWS_LAMBDA_FUNCTION_NAME=apportion-";

/// What happens to a function that makes a certain call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// It dies before anyone sees the call.
    KillBefore,
    /// It dies once the call is done, before it hears so.
    KillAfter,
    /// The call is done after this time.
    Hold(Duration),
}

/// A call of a function, told apart by what it does to what: the names of executions do not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub function: String,
    pub label: String,
    pub changes: bool,
}

/// A call that was noted.
pub struct Note {
    /// Seconds since 1970.
    pub at: f64,
    pub call: Call,
    /// Function, head and, where it is JSON, body.
    pub request: Value,
}

struct Planned {
    label: String,
    function: String,
    blow: Blow,
}

#[derive(Default)]
struct State {
    /// What was called, while it is noted.
    notes: Option<Vec<Note>>,
    plan: Vec<Planned>,
    struck: Vec<String>,
    held: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
    copying: Mutex<()>,
}

pub struct Between {
    shared: Arc<Shared>,
    /// The setting by which functions of this deployment are known.
    endpoint: String,
    _servers: Vec<Server>,
}

impl Between {
    /// Before the stand-ins on these ports, on ports `shift` higher.
    pub fn before(ports: [u16; 5], shift: u16) -> Between {
        let shared: Arc<Shared> = Arc::default();
        let server = |port: u16| {
            let (shared, upstream) = (Arc::clone(&shared), format!("127.0.0.1:{port}"));
            Server::on(port + shift, move |request| shared.pass(request, &upstream, port + shift))
        };
        let endpoint = format!("AWS_ENDPOINT_URL=http://127.0.0.1:{}\0", ports[0] + shift);
        Between { _servers: ports.map(server).into(), shared, endpoint }
    }

    /// The next call of every function meets a new process.
    pub fn renew(&self) {
        for (process, _) in functions().filter(|(_, environment)| environment.contains(&self.endpoint)) {
            kill(process);
        }
    }

    /// Nothing is planned any more.
    pub fn calm(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.plan.clear();
        state.struck.clear();
    }

    /// The next call of this kind meets the blow.
    pub fn plan(&self, call: &Call, blow: Blow) {
        let planned = Planned { label: call.label.clone(), function: call.function.clone(), blow };
        self.shared.state.lock().unwrap().plan.push(planned);
    }

    /// What was struck since it was calm.
    pub fn struck(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().struck.clone()
    }

    /// Waits until no call is held up any more.
    pub fn released(&self) {
        let state = self.shared.state.lock().unwrap();
        drop(self.shared.released.wait_while(state, |state| state.held > 0).unwrap());
    }

    /// Notes all calls from now on.
    pub fn note(&self) {
        self.shared.state.lock().unwrap().notes = Some(Vec::new());
    }

    /// What was noted.
    pub fn noted(&self) -> Vec<Note> {
        self.shared.state.lock().unwrap().notes.take().unwrap_or_default()
    }
}

impl Shared {
    fn pass(&self, request: &Request, upstream: &str, port: u16) -> Reply {
        let label = label(request);
        match self.meet(request, &label, port) {
            None => self.serve(upstream, request),
            Some((_, Blow::Hold(time))) => {
                std::thread::sleep(time);
                let answer = self.serve(upstream, request);
                self.state.lock().unwrap().held -= 1;
                self.released.notify_all();
                answer
            }
            Some((process, blow)) => {
                if blow == Blow::KillAfter {
                    self.serve(upstream, request);
                }
                kill(process);
                Reply::Close
            }
        }
    }

    /// What the stand-in says; but S3 refuses a copy to where something lies, if it is asked to, and the stand-in does not.
    fn serve(&self, upstream: &str, request: &Request) -> Reply {
        if request.header("x-amz-copy-source").is_none() || request.header("if-none-match") != Some("*") {
            return Reply::Raw(forward(upstream, request));
        }
        let _one_at_a_time = self.copying.lock().unwrap();
        let path = request.head.split_whitespace().nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        let head = format!("HEAD {path} HTTP/1.1\nhost: {upstream}\nauthorization: {}", request.header("authorization").unwrap());
        let there = forward(upstream, &Request { head, body: Vec::new(), peer: request.peer });
        if !there.starts_with(b"HTTP/1.1 200") {
            return Reply::Raw(forward(upstream, request));
        }
        let body = "<?xml version=\"1.0\"?><Error><Code>PreconditionFailed</Code><Message>it is there</Message></Error>";
        Reply::Answer { status: 412, headers: vec![("content-type".into(), "application/xml".into())], body: body.into() }
    }

    /// Notes the call; the blow that it meets, and the process that makes it.
    fn meet(&self, request: &Request, label: &str, port: u16) -> Option<(u32, Blow)> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let mut state = self.state.lock().unwrap();
        if state.notes.is_none() && !state.plan.iter().any(|planned| planned.label == label) {
            return None;
        }
        // To know who calls takes a look at all processes.
        let (process, function) = caller(request.peer, port)?;
        let call = Call { function, label: label.to_owned(), changes: changes(request, label) };
        let place = state.plan.iter().position(|planned| planned.label == call.label && planned.function == call.function);
        if let Some(notes) = &mut state.notes {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let request = json!({ "function": call.function, "head": request.head, "body": body });
            notes.push(Note { at, call, request });
        }
        let planned = state.plan.remove(place?);
        state.struck.push(format!("{:?} {} {}", planned.blow, planned.function, planned.label));
        state.held += usize::from(matches!(planned.blow, Blow::Hold(_)));
        Some((process, planned.blow))
    }
}

/// The operation and what it is about.
fn label(request: &Request) -> String {
    let mut words = request.head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let Some(target) = request.header("x-amz-target") else { return plain(&format!("{method} {path}")) };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let item = [&body["Item"], &body["Key"]].into_iter().find(|item| item.is_object());
    let keys = item.map_or(String::new(), |item| format!(" {} {}", item["pk"]["S"], item["sk"]["S"]));
    plain(&format!("{target}{keys}"))
}

/// Without what differs from run to run: the names of executions, `<period>-<digest>-<attempt>` or `<date>-<attempt>`.
fn plain(label: &str) -> String {
    let is_execution = |part: &str| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let pieces: Vec<&str> = part.split('-').collect();
        matches!(pieces.as_slice(), [year, month, middle, attempt]
            if year.len() == 4 && digits(year) && digits(month) && digits(attempt) && matches!(middle.len(), 2 | 12))
    };
    let mut text = String::new();
    for piece in label.split_inclusive(['/', '#', '"', ' ', '.']) {
        let part = piece.trim_end_matches(['/', '#', '"', ' ', '.']);
        text.push_str(&if is_execution(part) { piece.replace(part, "EXECUTION") } else { piece.to_owned() });
    }
    text
}

fn changes(request: &Request, label: &str) -> bool {
    let operation = label.split([' ', '.']).nth(1).unwrap_or_default();
    match request.header("x-amz-target") {
        Some(_) => !["Get", "Query", "Describe", "List", "Scan"].iter().any(|begin| operation.starts_with(begin)),
        None => !["GET ", "HEAD "].iter().any(|begin| label.starts_with(begin)),
    }
}

fn kill(process: u32) {
    assert!(Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success());
}

/// Processes of functions, with their environments.
fn functions() -> impl Iterator<Item = (u32, String)> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| {
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let environment = std::fs::read_to_string(entry.path().join("environ")).ok()?;
        let is_ours = name.trim() == "bootstrap" && environment.contains(FUNCTION);
        Some((entry.file_name().to_str()?.parse().ok()?, environment)).filter(|_| is_ours)
    })
}

/// Process and function at the other end of a connection.
fn caller(peer: u16, port: u16) -> Option<(u32, String)> {
    let ends = (format!("0100007F:{peer:04X}"), format!("0100007F:{port:04X}"));
    let sockets = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1) == Some(&ends.0.as_str()) && fields.get(2) == Some(&ends.1.as_str())).then(|| fields[9].to_owned())
    })?;
    let link = format!("socket:[{inode}]");
    let (process, environment) = functions().find(|(process, _)| {
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        files.into_iter().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.to_str() == Some(&link)))
    })?;
    let function = environment.split('\0').find_map(|setting| setting.strip_prefix(FUNCTION))?;
    Some((process, function.to_owned()))
}
