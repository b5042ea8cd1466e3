//! The server loop against a scripted peer, and the messages as JSON.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use outpace_step::{
    Hello, MAX_MESSAGE_BYTES, MAX_STEPS, Reply, Request, Start, Workload, WorkloadError,
    serve_stream,
};
use serde_json::{Value, json};

const START: &str = r#"{"type":"start","model_seed":7,"data_seed":9}"#;

/// Says what it was asked, and returns what it is told to.
#[derive(Default)]
struct Scripted {
    can: Vec<String>,
    loss: f64,
    /// Losses too many in each turn.
    surplus: usize,
    error: Option<WorkloadError>,
    calls: Vec<String>,
}

fn able(can: &[&str]) -> Scripted {
    Scripted {
        can: can.iter().map(ToString::to_string).collect(),
        ..Scripted::default()
    }
}

impl Workload for Scripted {
    fn hello(&self) -> Hello {
        Hello {
            tokens_per_step: Some(64),
            can: self.can.clone(),
            ..Hello::default()
        }
    }

    fn start(&mut self, start: &Start) -> Result<(), WorkloadError> {
        self.calls.push(format!("{start:?}"));
        Ok(())
    }

    fn steps(&mut self, n: u32) -> Result<Vec<f64>, WorkloadError> {
        self.calls.push(format!("steps {n}"));
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        Ok(vec![self.loss; n as usize + self.surplus])
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the data set is gone")]
struct Outer(#[source] io::Error);

/// A peer that hands over one line a read, and notes reads and writes in their order.
#[derive(Default)]
struct Peer {
    lines: VecDeque<Vec<u8>>,
    log: Vec<String>,
}

impl Peer {
    fn new(requests: &[&str]) -> Self {
        let line = |request: &&str| format!("{request}\n").into_bytes();
        Self {
            lines: requests.iter().map(line).collect(),
            log: Vec::new(),
        }
    }

    /// What was written to it.
    fn replies(&self) -> Vec<Value> {
        let written = self.log.iter().filter_map(|line| line.strip_prefix("< "));
        written
            .map(|l| serde_json::from_str(l).expect("replies are JSON"))
            .collect()
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut line) = self.lines.pop_front() else {
            self.log.push("> end".to_owned());
            return Ok(0);
        };
        let n = line.len().min(buffer.len());
        buffer[..n].copy_from_slice(&line[..n]);
        let rest = line.split_off(n);
        if rest.is_empty() {
            let text = String::from_utf8_lossy(&line);
            self.log.push(format!("> {}", text.trim_end()));
        } else {
            self.lines.push_front(rest);
        }
        Ok(n)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).expect("replies are text");
        self.log.push(format!(
            "< {}",
            text.strip_suffix('\n').expect("one write a line")
        ));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_request_is_answered_before_the_next_is_read() {
    let step = r#"{"type":"step","n":2}"#;
    let stop = r#"{"type":"stop"}"#;
    let mut peer = Peer::new(&[START, step, step, START, step, stop, step]);
    let mut workload = able(&[]);
    workload.loss = 1.5;
    serve_stream(&mut workload, &mut peer).unwrap();
    let done = |step| format!(r#"< {{"type":"done","step":{step},"losses":[1.5,1.5]}}"#);
    let (start, step, stop) = (
        &format!("> {START}"),
        &format!("> {step}"),
        "> {\"type\":\"stop\"}",
    );
    let ready = r#"< {"type":"ready"}"#;
    let expected = [
        r#"< {"type":"hello","protocol":1,"tokens_per_step":64,"can":[]}"#,
        start,
        ready,
        step,
        &done(2),
        step,
        &done(4),
        start,
        ready,
        step,
        &done(2),
        stop,
    ];
    assert_eq!(peer.log, expected, "nothing after `stop` is read");
}

#[test]
fn the_end_of_the_stream_is_a_stop() {
    for requests in [&[][..], &[START], &[START, r#"{"type":"step","n":1}"#]] {
        let mut peer = Peer::new(requests);
        serve_stream(&mut able(&[]), &mut peer).unwrap();
        assert_eq!(peer.replies().len(), requests.len() + 1);
    }
}

#[test]
fn losses_that_are_not_finite_are_null() {
    for loss in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut peer = Peer::new(&[START, r#"{"type":"step","n":1}"#]);
        let mut workload = able(&[]);
        workload.loss = loss;
        serve_stream(&mut workload, &mut peer).unwrap();
        let done = json!({"type": "done", "step": 1, "losses": [null]});
        assert_eq!(peer.replies().pop(), Some(done));
    }
}

#[test]
fn a_start_brings_everything_that_was_said() {
    let start = r#"{"type":"start","model_seed":1,"data_seed":2,"perturb_ulps":1,
                    "checkpoint":"/a","unknown":[{}]}"#;
    let mut workload = able(&["perturb", "resume"]);
    let mut peer = Peer::new(&[&start.replace('\n', "")]);
    serve_stream(&mut workload, &mut peer).unwrap();
    let expected = Start {
        model_seed: 1,
        data_seed: 2,
        perturb_ulps: 1,
        checkpoint: Some("/a".into()),
    };
    assert_eq!(workload.calls, [format!("{expected:?}")]);
}

/// The last of these requests ends the loop: both sides get the same text, which has this part.
#[track_caller]
fn fails(mut workload: Scripted, requests: &[&str], part: &str) {
    let mut peer = Peer::new(requests);
    let error = serve_stream(&mut workload, &mut peer).expect_err("it cannot be answered");
    assert!(error.to_string().contains(part), "{error}");
    let message: String = error.to_string().chars().take(400).collect();
    let reply = json!({"type": "error", "message": message});
    assert_eq!(peer.replies().pop(), Some(reply));
    assert_eq!(peer.replies().len(), requests.len() + 1, "one answer each");
}

#[test]
fn requests_that_cannot_be_answered_end_the_loop_with_an_error() {
    let save = r#"{"type":"save","path":"/x"}"#;
    let perturbed = START.replace('}', r#","perturb_ulps":1}"#);
    let resumed = START.replace('}', r#","checkpoint":"/x"}"#);
    let nested = r#"{"type":"stop","x":"#.to_owned() + &"[".repeat(100_000);
    let longest = " ".repeat(MAX_MESSAGE_BYTES - 1);
    let too_long = format!("{longest} ");
    for (requests, part) in [
        (&["hello?"][..], "not in the step protocol"),
        (&[""], "not in the step protocol"),
        (&["{}"], "missing field `type`"),
        (&[r#"{"type":"dance"}"#], "unknown variant `dance`"),
        (&[r#"{"type":"start"}"#], "missing field `model_seed`"),
        (
            &[r#"{"type":"start","model_seed":-1,"data_seed":0}"#],
            "invalid value",
        ),
        (&[r#"{"type":"step","n":1}"#], "`step` before `start`"),
        (&[save], "`save` before `start`"),
        (&[START, save], "`save`, which is not in `can`"),
        (&[&perturbed], "`perturb`, which is not in `can`"),
        (&[&resumed], "`resume`, which is not in `can`"),
        (
            &[START, r#"{"type":"step","n":0}"#],
            "n = 0 must be between 1 and 40000",
        ),
        (&[START, r#"{"type":"step","n":40001}"#], "n = 40001 must"),
        (&[START, r#"{"type":"step","n":-1}"#], "invalid value"),
        (
            &[START, r#"{"type":"step","n":4294967296}"#],
            "invalid value",
        ),
        (&[&nested], "recursion limit"),
        (&[&longest], "EOF while parsing"),
        (&[&too_long], "more than 1024 KiB"),
    ] {
        fails(able(&[]), requests, part);
    }
}

#[test]
fn what_the_workload_does_wrong_is_told() {
    let requests = [START, r#"{"type":"step","n":3}"#];
    let long = "ä".repeat(MAX_MESSAGE_BYTES);
    let outer = Outer(io::Error::other("no space left"));
    for (error, part) in [
        (
            Box::new(outer) as WorkloadError,
            "the data set is gone: no space left",
        ),
        (long.clone().into(), &long),
    ] {
        let mut workload = able(&[]);
        workload.error = Some(error);
        fails(workload, &requests, part);
    }
    let mut workload = able(&[]);
    workload.surplus = 1;
    fails(workload, &requests, "4 losses for 3 steps");
    let save = r#"{"type":"save","path":"/x"}"#;
    let part = "/x: this workload does not save checkpoints";
    fails(able(&["save"]), &[START, save], part);
}

#[test]
fn bytes_that_are_not_text_and_lines_without_an_end_are_errors() {
    for (bytes, part) in [
        (&b"\xff\xfe{\n"[..], "not in the step protocol"),
        (
            b"{\"type\":\"stop\"}",
            "ended inside a request, after 15 bytes",
        ),
        (&[b'x'; MAX_MESSAGE_BYTES + 1], "more than 1024 KiB"),
    ] {
        let mut peer = Peer::default();
        peer.lines.push_back(bytes.to_vec());
        let error = serve_stream(&mut able(&[]), &mut peer).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn it_answers_over_a_socket_until_that_is_closed() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        let mut workload = able(&["save"]);
        serve_stream(&mut workload, theirs).map(|()| workload.calls)
    });
    let mut replies = BufReader::new(&ours).lines();
    let mut next = || serde_json::from_str::<Reply>(&replies.next().unwrap().unwrap()).unwrap();
    assert!(matches!(next(), Reply::Hello(hello) if hello.can == ["save"]));
    for n in 1..=3 {
        let request = match n {
            1 => START.to_owned(),
            n => serde_json::to_string(&Request::Step { n }).unwrap(),
        };
        (&ours)
            .write_all(format!("{request}\n").as_bytes())
            .unwrap();
        let reply = next();
        assert_eq!(reply == Reply::Ready, n == 1, "{reply:?}");
    }
    ours.shutdown(std::net::Shutdown::Both).unwrap();
    let calls = server.join().unwrap().unwrap();
    assert_eq!(calls[1..], ["steps 2", "steps 3"]);
}

#[test]
fn a_peer_that_is_gone_is_an_error() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    let error = serve_stream(&mut able(&[]), theirs).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot write to outpace: "),
        "{error}"
    );
}

#[test]
fn the_most_losses_fit_into_a_message() {
    let losses = vec![Some(-f64::MIN_POSITIVE); MAX_STEPS as usize];
    let done = Reply::Done {
        step: u64::MAX,
        losses,
    };
    let bytes = serde_json::to_vec(&done).unwrap().len();
    assert!(bytes < MAX_MESSAGE_BYTES, "{bytes}");
}

#[test]
fn requests_are_written_as_the_protocol_says() {
    let start = |perturb_ulps| Request::Start {
        model_seed: 7,
        data_seed: 9,
        perturb_ulps,
        checkpoint: None,
    };
    for (request, text) in [
        (start(None), START),
        (start(Some(1)), &START.replace('}', r#","perturb_ulps":1}"#)),
        (Request::Step { n: 4 }, r#"{"type":"step","n":4}"#),
        (
            Request::Save { path: "/x".into() },
            r#"{"type":"save","path":"/x"}"#,
        ),
        (Request::Stop, r#"{"type":"stop"}"#),
    ] {
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
    }
}

#[test]
fn a_checkpoint_is_written_where_outpace_says() {
    struct Saves(Vec<String>);
    impl Workload for Saves {
        fn hello(&self) -> Hello {
            Hello {
                can: vec![outpace_step::SAVE.to_owned()],
                ..Hello::default()
            }
        }
        fn start(&mut self, _: &Start) -> Result<(), WorkloadError> {
            Ok(())
        }
        fn steps(&mut self, _: u32) -> Result<Vec<f64>, WorkloadError> {
            unreachable!("no step was asked for")
        }
        fn save(&mut self, path: &Path) -> Result<(), WorkloadError> {
            self.0.push(path.display().to_string());
            Ok(())
        }
    }
    let mut workload = Saves(Vec::new());
    let mut peer = Peer::new(&[START, r#"{"type":"save","path":"/a b"}"#]);
    serve_stream(&mut workload, &mut peer).unwrap();
    assert_eq!(workload.0, ["/a b"]);
    assert_eq!(peer.replies().pop(), Some(json!({"type": "saved"})));
}

#[test]
fn the_example_in_the_documents_is_the_one_that_compiles() {
    let source = include_str!("../src/lib.rs");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text: Vec<&str> = lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
    let text = text.join("\n");
    let example = text.split("```").nth(1).unwrap();
    let (_, example) = example.split_once('\n').unwrap();
    let document = include_str!("../../../docs/protocol.md");
    assert!(document.contains(&format!("```rust\n{example}```")));
}
