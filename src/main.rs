//! The command `ringcx-scim`.

fn main() -> std::process::ExitCode {
    ringcx_scim::cli::main()
}
