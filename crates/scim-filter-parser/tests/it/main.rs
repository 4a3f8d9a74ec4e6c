//! Tests of the crate through its public face. `rfc` holds the examples of the RFC, `grammar` and `errors` the rules
//! one by one, `oracle` the comparison with an independent reader, `properties` and `corpus` hostile text.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rfc;
#[cfg(test)]
mod round_trip;
