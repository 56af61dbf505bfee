use proptest::prelude::*;
use serde_json::Value;

use super::super::tree::Budget;
use super::parts::{Elements, Members, Text};
use super::*;
use crate::limits::JSON_DEPTH_MAX;

const LEVELS: &[Level] = &[
    Level { context: &[], context_number: 0, items: &[b"list"], items_number: 1 },
    Level { context: &[b"of"], context_number: 1, items: &[b"leaves"], items_number: 2 },
];

/// What is found in `body`: contexts and leaves as they are written, mistakes in words.
fn walk(body: &str) -> Vec<String> {
    let (mut tree, mut found) = (JsonTree::new(LEVELS), Vec::new());
    loop {
        match tree.next(body.as_bytes(), &mut Budget::step()) {
            Found::Context(_, Context::At(at)) => found.push(format!("of {}", &body[at])),
            Found::Context(_, context) => found.push(format!("{context:?}")),
            Found::Leaf(at) => found.push(body[at].to_owned()),
            Found::Bad(_, odd) => found.push(odd.to_string()),
            Found::Again => {}
            Found::Fail(_) => {
                found.push("fail".to_owned());
                return found;
            }
            Found::End => return found,
        }
    }
}

#[test]
fn contexts_come_before_leaves_wherever_they_stand() {
    let found = ["of 1", "[2]", "\"x\""];
    for body in [
        r#"{"list":[{"of":1,"leaves":[[2],"x"]}]}"#,
        r#"{"list":[{"leaves":[[2],"x"],"of":1}]}"#,
        r#" { "a" : { "list" : [ ] } , "list" : [ { "leaves" : [ [2] , "x" ] , "of" : 1 } ] } "#,
        r#"{"list":[{"leaves":[[2]],"of":1,"leaves":["x"],"of":3}]}"#,
        r#"{"l\u0069st":[{"o\u0066":1,"leaves":[[2],"x"]}]}"#,
    ] {
        assert_eq!(walk(body), found, "{body}");
    }
    assert_eq!(walk(r#"{"list":[{"leaves":[7]},{}]}"#), ["None", "7", "None"]);
    assert_eq!(walk("{}"), <[&str; 0]>::default());
}

#[test]
fn what_is_no_json_fails() {
    for body in [
        "",
        " ",
        "[]",
        "7",
        "{",
        "}",
        "{}{}",
        "{},",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{\"a\":[}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        r#"{"list":[,]}"#,
        r#"{"list":[{},]}"#,
        r#"{"list":[{}{}]}"#,
        r#"{"list":[{}"#,
        r#"{"list":[{"leaves":[1 2]}]}"#,
        r#"{"a":"x"#,
        r#"{"a":"x\"}"#,
        r#"{"a"#,
        r#"{"a":nu"#,
    ] {
        assert_eq!(walk(body).last().map(String::as_str), Some("fail"), "{body}");
    }
}

#[test]
fn a_name_too_long_is_refused() {
    let body = |bytes: usize| format!("{{\"{}\":1}}", "x".repeat(bytes));
    assert_eq!(walk(&body(JSON_KEY_BYTES_MAX - 2)), <[&str; 0]>::default());
    assert_eq!(walk(&body(JSON_KEY_BYTES_MAX)), ["fail"]);
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let body = |depth: usize| {
        let (open, close) = ("[{\"a\":".repeat(depth / 2), "}]".repeat(depth / 2));
        format!("{{\"x\":{open}1{close}}}")
    };
    assert_eq!(walk(&body(JSON_DEPTH_MAX)), <[&str; 0]>::default());
    assert_eq!(walk(&body(JSON_DEPTH_MAX + 2)), ["fail"]);
    assert_eq!(walk(&body(1 << 20)), ["fail"]);
}

/// The same is found whatever the budgets of the steps are.
#[test]
fn what_is_found_does_not_depend_on_the_steps() {
    let body =
        r#" {"x":"\\\"]","list":[{"leaves":[ ["a\\",-1.5e3 ],{"b":[{}]} ] , "of":{"a":"\""}}]}"#;
    let whole = walk(body);
    assert_eq!(whole.len(), 3);
    for bytes in 1..60 {
        let (mut tree, mut found) = (JsonTree::new(LEVELS), Vec::new());
        loop {
            let mut budget = Budget::step();
            budget.spend(crate::limits::TREE_BYTES_PER_STEP - bytes);
            match tree.next(body.as_bytes(), &mut budget) {
                Found::Context(_, Context::At(at)) => found.push(format!("of {}", &body[at])),
                Found::Leaf(at) => found.push(body[at].to_owned()),
                Found::Again => {}
                Found::End => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(found, whole, "{bytes} bytes a step");
    }
}

/// The value that `raw` stands for, read by [`parts`] but for numbers and words.
fn read(raw: &[u8]) -> Value {
    let text = |text: Text<'_>| {
        let mut out = Vec::new();
        text.append(usize::MAX, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    match raw[0] {
        b'{' => {
            let pairs = Members::new(raw).unwrap().map(|member| member.unwrap());
            Value::Object(pairs.map(|(name, value)| (text(name), read(value))).collect())
        }
        b'[' => {
            let elements = Elements::new(raw).unwrap();
            Value::Array(elements.map(|element| read(element.unwrap())).collect())
        }
        b'"' => Value::String(text(Text::new(raw))),
        _ => serde_json::from_slice(raw).unwrap(),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn parts_are_what_serde_json_wrote(value in value(), is_pretty: bool) {
        let text = match is_pretty {
            true => serde_json::to_string_pretty(&value).unwrap(),
            false => serde_json::to_string(&value).unwrap(),
        };
        prop_assert_eq!(read(text.as_bytes()), value);
        let body = format!("{{\"x\":{text},\"list\":[{{\"leaves\":[{text},1],\"of\":{text}}}]}}");
        let expected = [format!("of {text}"), text, "1".to_owned()];
        prop_assert_eq!(walk(&body), expected);
    }

    #[test]
    fn parts_of_what_is_no_json_are_refused_or_read(text in "[\\[\\]{}\",:a1\\\\ ]{0,24}") {
        for element in Elements::new(text.as_bytes()).into_iter().flatten() {
            prop_assert!(element.is_err() || !element.unwrap().is_empty());
        }
        for member in Members::new(text.as_bytes()).into_iter().flatten() {
            prop_assert!(member.is_err() || !member.unwrap().1.is_empty());
        }
        walk(&text);
    }
}
