//! YAML as version 1.2 reads it: `y` and `no` are texts.

use serde::de::DeserializeOwned;

/// Reads a document.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn y_and_no_are_texts() {
        let document: Value = parse("{a: y, b: no, c: true, d: '5'}").unwrap();
        assert_eq!(document, json!({"a": "y", "b": "no", "c": true, "d": "5"}));
    }
}
