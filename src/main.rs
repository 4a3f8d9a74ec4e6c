//! The command `ringcx-scim`.
fn main() {}
