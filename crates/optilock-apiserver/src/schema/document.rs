//! A body that is parsed, but not yet decoded as a type: its `apiVersion` and `kind` say which.

use super::node::Node;
use super::{DecodeError, Decoded, TypeRef, json, structural, walk, yaml};

/// A parsed JSON or YAML document.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    root: Node<'a>,
    /// Complaints of the parser, as of duplicate keys in YAML.
    complaints: Vec<String>,
}

/// `apiVersion` and `kind` of a document; empty where they are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeMeta {
    /// Group and version, e.g. `apps/v1`.
    pub(crate) api_version: String,
    /// Kind, e.g. `Deployment`.
    pub(crate) kind: String,
}

impl<'a> Document<'a> {
    /// Parses JSON.
    pub(crate) fn json(body: &'a [u8]) -> Result<Self, DecodeError> {
        let root = json::parse(body).map_err(DecodeError::Syntax)?;
        Ok(Self {
            root,
            complaints: Vec::new(),
        })
    }

    /// Parses YAML: the first document.
    pub(crate) fn yaml(body: &[u8]) -> Result<Self, DecodeError> {
        let (root, complaints) = yaml::parse(body).map_err(DecodeError::Yaml)?;
        Ok(Self { root, complaints })
    }

    /// What the document says that it is.
    pub(crate) fn type_meta(&self) -> Result<TypeMeta, DecodeError> {
        let misfit = |node: &Node<'_>, field: &str, wanted: &str| {
            let found = node.kind();
            DecodeError::Type(format!(
                "json: cannot unmarshal {found} into Go {field} of type {wanted}"
            ))
        };
        let members = match &self.root {
            Node::Object(members) => &members[..],
            Node::Null => &[],
            other => {
                let wanted = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
                return Err(misfit(other, "value", wanted));
            }
        };
        let mut meta = TypeMeta {
            api_version: String::new(),
            kind: String::new(),
        };
        for (key, node) in members {
            let target = match &**key {
                "apiVersion" => &mut meta.api_version,
                "kind" => &mut meta.kind,
                _ => continue,
            };
            match node {
                Node::String(text) => *target = text.to_string(),
                Node::Null => {}
                other => return Err(misfit(other, &format!("struct field .{key}"), "string")),
            }
        }
        Ok(meta)
    }

    /// The value at a path of members.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Node<'a>> {
        path.iter().try_fold(&self.root, |node, name| match node {
            // Of repeated members the last one counts.
            Node::Object(members) => {
                let mut members = members.iter().rev();
                members.find(|(key, _)| key == name).map(|(_, node)| node)
            }
            _ => None,
        })
    }

    /// What was parsed, for those who read it without a type.
    pub(crate) fn into_root(self) -> Node<'a> {
        self.root
    }

    /// Decodes the document as a type.
    pub(crate) fn decode(&self, ty: &TypeRef) -> Result<Decoded, DecodeError> {
        let mut decoded = match &ty.custom {
            Some(custom) => structural::decode(&custom.schema, &self.root)?,
            None => walk::decode(ty, &self.root)?,
        };
        decoded
            .complaints
            .splice(0..0, self.complaints.iter().cloned());
        Ok(decoded)
    }
}
