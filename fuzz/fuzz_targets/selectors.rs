//! Fuzz target `selectors`: see [`optilock_fuzz::selectors`].
#![cfg_attr(fuzzing, no_main)]

optilock_fuzz::fuzz_target!(optilock_fuzz::selectors);
