//! Many updates of one object, one write.

mod batch;
mod combined;
mod combiner;
mod keyed;
mod member;
mod queue;

pub use combined::Combined;
pub use combiner::Combiner;
pub use keyed::Combiners;
