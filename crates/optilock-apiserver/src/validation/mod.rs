//! Field errors with the API server's texts, and the rules that produce them.
