//! Fuzz target `protobuf`: see [`optilock_fuzz::protobuf`].
#![cfg_attr(fuzzing, no_main)]

optilock_fuzz::fuzz_target!(optilock_fuzz::protobuf);
