//! What clients ask first: versions, groups, resources, OpenAPI, tables.
