//! What kube-apiserver 1.36.3 answers to malformed selectors, word for word.

use super::{LabelSelector, selectable_fields};
use crate::status::Status;

#[test]
fn label_selectors() {
    for (selector, expected) in [
        (
            "a in (b",
            "unable to parse requirement: found '', expected: ',' or ')'",
        ),
        (
            "a in b",
            "unable to parse requirement: found 'b' expected: '('",
        ),
        (
            "a in (b c)",
            "unable to parse requirement: found 'c', expected: ',' or ')'",
        ),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        (
            "=b",
            "found '=', expected: !, identifier, or 'end of string'",
        ),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        (
            "!",
            "unable to parse requirement: found '', expected: identifier",
        ),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        (
            "a===b",
            "unable to parse requirement: found '=', expected: identifier",
        ),
        (
            "a!b",
            "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt",
        ),
        (
            "(a)",
            "found '(', expected: !, identifier, or 'end of string'",
        ),
        ("a in (b))", "found ')', expected: ',' or 'end of string'"),
        (
            "a=(b)",
            "unable to parse requirement: found '(', expected: identifier",
        ),
        ("a=bad!", "found '!', expected: ',' or 'end of string'"),
        (
            "a=<",
            "unable to parse requirement: found '<', expected: identifier",
        ),
        (
            "a><b",
            "unable to parse requirement: found '<', expected: identifier",
        ),
        (
            "a in",
            "unable to parse requirement: found '' expected: '('",
        ),
        (
            "a in (=)",
            "unable to parse requirement: found '=', expected: ',', ')' or identifier",
        ),
        (
            "a in (,=)",
            "unable to parse requirement: found '=', expected: ',', or identifier",
        ),
        ("a in (b)c", "found 'c', expected: ',' or 'end of string'"),
        (
            "<=",
            "found '<', expected: !, identifier, or 'end of string'",
        ),
        (
            "a>x",
            r#"unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer"#,
        ),
        (
            "a>",
            r#"unable to parse requirement: values[0]: Invalid value: "": for 'Gt', 'Lt' operators, the value must be an integer"#,
        ),
        (
            "a<5x",
            r#"unable to parse requirement: values[0]: Invalid value: "5x": for 'Gt', 'Lt' operators, the value must be an integer"#,
        ),
        (
            "-a=b",
            r#"unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
        ),
        (
            "a/b/c",
            r#"unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"#,
        ),
        (
            "/b",
            r#"unable to parse requirement: <nil>: Invalid value: "/b": prefix part must be non-empty"#,
        ),
        (
            "a/",
            r#"unable to parse requirement: <nil>: Invalid value: "a/": name part must be non-empty; name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
        ),
        (
            "A.b/c",
            r#"unable to parse requirement: <nil>: Invalid value: "A.b/c": prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#,
        ),
        (
            "a=-b",
            r#"unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#,
        ),
        (
            "a in (-b,c,_d)",
            r#"unable to parse requirement: [values[0][a]: Invalid value: "-b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), values[1][a]: Invalid value: "_d": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')]"#,
        ),
        (
            "a=ü",
            r#"unable to parse requirement: values[0][a]: Invalid value: "ü": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#,
        ),
        (
            "é=1",
            r#"unable to parse requirement: <nil>: Invalid value: "é": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
        ),
        (
            "x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            r#"unable to parse requirement: values[0][x]: Invalid value: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": must be no more than 63 bytes"#,
        ),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=x",
            r#"unable to parse requirement: <nil>: Invalid value: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": name part must be no more than 63 bytes"#,
        ),
    ] {
        let error = LabelSelector::parse(selector).expect_err(selector);
        let status = Status::from(error);
        assert_eq!(
            (status.code, status.message.as_str()),
            (400, expected),
            "{selector}"
        );
    }
}

#[test]
fn field_selectors() {
    for (group, resource, selector, expected) in [
        (
            "",
            "configmaps",
            "foo.bar=1",
            r#""foo.bar" is not a known field selector: only "metadata.name", "metadata.namespace""#,
        ),
        (
            "",
            "configmaps",
            "metadata.name",
            "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
        ),
        (
            "",
            "configmaps",
            "metadata.name=a,b",
            "invalid selector: 'metadata.name=a,b'; can't understand 'b'",
        ),
        (
            "",
            "configmaps",
            r"metadata.name=a\b",
            r"invalid field selector: invalid escape sequence: \b",
        ),
        (
            "",
            "configmaps",
            "metadata.name=a=b",
            "invalid field selector: unescaped character in value: 61",
        ),
        (
            "",
            "configmaps",
            "=a",
            r#""" is not a known field selector: only "metadata.name", "metadata.namespace""#,
        ),
        (
            "",
            "configmaps",
            "foo=1,bar=2",
            r#""bar" is not a known field selector: only "metadata.name", "metadata.namespace""#,
        ),
        (
            "",
            "configmaps",
            r"metadata.name=a\",
            r"invalid field selector: invalid escape sequence: \",
        ),
        ("", "pods", "foo=1", "field label not supported: foo"),
        (
            "batch",
            "jobs",
            "status.active=1",
            r#"field label "status.active" not supported for Job"#,
        ),
        (
            "resource.k8s.io",
            "resourceslices",
            "metadata.namespace=a",
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: metadata.namespace",
        ),
        (
            "events.k8s.io",
            "events",
            "involvedObject.kind=Pod",
            "field label not supported: involvedObject.kind",
        ),
        (
            "apps",
            "replicasets",
            "status.replicas=1",
            r#""status.replicas" is not a known field selector: only "metadata.name", "metadata.namespace""#,
        ),
        (
            "",
            "nodes",
            "metadata.namespace=x",
            "field label not supported: metadata.namespace",
        ),
    ] {
        let error = selectable_fields(group, resource)
            .parse(selector)
            .expect_err(selector);
        let status = Status::from(error);
        assert_eq!(
            (status.code, status.message.as_str()),
            (400, expected),
            "{selector}"
        );
    }
}
