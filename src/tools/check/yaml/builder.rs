//! Makes a tree of the parser's events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::Event;

use super::{DEEPEST, Entry, Kind, MOST_ALIASED, Node, Scalar, Value};
use crate::core::labels::shown;
use crate::tools::check::finding::{Finding, Findings};
use crate::tools::check::source::Span;

/// What is being read.
#[derive(Default)]
pub(super) struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    /// How many nodes the aliases so far stand for.
    aliased: usize,
    /// What Docker refuses, though it can be read.
    pub(super) findings: Findings,
}

/// A collection that has not ended.
struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Arc<Node>>),
    Map {
        entries: Vec<Entry>,
        /// What `<<` names, in order.
        merged: Vec<(Span, Arc<Node>)>,
        key: Option<Key>,
    },
}

struct Key {
    text: Arc<str>,
    span: Span,
    merges: bool,
}

/// A finding after which there is no tree.
type Refused = Box<Finding>;

impl Builder {
    /// Takes the next event; gives the root once it is whole.
    pub(super) fn take(
        &mut self,
        event: Event<'_>,
        span: Span,
    ) -> Result<Option<Arc<Node>>, Refused> {
        let (node, span) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar::resolve(text.into(), style, tag.as_deref());
                (self.close(span, anchor, Value::Scalar(scalar))?, span)
            }
            Event::SequenceStart(_, anchor, _) => {
                return self.open(span, anchor, Content::List(Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Map {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                };
                return self.open(span, anchor, content);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(None);
                };
                let whole = Span {
                    end: span.end.max(open.span.start),
                    ..open.span
                };
                let value = match open.content {
                    Content::List(items) => Value::List(items),
                    Content::Map {
                        entries, merged, ..
                    } => Value::Map(self.merge(entries, &merged)?),
                };
                (self.close(whole, open.anchor, value)?, whole)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Box::new(Finding::error(
                        span,
                        "the alias stands inside of what it stands for",
                        "write the value out",
                    )));
                };
                let node = Arc::clone(node);
                self.count(span, node.weight)?;
                (node, span)
            }
            _ => return Ok(None),
        };
        self.put(node, span)
    }

    fn open(
        &mut self,
        span: Span,
        anchor: usize,
        content: Content,
    ) -> Result<Option<Arc<Node>>, Refused> {
        self.open.push(Open {
            span,
            anchor,
            content,
        });
        Ok(None)
    }

    /// Makes a node of a value that is whole.
    fn close(&mut self, span: Span, anchor: usize, value: Value) -> Result<Arc<Node>, Refused> {
        let children: Vec<&Arc<Node>> = match &value {
            Value::Scalar(_) => Vec::new(),
            Value::List(items) => items.iter().collect(),
            Value::Map(entries) => entries.iter().map(|entry| &entry.node).collect(),
        };
        let weights = children.iter().map(|node| node.weight);
        let weight = weights.fold(1, usize::saturating_add);
        let depth = children.iter().map(|node| node.depth).max();
        let depth = 1 + depth.unwrap_or_default();
        if depth > DEEPEST {
            return Err(Box::new(Finding::error(
                Span {
                    end: span.start,
                    ..span
                },
                format!("collections are nested more than {DEEPEST} levels deep"),
                "a stack file has a dozen levels at most: check what made this one",
            )));
        }
        let node = Arc::new(Node {
            span,
            value,
            weight,
            depth,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    /// Puts a node where it belongs; `span` is where it is written, or its alias.
    fn put(&mut self, node: Arc<Node>, span: Span) -> Result<Option<Arc<Node>>, Refused> {
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(node));
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map {
                entries,
                merged,
                key,
            } => match key.take() {
                None => *key = Some(read_key(&node, span, &mut self.findings)?),
                Some(Key { span, merges, .. }) if merges => merged.push((span, node)),
                Some(Key { text, span, .. }) => entries.push(Entry {
                    key: text,
                    key_span: span,
                    node,
                }),
            },
        }
        Ok(None)
    }

    /// Refuses keys that are there twice, and adds what `<<` brings.
    fn merge(
        &mut self,
        written: Vec<Entry>,
        merged: &[(Span, Arc<Node>)],
    ) -> Result<Vec<Entry>, Refused> {
        let mut first: HashMap<Arc<str>, Span> = HashMap::new();
        let mut entries = Vec::with_capacity(written.len());
        for entry in written {
            if let Some(first) = first.get(&entry.key) {
                self.twice(&entry.key, entry.key_span, *first);
                continue;
            }
            first.insert(Arc::clone(&entry.key), entry.key_span);
            entries.push(entry);
        }
        if let [(first, _), rest @ ..] = merged {
            for (span, _) in rest {
                self.twice("<<", *span, *first);
            }
        }
        let mut known: HashSet<Arc<str>> = first.into_keys().collect();
        for (span, node) in merged.iter().take(1) {
            let maps = match &node.value {
                Value::List(maps) => maps.iter().collect(),
                Value::Map(_) | Value::Scalar(_) => vec![node],
            };
            for map in maps {
                let Some(more) = map.entries() else {
                    let message = format!("`<<` merges maps only, and this is {}", map.what());
                    let remedy =
                        "name an anchor of a map, such as `<<: *defaults`, or a list of those";
                    self.findings.push(Finding::error(*span, message, remedy));
                    continue;
                };
                let more = more
                    .iter()
                    .filter(|entry| known.insert(Arc::clone(&entry.key)));
                let more: Vec<Entry> = more.cloned().collect();
                self.count(*span, more.len())?;
                entries.extend(more);
            }
        }
        Ok(entries)
    }

    fn twice(&mut self, key: &str, span: Span, first: Span) {
        let message = format!("the key \"{}\" is there already", shown(key));
        let finding = Finding::error(span, message, "keep one of the two");
        self.findings.push(finding.beside(first, "here"));
    }

    /// Bounds what aliases stand for.
    fn count(&mut self, span: Span, nodes: usize) -> Result<(), Refused> {
        self.aliased = self.aliased.saturating_add(nodes);
        if self.aliased <= MOST_ALIASED {
            return Ok(());
        }
        Err(Box::new(Finding::error(
            span,
            format!(
                "with this alias the file would have more than {MOST_ALIASED} values when written out"
            ),
            "use fewer aliases of aliases; Docker refuses files like this, too",
        )))
    }
}

/// A key is text; Docker refuses others.
fn read_key(node: &Node, span: Span, findings: &mut Findings) -> Result<Key, Refused> {
    let Value::Scalar(scalar) = &node.value else {
        return Err(Box::new(Finding::error(
            Span {
                end: span.start,
                ..span
            },
            format!("a key is {}", node.what()),
            "write a name before the colon; a value that begins with `{{` stands in quotes",
        )));
    };
    let is_text = scalar.is_merge || scalar.kind == Kind::Text;
    if !is_text {
        findings.push(Finding::error(
            span,
            format!("Docker takes text for a key, and this is {}", node.what()),
            format!("write it in quotes, \"{}\"", scalar.text.escape_debug()),
        ));
    }
    Ok(Key {
        text: scalar.text.as_str().into(),
        span,
        merges: scalar.is_merge,
    })
}
