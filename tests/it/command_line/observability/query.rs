//! Reads of a PromQL expression which metrics it uses, how, and which labels it names.

/// What an expression asks for.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// The metrics, in the order of the text.
    pub(super) uses: Vec<Use>,
    /// The labels that it groups or joins by.
    pub(super) labels: Vec<String>,
}

/// One metric in an expression.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) metric: String,
    /// The functions and aggregations around it.
    pub(super) within: Vec<String>,
    /// The labels it is chosen by, each with the values it may have.
    pub(super) matchers: Vec<(String, Vec<String>)>,
}

/// Words before a list of labels in parentheses.
const GROUPING: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

impl Query {
    /// Reads an expression about metrics of Hiveway, of its process, and `up`.
    pub(super) fn read(text: &str) -> Self {
        Self::read_where(text, |name| {
            name == "up" || name.starts_with("hiveway_") || name.starts_with("process_")
        })
    }

    /// Reads an expression about these metrics.
    pub(super) fn read_with(text: &str, metrics: &[&str]) -> Self {
        Self::read_where(text, |name| metrics.contains(&name))
    }

    fn read_where(text: &str, is_metric: impl Fn(&str) -> bool) -> Self {
        let mut query = Self::default();
        // The word before each parenthesis that is open.
        let mut open: Vec<String> = Vec::new();
        let mut last = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
            let length = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
            if length > 0 {
                let (word, after) = rest.split_at(length);
                rest = after;
                word.clone_into(&mut last);
                let listed = open
                    .last()
                    .is_some_and(|it| GROUPING.contains(&it.as_str()));
                let read = open.last().is_some_and(|it| it == "label_values");
                if is_metric(word) {
                    let matchers = match rest.strip_prefix('{') {
                        Some(inner) => {
                            let (inner, after) = inner.split_once('}').expect("a closing brace");
                            rest = after;
                            matchers(inner)
                        }
                        None => Vec::new(),
                    };
                    query.uses.push(Use {
                        metric: word.to_owned(),
                        within: open.clone(),
                        matchers,
                    });
                } else if listed || read {
                    query.labels.push(word.to_owned());
                } else {
                    // A misspelt metric must not pass for something else.
                    assert!(!word.contains("_total"), "{word} in {text}");
                }
                continue;
            }
            match next {
                '(' => open.push(std::mem::take(&mut last)),
                ')' => {
                    open.pop().expect("an open parenthesis");
                    last.clear();
                }
                // A range; what is in it is no word.
                '[' => rest = &rest[rest.find(']').expect("a closing bracket")..],
                ' ' => {}
                _ => last.clear(),
            }
            rest = &rest[next.len_utf8().min(rest.len())..];
        }
        assert!(open.is_empty(), "open parentheses: {text}");
        query
    }
}

/// Reads `label="a",other=~"b|c"`. What a variable of the dashboard stands for is not known here.
fn matchers(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut parts = text.split('"');
    while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
        let label = label.trim_matches(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let values = value.split('|').filter(|it| !it.starts_with('$'));
        found.push((label.to_owned(), values.map(str::to_owned).collect()));
    }
    found
}
