//! The generated table of built-in types. `data/types.txt` has a type a line; a line is read when
//! its type is first used, so that opening the table costs one scan for newlines.
//!
//! A line is the type's OpenAPI name, ` atomic` where it is owned as a whole, and its fields behind
//! tabs. A
//! field is words behind blanks: JSON name, protobuf number (a path through embedded structs, 0
//! for none), type, and what else is known (`omitempty`, `required`, `patch=merge`, …). In a type,
//! `*` is a pointer, `[]` a list, `<>` a list that is a protobuf message, `{}` a map; a struct is
//! its name, or `.Name` in the package of the line. `data/kinds.txt` has a kind a line: version,
//! kind, type. Both are sorted; `cargo xtask schema` writes them.

use std::cmp::Ordering;
use std::sync::OnceLock;

use super::model::{Field, ListType, Omit, PatchStrategy, ProtoSlot, Shape, StructType, TypeRef};

const TYPES: &str = include_str!("../../data/types.txt");
const KINDS: &str = include_str!("../../data/kinds.txt");

struct Table {
    lines: Vec<&'static str>,
    types: Vec<OnceLock<Box<StructType>>>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines: Vec<&str> = lines(TYPES).collect();
        let types = lines.iter().map(|_| OnceLock::new()).collect();
        Table { lines, types }
    })
}

/// The lines of generated data, every one of which has an end. The data is long, and every server that starts waits for this, so the
/// ends are looked for many bytes at a time.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    let mut begin = 0;
    memchr::memchr_iter(b'\n', text.as_bytes())
        .map(move |end| &text[std::mem::replace(&mut begin, end + 1)..end])
}

/// The type in row `index`, which came from [`type_named`].
pub(super) fn builtin_type(index: u16) -> &'static StructType {
    let table = table();
    let row = usize::from(index);
    table.types[row].get_or_init(|| {
        Box::new(StructType {
            row: Some(index),
            ..parse_type(table.lines[row])
        })
    })
}

/// The type of that OpenAPI name.
pub(super) fn type_named(name: &str) -> Option<TypeRef> {
    row_named(name).map(TypeRef::builtin)
}

/// The row of the type of that OpenAPI name.
pub(super) fn row_named(name: &str) -> Option<u16> {
    let lines = &table().lines;
    let row = lines.binary_search_by(|line| compare_name(line, name));
    row.ok()?.try_into().ok()
}

/// How many types there are.
pub(super) fn len() -> usize {
    table().lines.len()
}

/// How the name of a line's type stands to a name. Hundreds of types are looked up when a server starts, so this does not look for the
/// end of the line's name: what ends it is before all that is in names.
fn compare_name(line: &str, name: &str) -> Ordering {
    let (line, name) = (line.as_bytes(), name.as_bytes());
    let common = line.len().min(name.len());
    let begins = line[..common].cmp(&name[..common]);
    begins.then_with(|| match line.get(common) {
        None => common.cmp(&name.len()),
        Some(b'\t' | b' ') => Ordering::Equal,
        Some(_) => Ordering::Greater,
    })
}

#[cfg(test)]
fn line_name(line: &str) -> &str {
    line.split(['\t', ' ']).next().unwrap_or(line)
}

/// The type of a kind. Options (`DeleteOptions`, …) are kinds of every version.
pub(super) fn kind(group: &str, version: &str, kind: &str) -> Option<TypeRef> {
    static LINES: OnceLock<Vec<(&str, &str)>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        lines(KINDS)
            .filter_map(|line| line.rsplit_once(' '))
            .collect()
    });
    let find = |key: &[&str]| {
        let key = key.concat();
        let row = lines.binary_search_by(|(line, _)| (*line).cmp(&key)).ok()?;
        type_named(lines[row].1)
    };
    let exact = match group {
        "" => find(&[version, " ", kind]),
        group => find(&[group, "/", version, " ", kind]),
    };
    exact.or_else(|| find(&["*/* ", kind]))
}

fn parse_type(line: &str) -> StructType {
    let (head, rest) = line.split_once('\t').unwrap_or((line, ""));
    let (name, atomic) = match head.split_once(' ') {
        Some((name, _)) => (name, true),
        None => (head, false),
    };
    let package = name.rfind('.').map_or("", |dot| &name[..dot]);
    let mut fields = Vec::new();
    let mut by_proto = Vec::new();
    for text in rest.split('\t').filter(|text| !text.is_empty()) {
        let (field, path) = parse_field(text, package);
        // 0 stands for a field that protobuf does not have.
        if !path.contains(&0) {
            // No struct has 2^16 fields.
            insert_slot(&mut by_proto, &path, fields.len() as u16);
        }
        fields.push(field);
    }
    sort_slots(&mut by_proto);
    StructType {
        atomic,
        by_proto,
        ..StructType::new(name, fields)
    }
}

