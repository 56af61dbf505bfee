//! Random bodies against a reading line by line with serde_json.

use proptest::prelude::*;

use super::*;

/// Lines without an array: which of them are objects and nothing else.
fn model(body: &[u8]) -> Vec<Option<String>> {
    let lines = body.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.trim_ascii()).filter(|line| !line.is_empty());
    let object = |line: &[u8]| {
        let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
        value.filter(|value| value.is_object())?;
        Some(String::from_utf8_lossy(line).into_owned())
    };
    lines.map(object).collect()
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\{\"[a-c]{1,3}\":(\"[a-z\\\\\\\\{}é ]{0,6}\"|-?[0-9]{1,3}|true|null)\\}",
        1 => "\\{\"a\":\\{\"b\":\"[ -~]{0,9}\"\\}\\}",
        1 => "\\{\"a\":\"[a-z]{0,4}",
        1 => "[a-z17\" ]{0,9}",
        1 => "\\{[a-z\"]{0,4}\\}",
    ]
}

proptest! {
    #[test]
    fn lines_are_those_of_the_naive_model(
        lines in prop::collection::vec((line(), "\r?\n{1,2}"), 0..8), cut in 0..100_usize,
    ) {
        let body: String = lines.iter().map(|(line, end)| format!("{line}{end}")).collect();
        let whole = read(&Options::default(), &[body.as_bytes()]);
        let cut = cut % (body.len() + 1);
        let (left, right) = body.as_bytes().split_at(cut);
        prop_assert_eq!(&whole, &read(&Options::default(), &[left, right]));
        let model = model(body.as_bytes());
        let seen: Vec<Option<String>> = whole
            .iter()
            .map(|shown| (!shown.starts_with('!')).then(|| shown.clone()))
            .collect();
        prop_assert_eq!(seen, model, "{:?}", body);
    }

    #[test]
    fn no_object_of_an_array_or_a_row_is_lost(
        objects in prop::collection::vec(
            "\\{\"[a-c]\":(\"[a-z{}\\[\\],]{0,6}\"|\\[1,\\{\\}\\])\\}", 1..8,
        ),
        separators in prop::collection::vec("[ \n]{0,2}", 8),
    ) {
        let joined = |between: &str| -> String {
            let spaced = objects.iter().zip(&separators);
            let spaced = spaced.map(|(object, space)| format!("{object}{space}"));
            spaced.collect::<Vec<_>>().join(between)
        };
        for body in [joined(""), format!("[{}]", joined(",")), joined("\n")] {
            let seen = read(&Options::default(), &[body.as_bytes()]);
            prop_assert_eq!(&seen, &objects, "{}", body);
        }
    }
}
