//! Values held against the JSON schemas of the admin listener's description: the part of the language that it uses, and a
//! failure for anything else.

use serde_json::Value;

/// Why a value is not as a schema says; none where it is.
pub(super) fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    check(document, schema, value, "").err()
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let rules = schema.as_object().expect("a schema is an object");
    for (rule, wanted) in rules {
        let fail = |why: String| {
            Err(format!(
                "{}: {why}: {value}",
                if at.is_empty() { "/" } else { at }
            ))
        };
        match rule.as_str() {
            "description" => {}
            "$ref" => {
                let pointer = wanted.as_str().expect("text").trim_start_matches('#');
                let target = document.pointer(pointer);
                let target = target.unwrap_or_else(|| panic!("{pointer} is nowhere"));
                check(document, target, value, at)?;
            }
            "type" => {
                let types = match wanted {
                    Value::Array(types) => types.clone(),
                    one => vec![one.clone()],
                };
                if !types
                    .iter()
                    .any(|it| is_of(value, it.as_str().expect("text")))
                {
                    return fail(format!("not of type {wanted}"));
                }
            }
            "enum" => {
                if !wanted.as_array().expect("a list").contains(value) {
                    return fail(format!("none of {wanted}"));
                }
            }
            "oneOf" | "anyOf" => {
                let results = wanted.as_array().expect("a list").iter();
                let results: Vec<_> = results.map(|it| check(document, it, value, at)).collect();
                let fitting = results.iter().filter(|it| it.is_ok()).count();
                if fitting == 0 || rule == "oneOf" && fitting > 1 {
                    return fail(format!("{fitting} of {rule} fit: {results:?}"));
                }
            }
            "required" => {
                for name in wanted.as_array().expect("a list") {
                    if value.is_object() && value.get(name.as_str().expect("text")).is_none() {
                        return fail(format!("{name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in wanted.as_object().expect("an object") {
                    if let Some(value) = value.get(name) {
                        check(document, schema, value, &format!("{at}/{name}"))?;
                    }
                }
            }
            "propertyNames" => {
                for name in value.as_object().into_iter().flat_map(|it| it.keys()) {
                    check(document, wanted, &Value::from(name.as_str()), at)?;
                }
            }
            "additionalProperties" => {
                let known = |name: &str| {
                    rules
                        .get("properties")
                        .is_some_and(|it| it.get(name).is_some())
                };
                for (name, value) in value.as_object().into_iter().flatten() {
                    match wanted {
                        Value::Bool(true) => {}
                        _ if known(name) => {}
                        Value::Bool(false) => return fail(format!("{name} is not described")),
                        schema => check(document, schema, value, &format!("{at}/{name}"))?,
                    }
                }
            }
            "items" => {
                for (number, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, wanted, value, &format!("{at}/{number}"))?;
                }
            }
            "prefixItems" => {
                let schemas = wanted.as_array().expect("a list").iter();
                for (number, (schema, value)) in schemas
                    .zip(value.as_array().into_iter().flatten())
                    .enumerate()
                {
                    check(document, schema, value, &format!("{at}/{number}"))?;
                }
            }
            "minItems" | "maxItems" => {
                let count = value.as_array().map_or(0, Vec::len) as u64;
                let wanted = wanted.as_u64().expect("a number");
                if rule == "minItems" && count < wanted || rule == "maxItems" && count > wanted {
                    return fail(format!("{count} items"));
                }
            }
            unknown => panic!("{unknown} is a rule that this check does not know"),
        }
    }
    Ok(())
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let document = serde_json::json!({
        "word": {"type": "string", "enum": ["a", "b"]},
        "all": {
            "type": "object", "additionalProperties": false, "required": ["one"],
            "properties": {
                "one": {"$ref": "#/word"},
                "many": {"type": "array", "items": {"anyOf": [{"$ref": "#/word"}, {"type": "null"}]}},
                "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
                "by": {"type": "object", "additionalProperties": {"type": "boolean"}, "propertyNames": {"$ref": "#/word"}},
            },
        },
    });
    let fits = |value: Value| mismatch(&document, &document["all"], &value).is_none();
    assert!(fits(
        serde_json::json!({"one": "a", "many": ["b", null], "pair": [1, "x"], "by": {"a": true}})
    ));
    for wrong in [
        serde_json::json!([]),
        serde_json::json!({}),
        serde_json::json!({"one": "c"}),
        serde_json::json!({"one": "a", "two": 2}),
        serde_json::json!({"one": "a", "many": ["c"]}),
        serde_json::json!({"one": "a", "pair": [1]}),
        serde_json::json!({"one": "a", "pair": ["x", "x"]}),
        serde_json::json!({"one": "a", "by": {"a": 1}}),
        serde_json::json!({"one": "a", "by": {"c": true}}),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
}
