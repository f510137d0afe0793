//! What a value of a stack file may be: the words that the tables are written in.

/// What Docker takes at some place.
#[derive(Debug)]
pub(super) enum Shape {
    /// Anything.
    Any,
    /// Nothing, or `null`.
    Null,
    Text,
    /// Text in a form that Docker reads further.
    Form(Form),
    /// One of these words.
    Words(&'static [&'static str]),
    /// True or false; also from a variable where Docker converts its text.
    Boolean(From),
    /// A number of any kind, a whole one, or one from 0 on.
    Number(From),
    Integer(From),
    Count(From),
    List {
        items: &'static Shape,
        /// Whether an item may not be there twice.
        unique: bool,
    },
    /// A map with known keys.
    Map(&'static Map),
    /// A map with any keys.
    Entries(&'static Shape),
    /// A map with names as its keys: letters, digits, dots, underscores and hyphens.
    Named(&'static Shape),
    /// Any of these, which differ in what YAML calls them.
    Either(&'static [Shape]),
    /// The same, from a version of the format on; inside of [`Shape::Either`] only.
    Since(u8, &'static Shape),
}

/// What a value that is not text may be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// As itself.
    Yaml,
    /// As itself, or as text in which a variable is replaced.
    Variable,
}

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `1m30s`
    Duration,
    /// `512m`
    Size,
    /// `0.5`
    Cpus,
    /// A command line with quotes, as a shell splits it.
    Command,
    /// `[[address:]published:]target[/protocol]`; also a number.
    Port,
    /// `source:target`, which is not empty.
    Volume,
}

/// A map with known keys.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) keys: &'static [Key],
    pub(super) others: Others,
    pub(super) required: &'static [&'static str],
}

/// Keys that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    Refused,
    /// Those that begin with `x-` are taken from a version of the format on.
    Extensions(u8),
    /// All are taken from a version of the format on.
    Taken(u8),
}

/// A known key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The first version of the format that has it: 8 is version 3.8.
    pub(super) since: u8,
    pub(super) shape: Shape,
}

pub(super) const fn key(name: &'static str, shape: Shape) -> Key {
    since(0, name, shape)
}

pub(super) const fn since(since: u8, name: &'static str, shape: Shape) -> Key {
    Key { name, since, shape }
}

/// A map of exactly these keys.
pub(super) const fn exactly(keys: &'static [Key]) -> Map {
    Map {
        keys,
        others: Others::Refused,
        required: &[],
    }
}

/// A map that has these keys among any others.
pub(super) const fn among_others(keys: &'static [Key]) -> Map {
    Map {
        keys,
        others: Others::Taken(0),
        required: &[],
    }
}

pub(super) const DURATION: Shape = Shape::Form(Form::Duration);
pub(super) const TEXTS: Shape = Shape::List {
    items: &Shape::Text,
    unique: false,
};
pub(super) const UNIQUE_TEXTS: Shape = Shape::List {
    items: &Shape::Text,
    unique: true,
};
pub(super) const TEXT_OR_LIST: Shape = Shape::Either(&[Shape::Text, UNIQUE_TEXTS]);
pub(super) const COMMAND: Shape = Shape::Either(&[Shape::Form(Form::Command), TEXTS]);
/// What a health check runs.
pub(super) const TEST: Shape = Shape::Either(&[Shape::Text, TEXTS]);
pub(super) const TEXT_OR_NUMBER: Shape = Shape::Either(&[Shape::Text, Shape::Number(From::Yaml)]);
pub(super) const TEXT_NUMBER_OR_NULL: Shape =
    Shape::Either(&[Shape::Text, Shape::Number(From::Yaml), Shape::Null]);
/// `key: value`, or `- key=value`.
pub(super) const PAIRS: Shape =
    Shape::Either(&[Shape::Entries(&TEXT_NUMBER_OR_NULL), UNIQUE_TEXTS]);
pub(super) const OPTIONS: Shape = Shape::Entries(&TEXT_OR_NUMBER);

impl Shape {
    /// For people, behind "must be".
    pub(super) fn expected(&self, version: u8) -> String {
        match self {
            Self::Any => "anything".into(),
            Self::Null => "empty".into(),
            Self::Text | Self::Words(_) => "text".into(),
            Self::Form(Form::Duration) => "a length of time, as text".into(),
            Self::Form(Form::Port) => "text or a number".into(),
            Self::Form(_) => "text".into(),
            Self::Boolean(_) => "true or false".into(),
            Self::Number(_) => "a number".into(),
            Self::Integer(_) | Self::Count(_) => "a whole number".into(),
            Self::List { .. } => "a list".into(),
            Self::Map(_) | Self::Entries(_) | Self::Named(_) => "a map".into(),
            Self::Either(shapes) => {
                let shapes = shapes.iter().filter(|it| it.exists(version));
                let mut words: Vec<String> = shapes.map(|it| it.expected(version)).collect();
                words.dedup();
                match words.split_last() {
                    Some((last, [])) => last.clone(),
                    Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                    None => String::new(),
                }
            }
            Self::Since(_, shape) => shape.expected(version),
        }
    }

    pub(super) fn exists(&self, version: u8) -> bool {
        !matches!(self, Self::Since(since, _) if *since > version)
    }
}
