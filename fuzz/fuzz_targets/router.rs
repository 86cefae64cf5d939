//! Fuzz target `router`: see [`optilock_fuzz::router`].
#![cfg_attr(fuzzing, no_main)]

optilock_fuzz::fuzz_target!(optilock_fuzz::router);
