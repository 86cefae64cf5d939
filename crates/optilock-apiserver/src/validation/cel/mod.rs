//! `x-kubernetes-validations`: rules of custom resources in CEL.
//!
//! Expressions are parsed and run by the crate cel, with the functions of kube-cel. What kube-apiserver does beyond that is
//! here: macros that the parser does not know are replaced (`macros`), types are checked when a definition is written
//! (`checker`, with the table `functions.txt`), costs are estimated then (`cost`) and counted when a rule runs that could get
//! too expensive (`meter`).

mod checker;
mod cost;
mod declared;
mod definition;
mod functions;
mod macros;
mod meter;
mod place;
mod program;
mod rules;
mod types;
mod values;

pub(crate) use definition::check as check_definition;
pub(crate) use rules::Rules;
