//! Fuzz targets for the API server.
//!
//! Each takes any bytes, makes requests of them, and panics where an answer is none that a client could live with. They
//! talk to the server as its users do, so that what is fuzzed is what can be reached: decoding, canonical form,
//! defaults, validation and encoding together. Writes are dry runs, so that an input behaves the same whatever came
//! before it; the router's target, which may write, gets a new server after each input that changed something.
//!
//! libFuzzer runs them on the stable tool chain (`cargo xtask fuzz TARGET`): coverage comes from LLVM's own pass, which
//! rustc's stable `-C passes` switches on. Without `--cfg fuzzing` the same programs replay the files that they are
//! given, and `tests/replay.rs` replays what is committed.

mod answer;
mod client;
mod patches;
mod protobuf;
mod replay;
mod router;
mod selectors;
mod tokens;

pub use patches::patches;
pub use protobuf::protobuf;
pub use replay::replay;
pub use router::router;
pub use selectors::selectors;
pub use tokens::tokens;

/// The `main` of a target's program: under libFuzzer the entry that it calls, else [`replay()`].
#[macro_export]
macro_rules! fuzz_target {
    ($target:path) => {
        #[cfg(fuzzing)]
        ::libfuzzer_sys::fuzz_target!(|data: &[u8]| $target(data));

        #[cfg(not(fuzzing))]
        fn main() -> ::std::io::Result<()> {
            $crate::replay($target)
        }
    };
}
