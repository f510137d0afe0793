//! The head of an HTTP/1 message, read without mercy on whoever wrote it.

/// A request's or an answer's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The request line or the status line.
    pub(super) first: String,
    /// The headers as they came, in their order.
    pub(super) headers: Vec<(String, String)>,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Head {
    /// Reads the lines of a head, without the empty one at the end.
    pub(super) fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let first = lines.next().expect("a first line").to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line
                    .split_once(": ")
                    .or_else(|| line.split_once(':'))
                    .unwrap_or_else(|| panic!("no colon in {line:?}"));
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Self { first, headers }
    }

    /// Every value of a header.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of a header that stands at most once.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands {} times", all.len());
        all.first().copied()
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        let status = self.first.split(' ').nth(1).expect("a status");
        status.parse().expect("a number")
    }

    /// The framing of a request's body.
    pub(super) fn request_framing(&self) -> Framing {
        self.framing().unwrap_or(Framing::Length(0))
    }

    /// The framing of an answer's body.
    pub(super) fn answer_framing(&self, method: &str) -> Framing {
        match self.status() {
            100..200 | 204 | 304 => Framing::Length(0),
            _ if method == "HEAD" => Framing::Length(0),
            _ => self.framing().unwrap_or(Framing::UntilClose),
        }
    }

    fn framing(&self) -> Option<Framing> {
        if let Some(coding) = self.one("transfer-encoding") {
            assert_eq!(coding, "chunked");
            assert_eq!(self.one("content-length"), None, "two framings");
            return Some(Framing::Chunked);
        }
        let length = self.one("content-length")?;
        Some(Framing::Length(length.parse().expect("a length")))
    }
}
