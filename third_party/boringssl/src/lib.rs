//! Empty on purpose: this package only pins the BoringSSL source.
