//! Objects of custom resources against their schema, in the words of kube-apiserver's OpenAPI validator.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

use super::field::{Error, ErrorList};
use super::gofmt;
use super::path::Path;
use crate::schema::{ListType, Structural};

/// What is wrong with an object. Members of the metadata are not looked at.
pub(crate) fn check(schema: &Structural, object: &Value, errors: &mut ErrorList) {
    value(schema, object, &Path::ROOT, errors);
    lists(schema, object, &Path::ROOT, errors);
}

/// The field path as the texts of this validator have it; empty at the root.
fn name(path: &Path<'_>) -> String {
    let text = path.to_string();
    if text == "<nil>" { String::new() } else { text }
}

fn invalid(path: &Path<'_>, value: &Value, complaint: &str) -> Error {
    Error::invalid(path, value, format!("{} in body {complaint}", name(path)))
}

fn value(schema: &Structural, value: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    if value.is_null() && schema.nullable {
        return;
    }
    let before = errors.len();
    of_type(schema, value, path, errors);
    let fits = errors.len() == before;
    combined(schema, value, path, errors);
    if !schema.allowed.is_empty() && !schema.allowed.contains(value) {
        errors.push(Error::not_supported_value(path, value, &schema.allowed));
    }
    match value {
        Value::String(text) if fits => string(schema, text, path, errors),
        Value::Number(number) => self::number(schema, value, number, path, errors),
        Value::Array(items) => {
            array(schema, items, path, errors);
        }
        Value::Object(members) => {
            let count = members.len() as u64;
            if let Some(most) = schema.max_properties.filter(|most| count > *most) {
                errors.push(Error::too_many(path, count, most));
            }
            if let Some(least) = schema.min_properties.filter(|least| count < *least) {
                let complaint = format!("should have at least {least} properties");
                errors.push(invalid(path, value, &complaint));
            }
            for (name, value) in members {
                let is_root = path.parent().is_none() && path.to_string() == "<nil>";
                if (is_root || schema.embedded_resource)
                    && matches!(name.as_str(), "apiVersion" | "kind" | "metadata")
                {
                    continue;
                }
                let inner = schema.properties.get(name.as_str());
                if let Some(inner) = inner.or(schema.additional.as_deref()) {
                    self::value(inner, value, &path.child(name), errors);
                }
            }
            for name in &schema.required {
                if !members.contains_key(&**name) {
                    errors.push(Error::required(&path.child(name), ""));
                }
            }
        }
        _ => {}
    }
}

/// The name of a value's type.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn of_type(schema: &Structural, value: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let found = type_name(value);
    let misfit = |wanted: &str, found: &str| {
        let detail = format!(
            "{} in body must be of type {wanted}: {}",
            name(path),
            gofmt::quote(found)
        );
        Error::type_invalid(path, found, detail)
    };
    if schema.int_or_string {
        if !matches!(found, "integer" | "string") {
            errors.push(misfit("integer,string", found));
        }
        return;
    }
    let whole = |number: &serde_json::Number| number.as_f64().is_some_and(|n| n.fract() == 0.0);
    let fits = match (&*schema.kind, value) {
        ("", _) => true,
        ("integer", Value::Number(number)) => !number.is_f64() || whole(number),
        ("number", Value::Number(_)) => true,
        (wanted, _) => wanted == found,
    };
    if !fits {
        match (&*schema.kind, &*schema.format, value) {
            ("integer", format @ ("int32" | "int64"), Value::Number(_)) => {
                errors.push(misfit(format, "float64"));
                let detail = format!(
                    "Checked value must be of type integer with format {format} in {}",
                    name(path)
                );
                errors.push(Error::invalid(&Path::ROOT, "", detail));
            }
            _ => errors.push(misfit(&schema.kind, found)),
        }
        return;
    }
    match (&*schema.kind, value) {
        ("integer", Value::Number(number)) if &*schema.format == "int32" => {
            let fits = number.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
            if !fits {
                let detail = format!(
                    "Checked value must be of type integer with format int32 in {}",
                    name(path)
                );
                errors.push(Error::invalid(&Path::ROOT, value, detail));
            }
        }
        ("string", Value::String(text)) if !has_format(&schema.format, text) => {
            let detail = format!(
                "{} in body must be of type {}: {}",
                name(path),
                schema.format,
                gofmt::quote(text)
            );
            errors.push(Error::type_invalid(path, text.as_str(), detail));
        }
        _ => {}
    }
}

/// Whether a text has a format; formats that kube-apiserver does not know say nothing.
fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid::Uuid::parse_str(text).is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let most = match address.parse() {
                Ok(std::net::IpAddr::V4(_)) => 32,
                Ok(std::net::IpAddr::V6(_)) => 128,
                Err(_) => return false,
            };
            bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        }),
        "byte" => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .is_ok()
        }
        "email" => text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
        "uri" => text.parse::<http::Uri>().is_ok() && text.contains(':'),
        "hostname" => super::format::dns1123_subdomain(&text.to_lowercase()).is_empty(),
        _ => true,
    }
}

