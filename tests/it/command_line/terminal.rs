//! What a person sees of an instance at a terminal, and while it is away.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;

use super::process::{Process, command};
use crate::bounded::bounded;
use crate::folder::Folder;

const NAME: &str = "payments-production_web-frontend-of-european-customers";

/// A terminal with a command in it.
struct Terminal {
    child: Child,
    text: mpsc::UnboundedReceiver<String>,
    seen: String,
}

impl Terminal {
    fn start(
        columns: u16,
        rows: u16,
        arguments: &[&str],
        variables: &[(&'static str, &str)],
    ) -> Self {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&outer).expect("a terminal");
        unlockpt(&outer).expect("a terminal");
        let name = ptsname(&outer, Vec::new()).expect("its name");
        let inner = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its inside");
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&inner, size).expect("a size");
        let variables = variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let child = command(arguments, variables)
            .stdout(Stdio::from(inner))
            .spawn()
            .expect("it starts");
        let (tell, text) = mpsc::unbounded_channel();
        let mut outer = std::fs::File::from(outer);
        // Ends with the last process that holds the other side.
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(read @ 1..) = outer.read(&mut bytes) {
                let _ = tell.send(String::from_utf8_lossy(&bytes[..read]).into_owned());
            }
        });
        Self {
            child,
            text,
            seen: String::new(),
        }
    }

    /// All that it writes until it ends.
    async fn whole(mut self) -> String {
        let ended = bounded(self.child.wait()).await.expect("it ran");
        assert!(ended.success(), "{ended:?}");
        while let Some(text) = bounded(self.text.recv()).await {
            self.seen.push_str(&text);
        }
        self.seen.replace('\r', "")
    }

    /// What stands on the screen once this is so.
    async fn screen(&mut self, is_so: impl Fn(&str) -> bool) -> String {
        let shown = async {
            loop {
                let frames = self.seen.rsplit("\u{1b}[H");
                let mut whole = frames.filter_map(|it| it.strip_suffix("\u{1b}[J"));
                if let Some(frame) = whole.find(|frame| is_so(frame)) {
                    let frame = frame.replace("\u{1b}[K", "").replace('\r', "");
                    self.seen.clear();
                    return frame;
                }
                let text = self.text.recv().await.expect("it goes on");
                self.seen.push_str(&text);
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), shown).await {
            Ok(frame) => frame,
            Err(_) => panic!("it does not come, but {}", self.seen.escape_debug()),
        }
    }
}

/// An instance with a service of a long name, and where its admin listens.
async fn instance(folder: &Folder, admin: &str) -> (Process, String) {
    let inventory = folder.file("inventory.json");
    let arguments = format!(
        "--inventory {inventory} --controllers 127.0.0.1:1 --listen-internal 127.0.0.1:0 --admin {admin} --grace 1s --log-format json"
    );
    let mut process = Process::start(arguments.split(' ').map(str::to_owned), []);
    let line = process.listens().await;
    process.line_with("warmed up").await;
    let admin = line["admin"].as_str().expect("an address").to_owned();
    (process, admin)
}

fn folder() -> Folder {
    let hosts = "customers.production.example.com; www.customers.production.example.com";
    let inventory = json!({ "services": [{
        "name": NAME,
        "labels": { "hiveway.routing.port_80": hosts, "hiveway.probe.url": "none" },
        "tasks": [{ "container": "c1".repeat(32), "address": "127.0.0.2" }],
    }] });
    Folder::with("inventory.json", &inventory.to_string())
}

#[tokio::test]
async fn tables_fit_a_terminal_and_nothing_is_cut_elsewhere() {
    let folder = folder();
    let (process, admin) = instance(&folder, "127.0.0.1:0").await;
    let admin = format!("http://{admin}");
    let status = ["status", "--interval", "100ms", "--admin-url", &admin];
    let plain = Terminal::start(80, 24, &status, &[("NO_COLOR", "1")])
        .whole()
        .await;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert!(plain.contains("payments-produc…pean-customers"), "{plain}");
    let longest = plain.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{plain}");

    let coloured = Terminal::start(80, 24, &status, &[]).whole().await;
    assert!(coloured.contains("\u{1b}[32m1/1\u{1b}[0m"), "{coloured:?}");
    for (columns, variables) in [(200, &[][..]), (80, &[("TERM", "dumb")])] {
        let whole = Terminal::start(columns, 24, &status, variables)
            .whole()
            .await;
        assert!(whole.contains(NAME) && !whole.contains('…'), "{whole}");
    }
    let piped = bounded(command(status, []).output()).await.expect("it ran");
    let piped = String::from_utf8_lossy(&piped.stdout);
    assert!(piped.contains(NAME) && !piped.contains('…'), "{piped}");
    process.terminate();
    process.ended().await;
}

#[tokio::test]
async fn watch_shows_an_instance_leaving_and_returning() {
    let folder = folder();
    let (process, admin) = instance(&folder, "127.0.0.1:0").await;
    let url = format!("http://{admin}");
    let watch = [
        "status",
        "--watch",
        "--interval",
        "100ms",
        "--admin-url",
        &url,
    ];
    let mut terminal = Terminal::start(80, 32, &watch, &[]);
    let mut low = Terminal::start(80, 8, &watch, &[]);
    let before = terminal.screen(|it| it.contains("1/1")).await;
    assert!(!before.contains("no answer"), "{before}");
    let cut = low.screen(|it| it.contains(" more lines")).await;
    assert_eq!(cut.lines().count(), 7, "{cut}");

    process.terminate();
    process.ended().await;
    let away = terminal.screen(|it| it.contains("no answer for")).await;
    assert!(
        away.contains("asking again") && away.contains("1/1"),
        "{away}"
    );
    assert!(away.lines().count() < 32, "{away}");

    let (process, _) = instance(&folder, &admin).await;
    let back = |it: &str| it.contains("1/1") && !it.contains("no answer");
    terminal.screen(back).await;
    process.terminate();
    process.ended().await;
}

#[tokio::test]
async fn event_stream_reports_a_lost_instance_and_loses_no_event() {
    let folder = folder();
    let (process, admin) = instance(&folder, "127.0.0.1:0").await;
    let url = format!("http://{admin}");
    let mut following = command(["events", "--follow", "--admin-url", &url], [])
        .spawn()
        .expect("it starts");
    let mut events = BufReader::new(following.stdout.take().expect("it is piped")).lines();
    let mut complaints = BufReader::new(following.stderr.take().expect("it is piped")).lines();
    let mut warmed_up = async || {
        let said = async {
            while let Some(line) = events.next_line().await.expect("text") {
                if line.contains("kind=warmed_up") {
                    return;
                }
            }
            panic!("it ended");
        };
        bounded(said).await;
    };
    warmed_up().await;
    process.terminate();
    process.ended().await;
    let told = bounded(complaints.next_line()).await.expect("text");
    let told = told.expect("a complaint");
    assert!(told.ends_with("; asking again"), "{told}");

    let (process, _) = instance(&folder, &admin).await;
    warmed_up().await;
    let told = bounded(complaints.next_line()).await.expect("text");
    assert_eq!(told.as_deref(), Some("hiveway: the instance answers again"));
    process.terminate();
    process.ended().await;
}
