//! The `bootstorm` binary; everything it does is in the library.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "bootstorm is for Linux: it lives on recvmmsg, timerfd and source addresses out of 127.0.0.0/8"
);

fn main() -> std::process::ExitCode {
    bootstorm::cli::main()
}
