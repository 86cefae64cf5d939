//! References to container images: `[domain[:port]/]path[:tag][@digest]`.

/// Whether a reference means the newest image: it has the tag `latest`, or neither tag nor digest.
///
/// A text that is no reference means no image, and hence not the newest one.
pub(super) fn is_latest(reference: &str) -> bool {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    // A colon in front of the last slash belongs to a port.
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match name[last..].find(':') {
        Some(colon) => (&name[..last + colon], Some(&name[last + colon + 1..])),
        None => (name, None),
    };
    if !is_name(name) || !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
        return false;
    }
    match (tag, digest) {
        (Some(tag), _) => tag == "latest",
        (None, digest) => digest.is_none(),
    }
}

fn is_name(name: &str) -> bool {
    let path = match name.split_once('/') {
        // The first part is a domain when it cannot be a part of a path.
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(char::is_uppercase) =>
        {
            if !is_domain(first) {
                return false;
            }
            rest
        }
        _ => name,
    };
    // 64 hexadecimal digits are an identifier, not a name.
    let identifier = name.len() == 64
        && name
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    !identifier && path.split('/').all(is_component)
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let valid = match address {
        Some(address) => {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        }
        None => host.split('.').all(|label| {
            let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
            let bytes = label.as_bytes();
            edge(bytes.first())
                && edge(bytes.last())
                && bytes
                    .iter()
                    .all(|&b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    };
    valid && port.is_none_or(digits)
}

/// Letters and digits in lower case, with single separators (`.`, `_`, `__` or dashes) between.
fn is_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let edges = bytes.first().zip(bytes.last());
    edges.is_some_and(|(&first, &last)| word(first) && word(last))
        && text
            .split(|c: char| u8::try_from(c).is_ok_and(word))
            .all(|separator| {
                matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
            })
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn newest_is_no_tag_or_latest() {
        let digest = format!("@sha256:{}", "a".repeat(64));
        for (reference, expected) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.25", false),
            ("registry.example.com:5000/team/web", true),
            ("registry.example.com:5000/team/web:v1", false),
            ("localhost/web", true),
            ("Registry/web", true),
            ("a_b/c--d/e__f", true),
            (&format!("nginx{digest}"), false),
            (&format!("nginx:latest{digest}"), true),
            ("", false),
            ("Nginx", false),
            ("nginx:", false),
            ("a//b", false),
            ("a..b", false),
            ("nginx@bad", false),
            ("nginx latest", false),
            (&"a".repeat(64), false),
        ] {
            assert_eq!(is_latest(reference), expected, "{reference}");
        }
    }
}
