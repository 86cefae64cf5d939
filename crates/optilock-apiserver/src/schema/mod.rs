//! The types of the Kubernetes API as data: decoding, canonical form, protobuf, defaults.
