//! A temporary folder with a small config, and the binary run in it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::{Value, json};

/// Learns in a second, has every part of a real one.
pub(crate) const TINY: &str = "\
[model]
symbols = 32
width = 16
layers = 2
heads = 2
sequence = 16

[data]
batch = 4
language = { seed = 1, successors = 3, classes = 2, smoothing = 0.02 }

[optimizer]
learning_rate = 1e-2
warmup_steps = 5

[run]
threads = 2
";

pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with_config(TINY)
    }

    pub(crate) fn with_config(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tiny.toml"), config).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// `outpace-gpt VERB --config tiny.toml ARGUMENTS` in this folder; `arguments` are split at
    /// spaces.
    pub(crate) fn run(&self, verb: &str, arguments: &str) -> Output {
        self.command(verb)
            .args(arguments.split_whitespace())
            .output()
            .unwrap()
    }

    /// The same, and it must succeed; its standard output.
    #[track_caller]
    pub(crate) fn succeed(&self, verb: &str, arguments: &str) -> String {
        let output = self.run(verb, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb} {arguments}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Connects the binary as outpace would, and hears its hello.
    pub(crate) fn connect(&self) -> Peer {
        let socket = self.path("socket");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let child = self
            .command("train")
            .env("OUTPACE_SOCKET", &socket)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let mut peer = Peer {
            child,
            stream: Some(stream),
            reader,
            hello: Value::Null,
        };
        peer.hello = peer.hear();
        peer
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpace-gpt"));
        command
            .current_dir(self.folder.path())
            .env_remove("OUTPACE_SOCKET")
            .args([verb, "--config", "tiny.toml"]);
        command
    }
}

/// The other end of the step protocol.
pub(crate) struct Peer {
    child: Child,
    stream: Option<UnixStream>,
    reader: BufReader<UnixStream>,
    pub(crate) hello: Value,
}

impl Peer {
    pub(crate) fn say(&mut self, line: &str) {
        let stream = self.stream.as_mut().expect("not hung up");
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.say(&request.to_string());
        self.hear()
    }

    #[track_caller]
    pub(crate) fn start(&mut self, more: &Value) {
        let mut request = json!({"type": "start", "model_seed": 7, "data_seed": 9});
        let fields = request.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        assert_eq!(self.ask(&request), json!({"type": "ready"}));
    }

    #[track_caller]
    pub(crate) fn steps(&mut self, n: usize) -> Vec<f64> {
        let answer = self.ask(&json!({"type": "step", "n": n}));
        assert_eq!(answer["type"], "done", "{answer}");
        let losses = answer["losses"].as_array().unwrap();
        assert_eq!(losses.len(), n);
        losses.iter().map(|loss| loss.as_f64().unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn save(&mut self, path: &Path) {
        let answer = self.ask(&json!({"type": "save", "path": path}));
        assert_eq!(answer, json!({"type": "saved"}));
    }

    /// Closes both directions of the socket.
    pub(crate) fn hang_up(&mut self) {
        let stream = self.stream.take().expect("not hung up");
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    }

    pub(crate) fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn stop(mut self) {
        self.say(r#"{"type":"stop"}"#);
        assert!(self.end().success());
    }
}
