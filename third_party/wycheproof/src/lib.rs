//! Empty on purpose: this package only pins the ada source.
