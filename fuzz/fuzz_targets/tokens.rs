//! Fuzz target `tokens`: see [`optilock_fuzz::tokens`].
#![cfg_attr(fuzzing, no_main)]

optilock_fuzz::fuzz_target!(optilock_fuzz::tokens);