fn insert_slot(slots: &mut Vec<(u32, ProtoSlot)>, path: &[u32], field: u16) {
    match path {
        [] => {}
        [number] => slots.push((*number, ProtoSlot::Field(field))),
        [number, rest @ ..] => {
            let at = slots
                .iter()
                .position(|(n, _)| n == number)
                .unwrap_or_else(|| {
                    slots.push((*number, ProtoSlot::Embedded(Vec::new())));
                    slots.len() - 1
                });
            if let ProtoSlot::Embedded(inner) = &mut slots[at].1 {
                insert_slot(inner, rest, field);
            }
        }
    }
}

fn sort_slots(slots: &mut [(u32, ProtoSlot)]) {
    slots.sort_unstable_by_key(|(number, _)| *number);
    for (_, slot) in slots {
        if let ProtoSlot::Embedded(inner) = slot {
            sort_slots(inner);
        }
    }
}

fn parse_field(text: &str, package: &str) -> (Field, Vec<u32>) {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let json = word();
    let path = word()
        .split('.')
        .map(|number| number.parse().unwrap_or_default())
        .collect();
    let ty = word();
    let (pointer, ty) = ty.strip_prefix('*').map_or((false, ty), |ty| (true, ty));
    let mut field = Field {
        json: json.into(),
        shape: parse_shape(ty, package),
        pointer,
        omit: Omit::Never,
        patch_strategy: PatchStrategy::default(),
        patch_merge_key: "".into(),
        required: false,
        list_type: None,
        list_map_keys: Vec::new(),
        atomic: false,
        enum_values: Vec::new(),
        default: None,
        go_type: "".into(),
        within: "".into(),
    };
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            // omitzero says more than omitempty, whichever comes first.
            "omitempty" if field.omit == Omit::Never => field.omit = Omit::Empty,
            "omitzero" => field.omit = Omit::Zero,
            "required" => field.required = true,
            "atomic" => field.atomic = true,
            "go" => field.go_type = value.into(),
            "in" => field.within = value.into(),
            "key" => field.patch_merge_key = value.into(),
            "keys" => field.list_map_keys = value.split(',').map(Into::into).collect(),
            "enum" => {
                field.enum_values = value
                    .split('|')
                    .map(|value| value.replace("%20", " ").into())
                    .collect();
            }
            "default" => field.default = Some(value.into()),
            "list" => {
                field.list_type = match value {
                    "atomic" => Some(ListType::Atomic),
                    "set" => Some(ListType::Set),
                    "map" => Some(ListType::Map),
                    _ => None,
                };
            }
            "patch" => {
                for strategy in value.split(',') {
                    match strategy {
                        "merge" => field.patch_strategy.merge = true,
                        "replace" => field.patch_strategy.replace = true,
                        "retainKeys" => field.patch_strategy.retain_keys = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (field, path)
}

fn parse_shape(text: &str, package: &str) -> Shape {
    let boxed = |text| Box::new(parse_shape(text, package));
    if let Some(item) = text.strip_prefix("[]") {
        return Shape::List(boxed(item));
    }
    if let Some(item) = text.strip_prefix("<>") {
        return Shape::WrappedList(boxed(item));
    }
    if let Some(value) = text.strip_prefix("{}") {
        return Shape::Map(boxed(value));
    }
    let schema = || named(".JSONSchemaProps", package);
    match text {
        "bool" => Shape::Bool,
        "int32" => Shape::Int32,
        "int64" => Shape::Int64,
        "float64" => Shape::Float64,
        "string" => Shape::String,
        "bytes" => Shape::Bytes,
        "time" => Shape::Time,
        "microtime" => Shape::MicroTime,
        "quantity" => Shape::Quantity,
        "intstr" => Shape::IntOrString,
        "raw" => Shape::Raw,
        "schema|bool" => Shape::SchemaOrBool(schema()),
        "schema|list" => Shape::SchemaOrList(schema()),
        "schema|strings" => Shape::SchemaOrStrings(schema()),
        name => Shape::Struct(named(name, package)),
    }
}

/// A struct by its full name or by `.Name` within the package. The generator writes a line for
/// each struct that it names, which a test checks.
fn named(name: &str, package: &str) -> TypeRef {
    let found = match name.strip_prefix('.') {
        Some(short) => type_named(&format!("{package}.{short}")),
        None => type_named(name),
    };
    found.unwrap_or_else(|| panic!("data/types.txt does not describe {name} ({package})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_can_be_read_and_found() {
        assert!(TYPES.lines().is_sorted_by_key(line_name));
        assert!(TYPES.lines().count() < usize::from(u16::MAX));
        for text in [TYPES, KINDS] {
            assert!(lines(text).eq(text.lines()));
        }
        for line in TYPES.lines() {
            let ty = type_named(line_name(line)).expect("listed");
            assert_eq!(&*ty.name, line_name(line));
            for field in &ty.fields {
                assert_eq!(ty.field(&field.json).map(|f| &f.json), Some(&field.json));
                let plain =
                    |byte| matches!(byte, b'$' | b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
                assert!(field.json.bytes().all(plain), "{}", field.json);
            }
        }
        for (line, name, ordering) in [
            ("a.Pod\tx 1 string", "a.Pod", Ordering::Equal),
            ("a.Pod atomic\tx 1 string", "a.Pod", Ordering::Equal),
            ("a.Pod", "a.Pod", Ordering::Equal),
            ("a.Pod", "a.PodSpec", Ordering::Less),
            ("a.Pod\tx 1 string", "a.PodSpec", Ordering::Less),
            ("a.PodSpec\tx 1 string", "a.Pod", Ordering::Greater),
            ("a.Pod\tx 1 string", "a.Node", Ordering::Greater),
        ] {
            assert_eq!(compare_name(line, name), ordering, "{line:?} and {name}");
            assert_eq!(line_name(line).cmp(name), ordering);
        }
        assert!(KINDS.lines().is_sorted());
        for line in KINDS.lines() {
            let name = line.rsplit(' ').next().unwrap_or_default();
            assert!(type_named(name).is_some(), "{line}");
        }
    }

    #[test]
    fn no_word_of_the_table_is_ignored() {
        for field in TYPES.lines().flat_map(|line| line.split('\t').skip(1)) {
            for word in field.split(' ').skip(3) {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                let known = match name {
                    "omitempty" | "omitzero" | "required" | "atomic" | "go" | "in" | "key"
                    | "keys" | "enum" | "default" => true,
                    "list" => ["atomic", "set", "map"].contains(&value),
                    "patch" => value
                        .split(',')
                        .all(|s| ["merge", "replace", "retainKeys"].contains(&s)),
                    _ => false,
                };
                assert!(known, "{word} in {field}");
            }
        }
    }

    #[test]
    fn a_type_has_what_its_sources_say() {
        let spec = type_named("io.k8s.api.apps.v1.DeploymentSpec").expect("listed");
        assert_eq!(spec.go_name(), "v1.DeploymentSpec");
        assert_eq!(spec.short_name(), "DeploymentSpec");
        let replicas = spec.field("replicas").expect("a field");
        assert!(replicas.pointer);
        assert_eq!(
            (&replicas.shape, replicas.omit),
            (&Shape::Int32, Omit::Empty)
        );
        assert!(
            spec.field("selector")
                .is_some_and(|f| f.required && f.atomic)
        );
        assert!(spec.field("Replicas").is_none());

        let container = type_named("io.k8s.api.core.v1.Container").expect("listed");
        let ports = container.field("ports").expect("a field");
        assert!(ports.patch_strategy.merge);
        assert_eq!(&*ports.patch_merge_key, "containerPort");
        assert_eq!(ports.list_type, Some(ListType::Map));
        let port = ports
            .shape
            .item()
            .and_then(Shape::as_struct)
            .expect("structs");
        let protocol = port.field("protocol").expect("a field");
        assert_eq!(protocol.default.as_deref(), Some("\"TCP\""));

        let volume = type_named("io.k8s.api.core.v1.Volume").expect("listed");
        assert!(
            volume.field("hostPath").is_some(),
            "embedded fields are in place"
        );
    }

    #[test]
    fn kinds_are_found_by_group_and_version() {
        let name = |g, v, k| kind(g, v, k).map(|ty| ty.name.to_string());
        assert_eq!(
            name("", "v1", "Pod").as_deref(),
            Some("io.k8s.api.core.v1.Pod")
        );
        assert_eq!(
            name("autoscaling", "v1", "Scale").as_deref(),
            Some("io.k8s.api.autoscaling.v1.Scale")
        );
        assert_eq!(
            name("example.com", "v7", "DeleteOptions").as_deref(),
            Some("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
        );
        assert_eq!(name("apps", "v1", "Pod"), None);
    }
}
