//! A headless Chromium, spoken to by its own protocol over a pair of pipes.
//!
//! It reads commands from its descriptor 3 and writes to 4, each message ended by a zero byte; a shell makes these of its
//! standard input and output.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;
use crate::needs::needed;

/// Elements whose text stands out less than 4.5 to 1 from what is behind it, which is what people with weak sight need.
pub(super) const FAINT: &str = "(() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => numbers(colour).slice(0, 3).map((it) => it / 255)
        .map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4)
        .reduce((sum, it, index) => sum + it * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = (it) => {
        for (; it; it = it.parentElement) {
            const colour = getComputedStyle(it).backgroundColor;
            if (numbers(colour)[3] !== 0) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const words = [...document.body.querySelectorAll('*')]
        .filter((it) => [...it.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
    return words.map((it) => {
        const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((a, b) => b - a);
        return [`${it.tagName} ${it.className}: ${it.textContent.slice(0, 40)}`, (a + 0.05) / (b + 0.05)];
    }).filter(([, contrast]) => contrast < 4.5).map(([name, contrast]) => `${name} ${contrast.toFixed(2)}`);
})()";

/// What distributions call it, the lightest first.
const NAMES: [&str; 4] = [
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
];

/// The browser that is installed.
pub(super) async fn program() -> &'static str {
    let find = async {
        for name in NAMES {
            let found = Command::new(name)
                .arg("--version")
                .stdin(Stdio::null())
                .output();
            if found.await.is_ok_and(|it| it.status.success()) {
                return Ok(name);
            }
        }
        Err(format!("none of {} is installed", NAMES.join(", ")))
    };
    needed(find).await
}

/// One page in a browser of its own. The browser ends with it.
pub(super) struct Page {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<String>,
    sent: u64,
    told: Vec<Value>,
    _browser: Child,
    _profile: Folder,
}

impl Page {
    /// Opens a page where this scheme of colours (`light` or `dark`) is preferred.
    pub(super) async fn open(program: &str, scheme: &str, url: &str) -> Self {
        let profile = Folder::new();
        let mut browser = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .arg(program)
            // Where tests are root, as in a container, there is no sandbox; nothing but the page under test is loaded.
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut page = Self {
            input: browser.stdin.take().expect("it is piped"),
            output: BufReader::new(browser.stdout.take().expect("it is piped")),
            session: None,
            sent: 0,
            told: Vec::new(),
            _browser: browser,
            _profile: profile,
        };
        let target = page
            .call("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = page.call("Target.attachToTarget", attach).await;
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page.resize(1280, 900).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        page.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
        page.call("Page.navigate", json!({ "url": url })).await;
        page
    }

    /// Gives the window so many pixels.
    pub(super) async fn resize(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// The value of an expression in the page. A promise is waited for.
    pub(super) async fn value(&mut self, expression: &str) -> Value {
        let what = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", what).await;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        answer["result"]["value"].clone()
    }

    /// Looks at an expression until it has this value, for at most `bound`.
    pub(super) async fn becomes(&mut self, bound: Duration, expression: &str, wanted: &Value) {
        let so = eventually(expression, bound, async || {
            let value = self.value(expression).await;
            match value == *wanted {
                true => Ok(()),
                false => Err(value.to_string()),
            }
        });
        so.await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Presses and releases a key.
    pub(super) async fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text,
            });
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// What a screen reader is told: role and name of everything that is not hidden from it.
    pub(super) async fn accessible(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().expect("a list");
        let shown = nodes.iter().filter(|it| it["ignored"] == false);
        let text = |it: &Value| it["value"].as_str().unwrap_or_default().to_owned();
        shown
            .map(|it| (text(&it["role"]), text(&it["name"])))
            .collect()
    }

    /// What the page has written to the console as a warning or an error, or the browser about it.
    pub(super) fn complaints(&self) -> Vec<&Value> {
        let complains = |it: &&Value| match it["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => ["warning", "error", "assert"]
                .iter()
                .any(|kind| it["params"]["type"] == *kind),
            Some("Log.entryAdded") => ["warning", "error"]
                .iter()
                .any(|level| it["params"]["entry"]["level"] == *level),
            _ => false,
        };
        self.told.iter().filter(complains).collect()
    }

    /// Every address that the page has asked.
    pub(super) fn asked(&self) -> Vec<&str> {
        let requests = self
            .told
            .iter()
            .filter(|it| it["method"] == "Network.requestWillBeSent");
        requests
            .filter_map(|it| it["params"]["request"]["url"].as_str())
            .collect()
    }

    /// A picture of what can be seen, as WebP in base 64.
    pub(super) async fn picture(&mut self) -> String {
        let kind = json!({ "format": "webp", "quality": 82 });
        let picture = self.call("Page.captureScreenshot", kind).await;
        picture["data"].as_str().expect("a picture").to_owned()
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut command = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).await.expect("it reads");
        loop {
            let mut bytes = Vec::new();
            let read = bounded(self.output.read_until(0, &mut bytes)).await;
            assert_ne!(read.expect("it writes"), 0, "the browser ended at {method}");
            bytes.pop();
            let mut message: Value = serde_json::from_slice(&bytes).expect("JSON");
            if message["id"] == self.sent {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.told.push(message);
        }
    }
}
