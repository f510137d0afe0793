//! Single values, as they are once their variables are replaced.

use super::shape::{Form, From, Shape};
use crate::tools::check::interpolation::{self, Variables};
use crate::tools::check::yaml::{Kind, Node, Scalar, Value};

/// The longest item of a list that is compared with the others, in bytes. Those of stack files have some dozen; aliases make a
/// small file large, and it is all kept.
const LONGEST: usize = 1024;

/// A scalar whose variables are replaced.
pub(super) struct Resolved {
    kind: Kind,
    /// As Docker writes it where it needs text.
    pub(super) text: String,
    /// Whether a variable was replaced, so that Docker converts the text where it needs a number.
    replaced: bool,
}

/// `None` where a variable cannot be replaced.
pub(super) fn resolve(scalar: &Scalar, variables: &Variables) -> Option<Resolved> {
    let (text, replaced) = match &scalar.kind {
        Kind::Text => {
            let text = interpolation::replace(&scalar.text, variables).ok()?.text;
            let replaced = text != scalar.text;
            (text, replaced)
        }
        Kind::Number(number) => (number.clone(), false),
        Kind::Null | Kind::Boolean => (scalar.text.clone(), false),
    };
    Some(Resolved {
        kind: scalar.kind.clone(),
        text,
        replaced,
    })
}

impl Resolved {
    /// Whether it is what a shape asks for, whatever form its text may have to have.
    pub(super) fn fits(&self, shape: &Shape) -> bool {
        let is_text = self.kind == Kind::Text;
        let is_number = matches!(self.kind, Kind::Number(_));
        let converted = |from: &From| is_text && self.replaced && *from == From::Variable;
        match shape {
            Shape::Any => true,
            Shape::Null => self.kind == Kind::Null,
            Shape::Form(Form::Port) => is_text || is_number,
            Shape::Text | Shape::Form(_) | Shape::Words(_) => is_text,
            Shape::Boolean(from) => {
                self.kind == Kind::Boolean || converted(from) && is_boolean(&self.text)
            }
            Shape::Number(from) => {
                (is_number && !matches!(&*self.text, "NaN" | "+Inf" | "-Inf"))
                    || converted(from) && self.text.parse::<f64>().is_ok()
            }
            Shape::Integer(from) => {
                let is_whole = self.text.parse::<i128>().is_ok();
                (is_number || converted(from)) && is_whole
            }
            Shape::Count(from) => {
                let is_count = self.text.parse::<u64>().is_ok();
                (is_number || converted(from)) && is_count
            }
            Shape::List { .. }
            | Shape::Map(_)
            | Shape::Entries(_)
            | Shape::Named(_)
            | Shape::Either(_)
            | Shape::Since(..) => false,
        }
    }
}

/// The words of YAML 1.1, which Docker takes where it converts text.
fn is_boolean(text: &str) -> bool {
    let words = ["y", "yes", "true", "on", "n", "no", "false", "off"];
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A text that is the same for equal values only; `None` for what is too long or cannot be read.
pub(super) fn canonical(node: &Node, variables: &Variables) -> Option<String> {
    let mut written = String::new();
    write(node, variables, &mut written)?;
    Some(written)
}

fn write(node: &Node, variables: &Variables, to: &mut String) -> Option<()> {
    match &node.value {
        Value::Scalar(scalar) => {
            if scalar.text.len() > LONGEST {
                return None;
            }
            let resolved = resolve(scalar, variables)?;
            let is_text = resolved.kind == Kind::Text;
            let kind = if is_text { "text" } else { "" };
            to.push_str(&format!("{kind}{:?},", resolved.text));
        }
        Value::List(items) => {
            to.push('[');
            for item in items {
                write(item, variables, to)?;
            }
            to.push_str("],");
        }
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|one, other| one.key.cmp(&other.key));
            to.push('{');
            for entry in entries {
                to.push_str(&format!("{:?}:", entry.key));
                write(&entry.node, variables, to)?;
            }
            to.push_str("},");
        }
    }
    (to.len() <= LONGEST).then_some(())
}
