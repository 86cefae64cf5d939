//! Fuzz target `patches`: see [`optilock_fuzz::patches`].
#![cfg_attr(fuzzing, no_main)]

optilock_fuzz::fuzz_target!(optilock_fuzz::patches);