/// The first rule about texts that this one breaks.
fn string(schema: &Structural, text: &str, path: &Path<'_>, errors: &mut ErrorList) {
    let length = text.chars().count() as u64;
    let shown = Value::from(text);
    if let Some(most) = schema.max_length.filter(|most| length > *most) {
        errors.push(Error::too_long(
            path,
            usize::try_from(most).unwrap_or(usize::MAX),
        ));
    } else if let Some(least) = schema.min_length.filter(|least| length < *least) {
        let complaint = format!("should be at least {least} chars long");
        errors.push(invalid(path, &shown, &complaint));
    } else if let Some(pattern) = &schema.pattern
        && Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
    {
        errors.push(invalid(path, &shown, &format!("should match '{pattern}'")));
    }
}

fn number(
    schema: &Structural,
    value: &Value,
    number: &serde_json::Number,
    path: &Path<'_>,
    errors: &mut ErrorList,
) {
    let Some(found) = number.as_f64() else {
        return;
    };
    if let Some(factor) = schema.multiple_of
        && (found / factor).fract() != 0.0
    {
        let complaint = format!("should be a multiple of {factor}");
        errors.push(invalid(path, value, &complaint));
    }
    if let Some(most) = schema.maximum {
        if schema.exclusive_maximum && found >= most {
            errors.push(invalid(path, value, &format!("should be less than {most}")));
        } else if found > most {
            let complaint = format!("should be less than or equal to {most}");
            errors.push(invalid(path, value, &complaint));
        }
    }
    if let Some(least) = schema.minimum {
        if schema.exclusive_minimum && found <= least {
            let complaint = format!("should be greater than {least}");
            errors.push(invalid(path, value, &complaint));
        } else if found < least {
            let complaint = format!("should be greater than or equal to {least}");
            errors.push(invalid(path, value, &complaint));
        }
    }
}

fn array(schema: &Structural, items: &[Value], path: &Path<'_>, errors: &mut ErrorList) {
    let count = items.len() as u64;
    if let Some(schema) = &schema.items {
        for (at, item) in items.iter().enumerate() {
            value(schema, item, &path.index(at), errors);
        }
    }
    if let Some(least) = schema.min_items.filter(|least| count < *least) {
        let complaint = format!("should have at least {least} items");
        errors.push(invalid(path, &Value::from(count), &complaint));
    }
    if let Some(most) = schema.max_items.filter(|most| count > *most) {
        errors.push(Error::too_many(path, count, most));
    }
}

/// `allOf`, `anyOf`, `oneOf`, `not`.
fn combined(schema: &Structural, value: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let fits = |schema: &Structural| {
        let mut found = ErrorList::new();
        self::value(schema, value, path, &mut found);
        found.is_empty()
    };
    let mut complain = |what: &str| {
        let detail = format!("{} {what}", gofmt::quote(&name(path)));
        errors.push(Error::invalid(&Path::ROOT, "", detail));
    };
    if schema.all_of.iter().any(|schema| !fits(schema)) {
        complain("must validate all the schemas (allOf)");
    }
    if !schema.any_of.is_empty() && !schema.any_of.iter().any(fits) {
        complain("must validate at least one schema (anyOf)");
    }
    if !schema.one_of.is_empty() {
        match schema.one_of.iter().filter(|schema| fits(schema)).count() {
            0 => complain("must validate one and only one schema (oneOf). Found none valid"),
            1 => {}
            several => complain(&format!(
                "must validate one and only one schema (oneOf). Found {several} valid alternatives"
            )),
        }
    }
    if schema.not.as_deref().is_some_and(fits) {
        complain("must not validate the schema (not)");
    }
}

/// Items of sets and of lists with keys are there once.
fn lists(schema: &Structural, value: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let inner = schema.properties.get(name.as_str());
                if let Some(inner) = inner.or(schema.additional.as_deref()) {
                    lists(inner, value, &path.child(name), errors);
                }
            }
        }
        Value::Array(items) => {
            let mut seen = HashSet::new();
            for (at, item) in items.iter().enumerate() {
                let path = path.index(at);
                let identity = match schema.list_type {
                    Some(ListType::Set) => Some(item.clone()),
                    Some(ListType::Map) => item.as_object().map(|members| {
                        let keys = schema.list_map_keys.iter();
                        keys.filter_map(|key| Some((key.to_string(), members.get(&**key)?.clone())))
                            .collect()
                    }),
                    _ => None,
                };
                if let Some(identity) = identity
                    && !seen.insert(identity.to_string())
                {
                    errors.push(Error::duplicate(&path, &identity));
                }
                if let Some(schema) = &schema.items {
                    lists(schema, item, &path, errors);
                }
            }
        }
        _ => {}
    }
}

/// A number of replicas is a number and not negative, wherever the definition keeps it.
pub(crate) fn replicas(object: &Value, place: &str, errors: &mut ErrorList) {
    let mut found = object;
    let mut misfit = None;
    for name in place.split('.').skip(1) {
        if !found.is_object() && !found.is_null() {
            misfit = Some("map[string]interface{}");
            break;
        }
        found = &found[name];
    }
    let path = Path::new(place);
    let is_number = found.is_i64() || found.is_u64() || found.is_null();
    if let Some(wanted) = misfit.or((!is_number).then_some("int64")) {
        let complaint = format!(
            "{place} accessor error: {} is of the type {}, expected {wanted}",
            gofmt::plain(found),
            gofmt::type_name(found)
        );
        errors.push(Error::invalid(&path, 0, complaint));
        return;
    }
    if let Some(number) = found.as_i64().filter(|number| *number < 0) {
        let complaint = "should be a non-negative integer";
        errors.push(Error::invalid(&path, number, complaint));
    }
}
